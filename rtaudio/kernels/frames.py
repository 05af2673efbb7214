"""Frames over time: run a layer on every few of them, look back over some, scale one to length 1."""

from __future__ import annotations

import numba
import numpy as np

from rtaudio.kernels.memory import JIT, STEP, call_step, f32, i64
from rtaudio.kernels.vectors import copy

_TINY = np.float32(1e-12)  # a frame of zeros stays one


@numba.cfunc(STEP, cache=True, error_model="numpy")
def strided_step(state: int, x: int, out: int) -> None:
    """Another stage, run on `stride` frames at a time; its last output in between.

    Words: frame size, output size, stride; (entry, state); frames gathered, how many, last output.
    """
    words = i64(state, 7)
    size, outputs, stride = words[0], words[1], words[2]
    call, gathered, count = i64(state + words[3], 2), state + words[4], i64(state + words[5], 1)
    held = state + words[6]
    copy(x, gathered + 4 * size * count[0], size)
    count[0] += 1
    if count[0] == stride:
        count[0] = 0
        call_step(call[0], call[1], gathered, held)
    copy(held, out, outputs)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def lookback_step(state: int, x: int, out: int) -> None:
    """Frames `(taps - 1) * lag`, ..., lag and 0 frames old, in a row.

    Words: size, taps, lag; ring of the past ((taps - 1) lag + 1, size), its position.
    """
    words = i64(state, 5)
    size, taps, lag = words[0], words[1], words[2]
    past, position, length = state + words[3], i64(state + words[4], 1), (words[1] - 1) * words[2] + 1
    copy(x, past + 4 * size * position[0], size)
    for tap in range(taps):
        then = (position[0] + length - (taps - 1 - tap) * lag) % length
        copy(past + 4 * size * then, out + 4 * size * tap, size)
    position[0] = (position[0] + 1) % length


@numba.njit(**JIT)
def _unit(x: int, out: int, size: int) -> None:
    source, target, total = f32(x, size), f32(out, size), np.float32(0)
    for k in range(size):
        total += source[k] * source[k]
    factor = np.float32(1) / np.sqrt(max(total, _TINY))
    for k in range(size):
        target[k] = source[k] * factor


@numba.cfunc(STEP, cache=True, error_model="numpy")
def unit_step(state: int, x: int, out: int) -> None:
    """x over its Euclidean length. Words: size."""
    _unit(x, out, i64(state, 1)[0])
