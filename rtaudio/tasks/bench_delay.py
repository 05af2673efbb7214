"""What a model delays from microphone to speakers: as planned, or on a path that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rtaudio.engine.budget import BLOCKS, BUFFERS, LatencyBudget, plan_budget
from rtaudio.errors import BudgetError
from rtaudio.stream.stage import NativeStage

MEASURED, DEVICE_MEASURED = "measured", "with the device measured"
ORDER = ("algorithmic", "worker", "ring", "compute", "two streams", "device", "rest")
"""On a measured path: what is certain first, so that a rest below 0 is taken from what was only declared."""
TRIP_RATE = 48000


@dataclass(frozen=True)
class Delay:
    """Parts in ms, and what they come to.

    - total_ms: their sum; beyond_ms: how much longer the longest run was, where it was measured.
    - compute_ms: what of it is time for a hop; block: samples that the device hands over.
    - basis: `MEASURED` of the whole path, `DEVICE_MEASURED` where a chirp told what lies outside the
      engine, "" where all is planned.
    - hops, missed: what the engine ran of this very model on the way, and how many of them were late.
    - too_long: why no plan stays within the budget, and what there is without one; "" where one does.
    """

    parts: dict[str, float]
    compute_ms: float
    block: int
    beyond_ms: float = 0.0
    basis: str = ""
    too_long: str = ""
    hops: int = 0
    missed: int = 0

    @property
    def total_ms(self) -> float:
        return sum(self.parts.values())

    @property
    def most_ms(self) -> float:
        return self.total_ms + self.beyond_ms

    def fits(self, budget_ms: float) -> bool:
        return not self.too_long and self.most_ms <= budget_ms + 1e-9

    def describe(self) -> str:
        """`23.3 ms = algorithmic 10.0 + ring 9.3 + …`, and by what it was measured."""
        told = f"{self.total_ms:.1f} ms"
        if self.basis:
            beyond = f"up to {self.most_ms:.1f}, " if self.beyond_ms >= 0.05 else ""
            told += f" {self.basis} ({beyond}blocks of {self.block})"
        parts = [(name, ms) for name, ms in self.parts.items() if name != "rest" or abs(ms) >= 0.05]
        signed = " ".join(f"{'-' if ms < 0 else '+'} {name} {abs(ms):.1f}" for name, ms in parts)
        return f"{told} = {signed.removeprefix('+ ')}"


def grouped(parts: Mapping[str, float]) -> dict[str, float]:
    """Parts in ms, the longest first; the device's two buffers as one."""
    told = {name: ms for name, ms in parts.items() if name not in BUFFERS}
    told["device"] = sum(parts.get(name, 0.0) for name in BUFFERS)
    return dict(sorted(told.items(), key=lambda part: -part[1]))


def planned(stage: NativeStage, sample_rate: int, budget_ms: float) -> Delay:
    """As the engine would meet the budget; else the shortest delay there is, and why that is too long."""
    too_long = ""
    try:
        plan = plan_budget(stage, sample_rate, budget_ms=budget_ms)
    except BudgetError:
        (hop_length,) = stage.in_spec.shape
        plans = [LatencyBudget(sample_rate, block, hop_length, stage.latency).of(stage) for block in BLOCKS]
        plan = min(plans, key=lambda plan: plan.total_ms)
        too_long = f"the least there is comes to {plan.total_ms:.1f} ms"
    parts = grouped(plan.parts)
    return Delay(parts, plan.parts["compute"], plan.block, too_long=too_long)


def along(
    trip: Mapping[str, Any], stage: NativeStage, sample_rate: int, budget_ms: float, *, own: bool
) -> Delay:
    """The delay with `stage` on the path of a measured round trip, `RoundTrip.as_dict()`.

    `own`: the engine ran this very stage on it. Otherwise the engine's parts are planned, and what the
    chirp told beside those it went through is taken from it.
    """
    whole = own and trip["through_engine"]
    block = max(1, round(trip["block"] * sample_rate / TRIP_RATE))
    plan = _plan_there(trip, stage, sample_rate, block, budget_ms)
    engine = trip["parts_ms"] if whole else plan.parts
    outside = {name: trip["parts_ms"].get(name, 0.0) for name in BUFFERS}
    parts = grouped({**engine, **outside}) | {"rest": trip["rest_ms"]}
    parts = {name: parts[name] for name in ORDER if name in parts}
    beyond_ms = trip["most_ms"] - trip["median_ms"]
    basis = MEASURED if whole else DEVICE_MEASURED
    ran, missed = (trip["hops"], trip["deadline_misses"]) if whole else (0, 0)
    delay = Delay(parts, engine["compute"], trip["block"], beyond_ms, basis, hops=ran, missed=missed)
    if not (own and trip["refused"]):
        return delay
    total = delay.describe().partition(" = ")[0]
    return replace(delay, too_long=f"live audio refuses it there, and without a budget it is {total}")


def _plan_there(
    trip: Mapping[str, Any], stage: NativeStage, sample_rate: int, block: int, budget_ms: float
) -> LatencyBudget:
    """The engine's plan on that path, with its block; without a budget where that can't be met."""
    capture, playback = (
        trip["declared_ms"].get(name, 0.0) * TRIP_RATE / 1000 / trip["block"] for name in BUFFERS
    )
    options = {"block": block, "burst": trip["burst"], "duplex": trip["duplex"]}
    try:
        return plan_budget(
            stage, sample_rate, budget_ms=budget_ms, device_blocks=(capture, playback), **options
        )
    except BudgetError:
        return plan_budget(stage, sample_rate, **options)
