"""From the times of hops to what they say: percentiles, misses, shares, and whether a budget holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.engine.budget import BLOCKS, LatencyBudget, plan_budget
from rtaudio.errors import BudgetError
from rtaudio.stream.stage import NativeStage
from rtaudio.stream.timing import HopTimes

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


@dataclass
class Runs:
    """All that was timed of one backend, in rounds taken in turn with the other backends."""

    name: str
    gil_free: bool
    stages: tuple[str, ...]
    paced: list[HopTimes] = field(default_factory=list)
    warm: list[HopTimes] = field(default_factory=list)
    cpu_s: float = 0.0
    """Processor time of the paced rounds."""


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


def summarise(runs: Runs, period_ns: int) -> dict[str, Any]:
    """A backend's part of the report; times in µs. `samples` keeps every hop, for later comparison."""
    compute, response = joined(runs.paced, "compute_us"), joined(runs.paced, "response_us")
    warm, missed = joined(runs.warm, "compute_us"), joined(runs.paced, "missed").astype(bool)
    period_us = period_ns / 1000
    stages = np.concatenate([run.stage_us for run in runs.paced]) if runs.paced else np.zeros((0, 0))
    return {
        "backend": runs.name,
        "gil_free": runs.gil_free,
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
        "cpu_share": runs.cpu_s * 1e9 / (period_ns * len(compute)) if len(compute) else None,
        "samples": {
            "rounds": [len(run.marks) for run in runs.paced],
            "compute_us": compute.round(2).tolist(),
            "response_us": response.round(2).tolist(),
            "warm_rounds": [len(run.marks) for run in runs.warm],
            "warm_us": warm.round(2).tolist(),
        },
    }


def choose_plan(stage: NativeStage, sample_rate: int, budget_ms: float) -> tuple[LatencyBudget, str]:
    """How the engine would meet the budget, or the shortest delay there is and why it is too long."""
    try:
        return plan_budget(stage, sample_rate, budget_ms=budget_ms), ""
    except BudgetError:
        (hop_length,) = stage.in_spec.shape
        plans = [LatencyBudget(sample_rate, block, hop_length, stage.latency) for block in BLOCKS]
        least = min(plans, key=lambda plan: plan.total_ms)
        return least, f"the least there is comes to {least.total_ms:.1f} ms"


def grouped(plan: LatencyBudget) -> dict[str, float]:
    """Parts of the delay in ms, the longest first; the device's two buffers as one."""
    parts = dict(plan.parts)
    parts["device"] = parts.pop("capture buffer") + parts.pop("playback buffer")
    return dict(sorted(parts.items(), key=lambda part: -part[1]))


def judge(plan: LatencyBudget, too_long: str, budget_ms: float, told: dict[str, Any]) -> dict[str, Any]:
    """Whether the delay fits the budget and the hops the time kept for them; in one line first."""
    name, needed_us = tail(told["response_us"])
    allowed_us = 1e6 * plan.compute / plan.sample_rate
    parts = grouped(plan)
    where = " + ".join(f"{part} {ms:.1f}" for part, ms in parts.items())
    if too_long:
        head = f"does not fit {budget_ms:g} ms: {too_long} = {where}"
    elif needed_us > allowed_us:
        head = f"does not fit {budget_ms:g} ms: {plan.total_ms:.1f} ms = {where}, and hops are late"
    else:
        head = f"fits {budget_ms:g} ms: {plan.total_ms:.1f} ms = {where}"
    waking, computing = (tail(told[key])[1] / 1000 for key in ("wake_us", "compute_us"))
    compute = (
        f"a hop is done {needed_us / 1000:.2f} ms after it is due ({name}; waking {waking:.2f}, "
        f"computing {computing:.2f}) and {allowed_us / 1000:.1f} ms are kept for it"
    )
    return {
        "fits": not too_long and needed_us <= allowed_us,
        "line": f"{head}; {compute}; {told['deadline_misses']} of {told['hops']} missed the deadline",
        "budget_ms": budget_ms,
        "total_ms": plan.total_ms,
        "parts_ms": parts,
        "block": plan.block,
        "needed_us": needed_us,
        "needed_is": name,
        "allowed_us": allowed_us,
    }
