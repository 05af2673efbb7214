"""Stages over frames that have no weights: every so many of them, several in a row, at length one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rtaudio.errors import ConfigError
from rtaudio.kernels.frames import lookback_step, strided_step, unit_step
from rtaudio.nn.layers import Layer
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import NativeStage, Spec


class Strided(NativeStage):
    """Another stage, run once every `stride` frames on all of them, oldest first.

    Its last output is held in between; before the first there are zeros. Takes frames of
    `in_size`; the stage inside takes `(stride * in_size,)`.
    """

    def __init__(self, stage: NativeStage, in_size: int, stride: int) -> None:
        if stage.in_spec.size != stride * in_size:
            raise ConfigError(f"{stride} frames of {in_size} are not what the stage takes: {stage.in_spec}")
        out_size = stage.out_spec.size
        arena = Arena(
            (in_size, out_size, stride),
            constants={"call": np.zeros(2, np.int64)},
            state={
                "gathered": np.zeros(stride * in_size, np.float32),
                "count": 0,
                "held": np.zeros(out_size, np.float32),
            },
        )
        super().__init__(strided_step.address, arena, Spec((in_size,)), Spec((out_size,)))
        self.children = (stage,)
        self._bind()

    def _bind(self) -> None:
        self.arena["call"][:] = self.children[0].entry, self.children[0].arena.address


class Lookback(Layer):
    """`taps` frames in a row, `lag` frames apart, the newest last; `(size,)` in, `(taps * size,)` out.

    - before: what stands for the frames before the first, `(size,)` or one number.
    """

    def __init__(self, size: int, taps: int, lag: int = 1, before: ArrayLike = 0.0) -> None:
        if taps < 1 or lag < 1:
            raise ConfigError(f"taps={taps} and lag={lag} must be at least 1")
        if np.shape(before) not in ((), (size,)):
            raise ConfigError(f"before of shape {np.shape(before)} must have {(size,)}")
        past = np.full(((taps - 1) * lag + 1, size), before, np.float32)
        state = {"past": past, "position": 0}
        super().__init__(lookback_step.address, Arena((size, taps, lag), state=state), size, taps * size)


class Unit(Layer):
    """x over its Euclidean length; zeros stay zeros."""

    def __init__(self, size: int) -> None:
        super().__init__(unit_step.address, Arena((size,)), size, size)
