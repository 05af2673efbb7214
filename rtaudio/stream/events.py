"""Events that leave the audio path: fixed-size records through a lock-free ring."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtaudio.kernels.ring import Ring


class EventRing:
    """Records of `dtype` from one native producer to one Python consumer, `address` for the first.

    A record travels as float32 words of a sample ring, all of it or nothing: its size must be a
    multiple of 4 bytes. `capacity` records at least wait; the producer counts what finds no room.
    """

    def __init__(self, dtype: np.dtype[np.void], capacity: int) -> None:
        self.dtype, self._words = dtype, dtype.itemsize // 4
        self._ring = Ring(1 << (capacity * self._words - 1).bit_length())
        self.address = self._ring.address

    def take(self) -> NDArray[np.void]:
        """All records that are waiting, oldest first."""
        raw = np.empty(self._ring.fill // self._words * self._words, np.float32)
        self._ring.pull(raw)
        return raw.view(self.dtype)
