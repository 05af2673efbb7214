"""The latency budget: what the user states, and what block size meets it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from rtaudio.errors import BudgetError, ConfigError
from rtaudio.stream.stage import NativeStage

BLOCKS = (32, 64, 128, 240, 256, 480, 512, 960, 1024)
"""Block sizes tried: powers of two as sound cards like them, and whole 5, 10 and 20 ms at 48 kHz."""

BUFFERS = ("capture buffer", "playback buffer")
"""Those parts of a delay that the device holds."""

OPTIONAL = ("worker", "two streams")
"""Those parts of a delay that are not told where there are none."""

COMFORT_S = 2.5e-3  # compute time worth having: 10 times a net's, and one missed wake-up


@dataclass(frozen=True)
class LatencyBudget:
    """How the delay from microphone to loudspeaker is made up; all sizes in samples.

    - block: what the device hands over; hop_length: what the pipeline consumes.
    - slack: samples of delay beyond the least, given to the engine as time to compute.
    - latency: the pipeline's own (window and look-ahead, and the time its Python workers have).
    - device_blocks: blocks the device itself holds, at capture and at playback.
    - bridge: samples more where input and output come in callbacks of their own.
    - worker: how much of `latency` is time for Python workers.
    - burst: how many blocks the device may hand over at once.
    """

    sample_rate: int
    block: int
    hop_length: int
    latency: int
    slack: int = 0
    device_blocks: tuple[float, float] = (1.0, 1.0)
    budget_ms: float | None = None
    bridge: int = 0
    worker: int = 0
    burst: int = 1

    @property
    def hops_at_once(self) -> int:
        """Hops that a burst of the device makes up, at most."""
        return math.ceil(self.burst * self.block / self.hop_length)

    @property
    def ring(self) -> int:
        """Samples waited for until blocks make up a whole hop, at worst."""
        return self.hop_length - math.gcd(self.block, self.hop_length)

    @property
    def compute(self) -> int:
        """Samples of time the engine has for a hop before its sound is due."""
        return self.block + self.slack

    @property
    def prefill(self) -> int:
        """Delay of the rings: the pipeline's first output is played that long after its input."""
        return self.ring + self.compute

    @property
    def parts(self) -> dict[str, float]:
        """The parts in ms, in the order sound meets them."""
        ms = 1000.0 / self.sample_rate
        parts = {
            "capture buffer": self.device_blocks[0] * self.block * ms,
            "ring": self.ring * ms,
            "algorithmic": (self.latency - self.worker) * ms,
            "worker": self.worker * ms,
            "compute": self.compute * ms,
            "two streams": self.bridge * ms,
            "playback buffer": self.device_blocks[1] * self.block * ms,
        }
        return {name: value for name, value in parts.items() if value or name not in OPTIONAL}

    @property
    def total_ms(self) -> float:
        return sum(self.parts.values())

    def at_rate(self, sample_rate: int, stage: NativeStage, block: int) -> LatencyBudget:
        """The plan for what was made for another rate: the same times, rounded up to samples."""
        ratio = Fraction(sample_rate, self.sample_rate)
        return replace(
            self,
            sample_rate=sample_rate,
            block=block,
            slack=math.ceil(self.slack * ratio),
            bridge=math.ceil(self.bridge * ratio),
        ).of(stage)

    def of(self, stage: NativeStage) -> LatencyBudget:
        """The plan for a stage, with the time that its Python workers need for the device's bursts."""
        plan = replace(self, hop_length=stage.in_spec.size)
        patient = stage.in_bursts(plan.hops_at_once)
        return replace(plan, latency=patient.latency, worker=round(patient.worker_latency))

    def describe(self) -> str:
        """`40.0 ms = capture buffer 10.0 + ring 0.0 + ...`."""
        return f"{self.total_ms:.1f} ms = " + " + ".join(f"{k} {v:.1f}" for k, v in self.parts.items())


def plan_budget(
    stage: NativeStage,
    sample_rate: int,
    *,
    budget_ms: float | None = None,
    block: int | None = None,
    device_blocks: tuple[float, float] = (1.0, 1.0),
    burst: int = 1,
    duplex: bool = True,
    blocks: Sequence[int] = BLOCKS,
) -> LatencyBudget:
    """Choose the block size that leaves the engine the most time within the budget.

    Without a budget, or with `block` given, only the slack is chosen. `burst` is how many blocks
    the device may hand over at once: the sound of all but the first must be there before, and Python
    workers in the stage need results of a burst before (`NativeStage.in_bursts`). Without
    `duplex`, playback asks at a moment of its own: anywhere in a block, and either side may be late.
    Raises ConfigError for a budget that is not positive, BudgetError (with the parts of the least
    possible delay) for one that can't be met.
    """
    if budget_ms is not None and not (budget_ms > 0 and math.isfinite(budget_ms)):
        raise ConfigError(f"budget={budget_ms} ms must be above 0")
    if block is not None and block < 1:
        raise ConfigError(f"block={block} must be at least 1 sample")
    (hop_length,) = stage.in_spec.shape
    if block is None and budget_ms is None:
        block = hop_length
    limit = math.inf if budget_ms is None else budget_ms + 1e-9
    plans = [
        LatencyBudget(
            sample_rate,
            size,
            hop_length,
            stage.latency,
            slack,
            device_blocks,
            budget_ms,
            0 if duplex else size + 2 * _comfort(sample_rate),
            burst=burst,
        ).of(stage)
        for size in ([block] if block is not None else blocks)
        for slack in {(burst - 1) * size, max((burst - 1) * size, _comfortable_slack(size, sample_rate))}
    ]
    fitting = [plan for plan in plans if plan.total_ms <= limit]
    if not fitting:
        least = min(plans, key=lambda plan: plan.total_ms)
        raise BudgetError(
            f"a budget of {budget_ms:g} ms can't be met: the least here is {least.describe()}, "
            f"{least.total_ms - (budget_ms or 0.0):.1f} ms more"
        )
    return max(fitting, key=lambda plan: (min(plan.compute, _comfort(sample_rate)), -plan.total_ms))


def _comfort(sample_rate: int) -> int:
    return math.ceil(COMFORT_S * sample_rate)


def _comfortable_slack(block: int, sample_rate: int) -> int:
    """Whole blocks of slack that bring the compute time to COMFORT_S."""
    return max(0, -(-_comfort(sample_rate) // block) - 1) * block
