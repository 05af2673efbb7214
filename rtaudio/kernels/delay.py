"""Step of a pure delay."""

from __future__ import annotations

import numba
import numpy as np

from rtaudio.kernels.memory import JIT, STEP, f32, i64
from rtaudio.kernels.simd import load, splat8, store


@numba.njit("void(int64, int64, int64, int64)", **JIT)
def _exchange(x: int, out: int, history: int, size: int) -> None:
    """out = history and history = x, for `size` float32; x and out may be the same memory."""
    like, whole = splat8(np.float32(0)), size // 8 * 8
    for at in range(0, 4 * whole, 32):
        new, old = load(x + at, like), load(history + at, like)
        store(out + at, old)
        store(history + at, new)
    source, target, kept = f32(x, size), f32(out, size), f32(history, size)
    for i in range(whole, size):
        newest = source[i]
        target[i] = kept[i]
        kept[i] = newest


@numba.cfunc(STEP, cache=True, error_model="numpy")
def delay_step(state: int, x: int, out: int) -> None:
    """Words: hop_length, delay of 1 or more, offsets of the position and the circular history."""
    words = i64(state, 4)
    hop_length, delay = words[0], words[1]
    position, done = i64(state + words[2], 1), 0
    while done < hop_length:
        at = position[0]
        size = min(hop_length - done, delay - at)
        _exchange(x + 4 * done, out + 4 * done, state + words[3] + 4 * at, size)
        position[0] = (at + size) % delay
        done += size


@numba.cfunc(STEP, cache=True, error_model="numpy")
def copy_step(state: int, x: int, out: int) -> None:
    """A delay of nothing. Words: hop_length."""
    hop_length = i64(state, 1)[0]
    source, target = f32(x, hop_length), f32(out, hop_length)
    for i in range(hop_length):
        target[i] = source[i]
