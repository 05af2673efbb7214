"""Rows of float32 by address: copy, add."""

from __future__ import annotations

import numba
import numpy as np

from rtaudio.kernels.memory import INLINE, JIT, STEP, call_step, copy_bytes, i64
from rtaudio.kernels.simd import load, relu, splat16, store


@numba.njit(**JIT)
def copy(x: int, out: int, size: int) -> None:
    """out = x, `size` float32 that don't overlap."""
    copy_bytes(out, x, 4 * size)


@numba.njit(**JIT)
def add_product(before: int, x: int, y: int, out: int, size: int) -> None:
    """out = before + x * y, element by element; `out` may be `before`."""
    one = np.float32(0)
    wide, whole = splat16(one), size // 16 * 64
    for at in range(0, whole, 64):
        store(out + at, load(before + at, wide) + load(x + at, wide) * load(y + at, wide))
    for at in range(whole, 4 * size, 4):
        store(out + at, load(before + at, one) + load(x + at, one) * load(y + at, one))


@numba.njit(**INLINE)
def add_relu(x: int, y: int, out: int, size: int) -> None:
    """out = x + max(y, 0)."""
    one = np.float32(0)
    wide, whole = splat16(one), size // 16 * 64
    for at in range(0, whole, 64):
        store(out + at, load(x + at, wide) + relu(load(y + at, wide)))
    for at in range(whole, 4 * size, 4):
        store(out + at, load(x + at, one) + relu(load(y + at, one)))


@numba.cfunc(STEP, cache=True, error_model="numpy")
def beside_step(state: int, x: int, out: int) -> None:
    """Another stage's output, then the input.

    Words: its output and input sizes; call (entry, state); what it gave.
    """
    words = i64(state, 4)
    call, given = i64(state + words[2], 2), state + words[3]
    call_step(call[0], call[1], x, given)
    copy(given, out, words[0])
    copy(x, out + 4 * words[0], words[1])
