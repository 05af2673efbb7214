"""Lock-free ring buffer: one producer, one consumer, any block sizes.

Memory layout, in int64 words from the ring's address (`HEADER` words, then the samples):

====  ======================================================================
word  meaning
====  ======================================================================
0     capacity in samples, a power of two
16    write cursor: samples ever written; stored by the producer only
17    the producer's last sight of the read cursor
32    read cursor: samples ever read; stored by the consumer only
33    the consumer's last sight of the write cursor
====  ======================================================================

Cursors lie 128 bytes apart (two lines: adjacent-line prefetch pulls pairs), only ever grow, and
are published with release stores and looked at with acquire loads. Each side keeps the other's
cursor as it last saw it and looks again only when that is not enough, so an uncontended push or
pull touches no line that the other thread writes.
"""

from __future__ import annotations

import numba
import numpy as np

from rtaudio.kernels.memory import JIT, copy_bytes, f32, i64, load_acquire, store_release

HEADER = 48
CAPACITY, WRITE, READ_SEEN, READ, WRITE_SEEN = 0, 16, 17, 32, 33


def ring_bytes(capacity: int) -> int:
    """Size of a ring of `capacity` samples, header included."""
    return 8 * HEADER + max(8, 4 * capacity)


@numba.njit("int64(int64)", **JIT)
def ring_fill(ring: int) -> int:
    """Samples waiting to be read. Exact for the consumer, a lower bound to it from elsewhere."""
    return load_acquire(ring + 8 * WRITE) - load_acquire(ring + 8 * READ)


@numba.njit("int64(int64, int64, int64)", **JIT, forceinline=True)
def ring_push(ring: int, source: int, size: int) -> int:
    """Producer: write `size` float32 from `source`; returns 1, or 0 and nothing written if full."""
    words = i64(ring, HEADER)
    capacity, write = words[CAPACITY], words[WRITE]
    if write + size - words[READ_SEEN] > capacity:
        words[READ_SEEN] = load_acquire(ring + 8 * READ)
        if write + size - words[READ_SEEN] > capacity:
            return 0
    data = ring + 8 * HEADER
    start = write & (capacity - 1)
    first = min(size, capacity - start)
    copy_bytes(data + 4 * start, source, 4 * first)
    if first < size:
        copy_bytes(data, source + 4 * first, 4 * (size - first))
    store_release(ring + 8 * WRITE, write + size)
    return 1


@numba.njit("int64(int64, int64, int64)", **JIT, forceinline=True)
def ring_pull(ring: int, target: int, size: int) -> int:
    """Consumer: read `size` float32 into `target`; returns 1, or 0 and nothing read if too few."""
    words = i64(ring, HEADER)
    capacity, read = words[CAPACITY], words[READ]
    if words[WRITE_SEEN] - read < size:
        words[WRITE_SEEN] = load_acquire(ring + 8 * WRITE)
        if words[WRITE_SEEN] - read < size:
            return 0
    data = ring + 8 * HEADER
    start = read & (capacity - 1)
    first = min(size, capacity - start)
    copy_bytes(target, data + 4 * start, 4 * first)
    if first < size:
        copy_bytes(target + 4 * first, data, 4 * (size - first))
    store_release(ring + 8 * READ, read + size)
    return 1


@numba.njit("float32(int64)", **JIT)
def ring_first(ring: int) -> float:
    """Consumer: the sample to be read next, where there is one."""
    words = i64(ring, HEADER)
    start = words[READ] & (words[CAPACITY] - 1)
    return f32(ring + 8 * HEADER + 4 * start, 1)[0]


@numba.njit("int64(int64, int64)", **JIT)
def ring_skip(ring: int, size: int) -> int:
    """Consumer: drop up to `size` samples unread; returns how many."""
    words = i64(ring, HEADER)
    words[WRITE_SEEN] = load_acquire(ring + 8 * WRITE)
    skipped = min(size, words[WRITE_SEEN] - words[READ])
    store_release(ring + 8 * READ, words[READ] + skipped)
    return skipped


class Ring:
    """Owner of a ring's memory, and its Python face for tests, files and benchmarks.

    Raises ValueError unless `capacity` is a power of two.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1 or capacity & (capacity - 1):
            raise ValueError(f"capacity={capacity} must be a power of two")
        raw = np.zeros(ring_bytes(capacity) // 8 + 16, np.int64)
        skip = -raw.ctypes.data % 128 // 8
        self._memory = raw[skip : skip + ring_bytes(capacity) // 8]
        self.words = self._memory[:HEADER]
        self.words[CAPACITY] = capacity
        self.capacity = capacity
        self.address = int(self.words.ctypes.data)

    @property
    def fill(self) -> int:
        return int(ring_fill(self.address))

    @property
    def bytes(self) -> np.ndarray:
        """Header and samples, to be copied while nobody uses the ring."""
        return self._memory.view(np.uint8)

    def push(self, x: np.ndarray) -> bool:
        """Write contiguous float32 samples; False, and nothing written, where they don't fit."""
        return bool(ring_push(self.address, x.ctypes.data, x.size))

    def pull(self, out: np.ndarray) -> bool:
        """Fill contiguous float32 `out`; False, and nothing read, where too few are waiting."""
        return bool(ring_pull(self.address, out.ctypes.data, out.size))
