"""Run a table of native stages one after the other, by address.

A table row is four int64 words: entry, state, x, out. An address of 0 for `x` or `out` means
the chain's own input or output, which only become known when it is called.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import types

from rtaudio.kernels.clock import flush_denormals, restore_denormals
from rtaudio.kernels.memory import JIT, STEP, call_step, i8, i64

ROW = 4


@numba.cfunc(STEP, cache=True, error_model="numpy")
def chain_step(state: int, x: int, out: int) -> None:
    """Run a chain. Words: number of stages, byte offset of the table."""
    words = i64(state, 2)
    table = i64(state + words[1], words[0] * ROW)
    for row in range(words[0]):
        source, target = table[row * ROW + 2], table[row * ROW + 3]
        call_step(
            table[row * ROW],
            table[row * ROW + 1],
            source if source != 0 else x,
            target if target != 0 else out,
        )


@numba.njit("void(int64, int64)", **JIT)
def reset_arenas(rows: int, count: int) -> None:
    """Copy initial states back. A row is three words: destination, source, bytes (`Arena.reset_copy`)."""
    words = i64(rows, 3 * count)
    for row in range(count):
        size = words[3 * row + 2]
        state, initial = i8(words[3 * row], size), i8(words[3 * row + 1], size)
        for i in range(size):
            state[i] = initial[i]


def _array_signatures() -> list[types.Type]:
    """`(entry, state, n_in, n_out, x, out) -> bool` for arrays of one and two dimensions."""
    return [
        types.boolean(
            types.int64,
            types.int64,
            types.int64,
            types.int64,
            types.Array(types.float32, x_dims, "C", readonly=True),
            types.Array(types.float32, out_dims, "C"),
        )
        for x_dims in (1, 2)
        for out_dims in (1, 2)
    ]


@numba.njit(_array_signatures(), **JIT)
def step_arrays(entry: int, state: int, n_in: int, n_out: int, x: np.ndarray, out: np.ndarray) -> bool:
    """Call a native step on whole arrays; False, and nothing done, where a size is wrong."""
    if x.size != n_in or out.size != n_out:
        return False
    control = flush_denormals()  # as on the engine's thread, so offline equals live to the bit
    call_step(entry, state, x.ctypes.data, out.ctypes.data)
    restore_denormals(control)
    return True
