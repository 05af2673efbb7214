"""The same model at other paces, and for many streams: what `--hop` and `--streams` ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rtaudio.tasks.bench_backends import Backend
from rtaudio.tasks.bench_subject import Subject
from rtaudio.tasks.bench_summary import Runs, joined, percentiles, short_name, tail

MS_NS = 1_000_000

Measure = Callable[[Backend, int], tuple[Runs, bool]]
"""Times a backend at a period in ns; False with what there is where it was cut short."""

Row = dict[str, Any]


def measure_paces(measure: Measure, subject: Subject, hops_ms: Sequence[float]) -> list[Row]:
    """A net's native step called once every so many ms, with that as its deadline.

    It is what a net of this size with so short a hop would cost here. The sound would be wrong at
    any pace but the net's own, and isn't kept.
    """
    rows: list[Row] = []
    if subject.anew is None:
        return rows
    for hop_ms in hops_ms:
        period_ns = round(hop_ms * MS_NS)
        runs, finished = measure(subject.anew(), period_ns)
        rows.append({"model": subject.facts["name"], "hop_ms": hop_ms} | _row(runs, period_ns))
        if not finished:
            break
    return rows


def measure_streams(measure: Measure, subject: Subject, sizes: Sequence[int]) -> list[Row]:
    """So many streams on one core, at the model's own pace; `step` says how."""
    rows = []
    for streams in sizes:
        runs, finished = measure(subject.many(streams), subject.period_ns)
        told = {"model": subject.facts["name"], "streams": streams, "step": subject.many_is}
        rows.append(told | _row(runs, subject.period_ns))
        if not finished:
            break
    return rows


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
    return "; ".join(
        f"{short_name(m)}: {_most_streams([row for row in rows if row['model'] == m])}" for m in models
    )


def _most_streams(rows: Sequence[Row]) -> str:
    fitting = [row["streams"] for row in rows if row["fits"]]
    others = [row["streams"] for row in rows if not row["fits"]]
    judged = next((row["judged_by"] for row in rows), "")
    if not fitting:
        return f"none of the numbers of streams tried fits one core at {judged}"
    beyond = min((n for n in others if n > max(fitting)), default=None)
    limit = f"{beyond} do not" if beyond else "more were not tried"
    fit = f"{max(fitting)} streams fit" if max(fitting) > 1 else "1 stream fits"
    return f"{fit} the hop on one core at {judged}; {limit}"
