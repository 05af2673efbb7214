"""The same net at other paces, and for many streams at once: what `--hop` and `--streams` ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.nn.weights import Weights
from rtaudio.stream.batch import batched
from rtaudio.stream.pipeline import Pipeline
from rtaudio.tasks.bench_backends import Backend, NativeBackend, build_backend, demo_hops
from rtaudio.tasks.bench_subject import load_model
from rtaudio.tasks.bench_summary import Runs, joined, percentiles, tail
from rtaudio.tasks.denoise import denoise_stages

MS_NS = 1_000_000

Measure = Callable[[Backend, int], tuple[Runs, bool]]
"""Times a backend at a period in ns; False with what there is where it was cut short."""

Row = dict[str, Any]


def measure_paces(measure: Measure, model: str | Path, hops_ms: Sequence[float]) -> list[Row]:
    """The net's native step called once every so many ms, with that as its deadline.

    It is what a net of this size with so short a hop would cost here. The sound would be wrong at
    any pace but the net's own, and isn't kept.
    """
    rows = []
    for hop_ms in hops_ms:
        period_ns = round(hop_ms * MS_NS)
        runs, finished = measure(build_backend("native", load_model(model)), period_ns)
        rows.append({"model": str(model), "hop_ms": hop_ms} | _row(runs, period_ns))
        if not finished:
            break
    return rows


def measure_streams(
    measure: Measure, model: str | Path, sizes: Sequence[int], period_ns: int, precision: str = "float32"
) -> list[Row]:
    """So many streams in one batched native step on one core, at the net's own pace."""
    rows = []
    for streams in sizes:
        runs, finished = measure(_stream_backend(load_model(model), streams, precision), period_ns)
        rows.append({"model": str(model), "streams": streams} | _row(runs, period_ns))
        if not finished:
            break
    return rows


def _stream_backend(weights: Weights, streams: int, precision: str) -> Backend:
    """A batch whose streams are the bundled recording, each a second further on."""
    stage = Pipeline(denoise_stages(weights, precision))
    (hop_length,) = stage.in_spec.shape
    hops = demo_hops(hop_length)
    places = (np.arange(100)[:, None] + 100 * np.arange(streams)) % len(hops)
    x = np.ascontiguousarray(hops[places].reshape(100, -1))
    return NativeBackend(f"{streams} streams", ("step",), [batched(stage, streams)], x)


def _row(runs: Runs, period_ns: int) -> Row:
    """`fits`: whether the furthest percentile that so many hops can tell lies within the hop."""
    compute, response = joined(runs.paced, "compute_us"), joined(runs.paced, "response_us")
    told = percentiles(response)
    name, late_us = tail(told)
    return {
        "failure": runs.failure,
        "hops": len(response),
        "compute_us": percentiles(compute),
        "response_us": told,
        "deadline_misses": int(joined(runs.paced, "missed").sum()),
        "rtf": float(compute.mean() * 1000 / period_ns) if len(compute) else None,
        "fits": bool(not runs.failure and len(response) and late_us * 1000 <= period_ns),
        "judged_by": name,
    }


def streams_line(rows: Sequence[Row]) -> str:
    """The largest number of streams that fits, of those measured, in one line; of each model."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    if len(models) == 1:
        return _most_streams(rows)
    return "; ".join(f"{m}: {_most_streams([row for row in rows if row['model'] == m])}" for m in models)


def _most_streams(rows: Sequence[Row]) -> str:
    fitting = [row["streams"] for row in rows if row["fits"]]
    others = [row["streams"] for row in rows if not row["fits"]]
    judged = next((row["judged_by"] for row in rows), "")
    if not fitting:
        return f"none of the numbers of streams tried fits one core at {judged}"
    beyond = min((n for n in others if n > max(fitting)), default=None)
    limit = f"{beyond} do not" if beyond else "more were not tried"
    return f"{max(fitting)} streams fit the hop on one core at {judged}; {limit}"
