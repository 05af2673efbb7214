"""Stages in a row, run as one."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from rtaudio.errors import ConfigError
from rtaudio.kernels.chain import ROW, chain_step
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import CHEAPER, FULL, HOLD, NativeStage, Samples


class Pipeline(NativeStage):
    """Native stages chained by address: one entry point, nothing recompiled when it changes.

    Its latency is the sum of its stages', each brought from the rate that stage runs at to that
    of the first one's input. A pipeline is itself a stage and can be nested.
    Raises ConfigError where it is empty or a stage's output is not what the next one takes.
    """

    def __init__(self, stages: Sequence[NativeStage]) -> None:
        if not stages:
            raise ConfigError("a pipeline needs at least one stage")
        for before, after in pairwise(stages):
            if before.out_spec != after.in_spec:
                raise ConfigError(
                    f"{type(before).__name__} gives {before.out_spec.shape}, but "
                    f"{type(after).__name__} takes {after.in_spec.shape}"
                )
        buffers = {f"buffer_{i}": np.zeros(s.out_spec.size, np.float32) for i, s in enumerate(stages[:-1])}
        table = {"table": np.zeros(len(stages) * ROW, np.int64)}
        arena = Arena((len(stages),), constants=table, state=buffers, views={CHEAPER: table, HOLD: table})
        latency = Fraction(0)
        for stage in stages:
            latency += stage.exact_latency / self.ratio
            self.ratio *= stage.ratio
        super().__init__(
            chain_step.address,
            arena,
            stages[0].in_spec,
            stages[-1].out_spec,
            latency,
        )
        self.children = tuple(stages)
        if any(stage.cheaper_entry for stage in stages):
            self.cheaper_entry = self.entry
        if any(stage.hold_entry for stage in stages):
            self.hold_entry = self.entry
        self._bind()

    def process(self, x: Samples, out: Samples) -> None:
        super().process(x, out)
        self.work_off()  # results are asked for at the next hop, at the earliest

    def in_bursts(self, hops: int) -> NativeStage:
        stages = [stage.in_bursts(hops) for stage in self.stages]
        return self if stages == [*self.stages] else Pipeline(stages)

    @property
    def worker_latency(self) -> Fraction:
        latency, ratio = Fraction(0), Fraction(1)
        for stage in self.stages:
            latency += stage.worker_latency / ratio
            ratio *= stage.ratio
        return latency

    def _bind(self) -> None:
        edges = [0, *(self.arena[f"buffer_{i}"].ctypes.data for i in range(len(self.children) - 1)), 0]
        for rung, name in ((FULL, "table"), (CHEAPER, f"{CHEAPER}.table"), (HOLD, f"{HOLD}.table")):
            table = self.arena[name].reshape(-1, ROW)
            for i, stage in enumerate(self.children):
                table[i] = *stage.step_at(rung), edges[i], edges[i + 1]

    @property
    def stages(self) -> tuple[NativeStage, ...]:
        return self.children
