"""Rows of float32 by address: copy, add."""

from __future__ import annotations

import numba

from rtaudio.kernels.memory import JIT, STEP, call_step, f32, i64


@numba.njit(**JIT)
def copy(x: int, out: int, size: int) -> None:
    """out = x, `size` float32 that don't overlap."""
    source, target = f32(x, size), f32(out, size)
    for i in range(size):
        target[i] = source[i]


@numba.njit(**JIT)
def add(x: int, out: int, size: int) -> None:
    """out += x."""
    source, target = f32(x, size), f32(out, size)
    for i in range(size):
        target[i] += source[i]


@numba.njit(**JIT)
def add_product(x: int, y: int, out: int, size: int) -> None:
    """out += x * y, element by element."""
    left, right, target = f32(x, size), f32(y, size), f32(out, size)
    for i in range(size):
        target[i] += left[i] * right[i]


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
