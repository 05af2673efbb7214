"""Matrix times vector, at the cost of reading the matrix once.

One step of a network reads each weight once, so the limit is memory, not arithmetic. Weights
are packed in tiles of `TILE` rows, column after column: a tile is read as one stream while its
`TILE` sums stay in registers, with no sum across lanes. Measured beside four row dots at a time,
which LLVM vectorises by itself (Xeon with AVX-512, 2 MB L2, µs back to back): 1.7 against 2.6 for
256 x 256, 8.8 against 13 for 768 x 448, and the same 141 for 3840 x 256, which the L2 can't hold.
Paced at 10 ms both wait for memory and cost the same; so do explicit prefetches, which are left out.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from rtaudio.kernels.activations import activate
from rtaudio.kernels.memory import JIT, STEP, call_step, f32, i64
from rtaudio.kernels.simd import load, splat16, store

LINE = 64  # bytes of 16 float32: a cache line, and the widest register
TILE = 64  # rows: four sums of 16 lanes; with one, each add would wait for the one before it
SPAN = 32  # columns summed at a time


def padded(rows: int) -> int:
    """`rows` rounded up to whole tiles: the size of a matrix-vector product's output buffer."""
    return -(-rows // TILE) * TILE


@numba.njit(**JIT)
def padded_bytes(rows: int) -> int:
    """Bytes of `padded(rows)` float32."""
    return -(-rows // TILE) * TILE * 4


def pack_weight(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(rows, columns)` into tiles `(padded(rows) / TILE, columns, TILE)`, zero rows added."""
    rows, columns = weight.shape
    whole = np.zeros((padded(rows), columns), np.float32)
    whole[:rows] = weight
    return np.ascontiguousarray(whole.reshape(-1, TILE, columns).transpose(0, 2, 1))


def pack_bias(bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(rows,)` into `(padded(rows),)`."""
    return np.pad(bias.astype(np.float32), (0, padded(bias.size) - bias.size))


@numba.njit(**JIT)
def _tile(weight: int, bias: int, x: int, out: int, columns: int) -> None:
    """out[:TILE] = bias[:TILE] + sum over columns of weight[column, :TILE] * x[column].

    Columns are summed SPAN at a time and those sums then added: one long float32 sum of a trained
    net's activations, some above 100, is off by 3e-4, and the sums of spans by 1e-5.
    """
    like, values = splat16(np.float32(0)), f32(x, columns)
    a, b = load(bias, like), load(bias + LINE, like)
    c, d = load(bias + 2 * LINE, like), load(bias + 3 * LINE, like)
    for start in range(0, columns, SPAN):
        e, f, g, h = like, like, like, like
        for column in range(start, min(start + SPAN, columns)):
            row, value = weight + 4 * LINE * column, splat16(values[column])
            e = e + load(row, like) * value
            f = f + load(row + LINE, like) * value
            g = g + load(row + 2 * LINE, like) * value
            h = h + load(row + 3 * LINE, like) * value
        a, b, c, d = a + e, b + f, c + g, d + h
    store(out, a)
    store(out + LINE, b)
    store(out + 2 * LINE, c)
    store(out + 3 * LINE, d)


@numba.njit(**JIT)
def matvec(weight: int, bias: int, x: int, out: int, rows: int, columns: int) -> None:
    """out = weight @ x + bias, by address.

    - weight, bias: packed by `pack_weight` and `pack_bias`.
    - x: `columns` float32, at least one.
    - out: room for `padded(rows)` float32; those after `rows` become 0.
    """
    for tile in range(-(-rows // TILE)):
        offset = 4 * TILE * tile
        _tile(weight + offset * columns, bias + offset, x, out + offset, columns)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def matvec_step(state: int, x: int, out: int) -> None:
    """`matvec`. Words: rows, columns; weight, bias."""
    words = i64(state, 4)
    matvec(state + words[2], state + words[3], x, out, words[0], words[1])


@numba.njit(**JIT)
def product(calls: int, which: int, x: int, out: int) -> None:
    """Run the `which`th of a layer's products: of its `calls` (entry, state), in whatever precision."""
    call = i64(calls + 16 * which, 2)
    call_step(call[0], call[1], x, out)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def dense_step(state: int, x: int, out: int) -> None:
    """Dense layer. Words: outputs, activation; calls; sums."""
    words = i64(state, 4)
    sums = state + words[3]
    product(state + words[2], 0, x, sums)
    activate(sums, out, words[0], words[1])
