"""Stages that hear what passes by."""

from __future__ import annotations

import numpy as np

from rtaudio.kernels.listen import listen_step, tell_step
from rtaudio.kernels.ring import Ring
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import NativeStage, Samples, Spec


class Listen(NativeStage):
    """The input, unchanged and at once; `side` gets it too, and what it gives is thrown away.

    For a side whose work is not in its output: a spotter, or whatever pushes to a ring.
    """

    def __init__(self, side: NativeStage) -> None:
        arena = Arena(
            (side.in_spec.size,),
            constants={"call": np.zeros(2, np.int64)},
            state={"unheard": np.zeros(side.out_spec.size, np.float32)},
        )
        super().__init__(listen_step.address, arena, side.in_spec, side.in_spec)
        self.children = (side,)
        self._bind()

    def process(self, x: Samples, out: Samples) -> None:
        super().process(x, out)
        self.work_off()

    def in_bursts(self, hops: int) -> NativeStage:
        (side,) = self.children
        patient = side.in_bursts(hops)
        return self if patient is side else Listen(patient)

    def _bind(self) -> None:
        self.arena["call"][:] = self.children[0].entry, self.children[0].arena.address


class Tell(NativeStage):
    """The input, unchanged; every hop is also pushed to a ring, for Python to take with `heard`.

    `capacity` hops at least wait there; further ones are lost, and counted in `lost`.
    """

    def __init__(self, shape: tuple[int, ...], capacity: int = 1024) -> None:
        spec = Spec(shape)
        arena = Arena((spec.size,), constants={"link": np.zeros(2, np.int64)})
        super().__init__(tell_step.address, arena, spec, spec)
        self._capacity = capacity
        self._bind()

    def _bind(self) -> None:
        self._ring = Ring(1 << (self._capacity * self.in_spec.size - 1).bit_length())
        self.arena["link"][:] = self._ring.address, 0

    def heard(self) -> Samples:
        """The hops since the last call, `(n, *shape)`."""
        size = self.in_spec.size
        hops = np.empty((self._ring.fill // size, *self.in_spec.shape), np.float32)
        self._ring.pull(hops)
        return hops

    @property
    def lost(self) -> int:
        return int(self.arena["link"][1])
