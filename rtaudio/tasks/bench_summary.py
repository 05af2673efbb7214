"""From the times of hops to what they say: percentiles, misses, shares, and whether a budget holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.stream.timing import HopTimes
from rtaudio.tasks.bench_delay import Delay

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


@dataclass
class Runs:
    """All that was timed of one backend, in rounds taken in turn with the other backends.

    - period_ns: between its hops, live.
    - failure: what ended it early; "" where nothing did.
    - cpu_s: processor time of the paced rounds; energy_j: what the processor took meanwhile, None where
      the machine doesn't tell.
    """

    name: str
    gil_free: bool
    stages: tuple[str, ...]
    period_ns: int
    paced: list[HopTimes] = field(default_factory=list)
    warm: list[HopTimes] = field(default_factory=list)
    failure: str = ""
    cpu_s: float = 0.0
    energy_j: float | None = None

    def keep(self, times: HopTimes) -> None:
        if len(times.marks):
            (self.paced if times.period_ns else self.warm).append(times)


def enough(n_values: int, quantile: float) -> bool:
    """Whether at least one of so many values is expected to lie beyond the quantile."""
    return n_values * (1 - quantile) > 1 - 1e-6


def percentiles(values: NDArray[np.float64]) -> dict[str, float | None]:
    """p50 to p99.9 and the largest; None where there are too few values to tell a percentile from it."""
    if not len(values):
        return dict.fromkeys((*QUANTILES, "max"))
    told: dict[str, float | None] = {
        name: float(np.quantile(values, q)) if enough(len(values), q) else None
        for name, q in QUANTILES.items()
    }
    return told | {"max": float(values.max())}


def tail(told: dict[str, float | None]) -> tuple[str, float]:
    """The furthest out that could be measured, and its name."""
    for name in ("p99.9", "p99", "p95"):
        value = told[name]
        if value is not None:
            return name, value
    return "max", told["max"] or 0.0


def joined(runs: Sequence[HopTimes], what: str) -> NDArray[np.float64]:
    """One property of all runs in a row."""
    return np.concatenate([getattr(run, what) for run in runs]) if runs else np.zeros(0)


def summarise(runs: Runs) -> dict[str, Any]:
    """A backend's part of the report; times in µs. `samples` keeps every hop, for later comparison."""
    compute, response = joined(runs.paced, "compute_us"), joined(runs.paced, "response_us")
    warm, missed = joined(runs.warm, "compute_us"), joined(runs.paced, "missed").astype(bool)
    stages = np.concatenate([run.stage_us for run in runs.paced]) if runs.paced else np.zeros((0, 0))
    period_us, paced_s = runs.period_ns / 1000, runs.period_ns * len(compute) / 1e9
    return {
        "backend": runs.name,
        "gil_free": runs.gil_free,
        "failure": runs.failure,
        "period_us": period_us,
        "hops": len(compute),
        "compute_us": percentiles(compute),
        "response_us": percentiles(response),
        "warm_hops": len(warm),
        "warm_us": percentiles(warm),
        "stage_us": {name: percentiles(column) for name, column in zip(runs.stages, stages.T, strict=False)},
        "wake_us": percentiles(joined(runs.paced, "wake_us")),
        "deadline_misses": int(missed.sum()),
        "missed_hops": np.flatnonzero(missed).tolist(),
        "rtf": float(compute.mean() / period_us) if len(compute) else None,
        "cpu_share": runs.cpu_s / paced_s if paced_s else None,
        "power_w": runs.energy_j / paced_s if paced_s and runs.energy_j is not None else None,
        "samples": {
            "rounds": [len(run.marks) for run in runs.paced],
            "compute_us": compute.round(2).tolist(),
            "response_us": response.round(2).tolist(),
            "warm_rounds": [len(run.marks) for run in runs.warm],
            "warm_us": warm.round(2).tolist(),
        },
    }


def title_of(told: dict[str, Any], report: dict[str, Any]) -> str:
    """A backend's name; its model's before it where a report is of several."""
    several = len(report["models"]) > 1
    return f"{short_name(told['model'])} {told['backend']}" if several else str(told["backend"])


def short_name(model: str) -> str:
    """A model's name, a file's without its folder."""
    return Path(model).name


def judge(delay: Delay, budget_ms: float, told: dict[str, Any], worker_us: float = 0.0) -> dict[str, Any]:
    """Whether the delay fits the budget and the hops the time kept for them; in one line first.

    That time is what the engine has on the way, or, of a stage in Python, its worker's deadline.
    """
    name, needed_us = tail(told["response_us"])
    allowed_us = worker_us or 1000 * delay.compute_ms
    fits, late = delay.fits(budget_ms), needed_us > allowed_us
    if told["failure"]:
        head = f"does not run: {told['backend']} {told['failure']}"
    elif delay.too_long:
        where = delay.describe().partition(" = ")[2]
        head = f"does not fit {budget_ms:g} ms: {delay.too_long} = {where}"
    else:
        head = f"{'fits' if fits and not late else 'does not fit'} {budget_ms:g} ms: {delay.describe()}"
        head += ", and hops are late" * late
    return {
        "fits": not told["failure"] and fits and not late,
        "line": f"{head}; {_in_time(told, name, needed_us, allowed_us)}{_on_the_way(delay)}",
        "budget_ms": budget_ms,
        "total_ms": delay.total_ms,
        "most_ms": delay.most_ms,
        "basis": delay.basis,
        "parts_ms": delay.parts,
        "block": delay.block,
        "needed_us": needed_us,
        "needed_is": name,
        "allowed_us": allowed_us,
    }


def _in_time(told: dict[str, Any], name: str, needed_us: float, allowed_us: float) -> str:
    """Where the time of a hop goes, and how many were late."""
    if not told["hops"]:
        return "no hop was done at the pace of live audio"
    waking, computing = (tail(told[key])[1] / 1000 for key in ("wake_us", "compute_us"))
    return (
        f"a hop is done {needed_us / 1000:.2f} ms after it is due ({name}; waking {waking:.2f}, "
        f"computing {computing:.2f}) and {allowed_us / 1000:.1f} ms are kept for it; "
        f"{told['deadline_misses']} of {told['hops']} missed the deadline"
    )


def _on_the_way(delay: Delay) -> str:
    return f", and on the measured path {delay.missed} of {delay.hops}" if delay.hops else ""
