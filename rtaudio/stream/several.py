"""Several hops at once, for a stage whose single hop is too short for what is around it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from rtaudio.errors import ConfigError
from rtaudio.kernels.batch import each_step
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import CHEAPER, FULL, HOLD, NativeStage, Samples, Spec


class Several(NativeStage):
    """Runs `stage` for `count` hops in a row, which come and go as one: the same samples, to the bit.

    Latency is the stage's own: what waiting for a longer hop costs is the ring's part of a budget.
    Python workers in there get time for bursts of `count` hops (`NativeStage.in_bursts`).
    Raises ConfigError for a stage that isn't samples in, samples out, or a count below 1.
    """

    def __init__(self, stage: NativeStage, count: int) -> None:
        if not len(stage.in_spec.shape) == len(stage.out_spec.shape) == 1:
            raise ConfigError(
                f"hops of samples come several at once, not {stage.in_spec.shape} -> {stage.out_spec.shape}"
            )
        if count < 1:
            raise ConfigError(f"count={count} must be at least 1")
        stage = stage.in_bursts(count)
        n_in, n_out = stage.in_spec.size, stage.out_spec.size
        calls = {"calls": np.zeros(2 * count, np.int64)}
        arena = Arena((count, 4 * n_in, 4 * n_out), constants=calls, views={CHEAPER: calls, HOLD: calls})
        specs = Spec((count * n_in,)), Spec((count * n_out,))
        super().__init__(each_step.address, arena, *specs, stage.exact_latency)
        self.ratio, self.children = stage.ratio, (stage,)
        self.cheaper_entry = self.entry if stage.cheaper_entry else 0
        self.hold_entry = self.entry if stage.hold_entry else 0
        self._bind()

    @property
    def stage(self) -> NativeStage:
        return self.children[0]

    def in_bursts(self, hops: int) -> NativeStage:
        count = self.in_spec.size // self.stage.in_spec.size
        patient = self.stage.in_bursts(count * hops)
        return self if patient is self.stage else Several(patient, count)

    @property
    def worker_latency(self) -> Fraction:
        return self.stage.worker_latency

    def process(self, x: Samples, out: Samples) -> None:
        super().process(x, out)
        self.work_off()

    def _bind(self) -> None:
        for rung, name in ((FULL, "calls"), (CHEAPER, f"{CHEAPER}.calls"), (HOLD, f"{HOLD}.calls")):
            self.arena[name].reshape(-1, 2)[:] = self.stage.step_at(rung)
