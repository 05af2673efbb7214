"""Matrix times vector, at the cost of reading the matrix once.

One step of a network reads each weight once, so the limit is memory, not arithmetic. Weights
are packed in tiles of `TILE` rows, column after column: a tile is read as one stream while its
`TILE` sums stay in registers, with no sum across lanes. Half a tile, where rows end so, goes with the
one before it, as a second stream: by itself its adds would wait for each other, and so small a layer
is not held up by memory (96 x 96 in 0.11 µs for 0.22; two whole tiles at once are slower where the L2
holds the weights). Measured beside four row dots at a time,
which LLVM vectorises by itself (Xeon with AVX-512, 2 MB L2, µs back to back): 1.7 against 2.6 for
256 x 256, 8.8 against 13 for 768 x 448, and the same 141 for 3840 x 256, which the L2 can't hold.
Paced at 10 ms both wait for memory and cost the same; so do explicit prefetches, which are left out.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from rtaudio.kernels.activations import activate
from rtaudio.kernels.memory import INLINE, JIT, STEP, call_step, i64
from rtaudio.kernels.simd import load, load_once, splat4, splat16
from rtaudio.kernels.sums import TILE_LINES, add_column, add_four_columns, add_sums, load_sums, store_sums

TILE = 16 * TILE_LINES  # rows: four sums of 16 lanes; with one, each add would wait for the one before it
HALF = TILE // 2  # rows of a last tile that needs no more
SPAN = 32  # columns summed at a time


def padded(rows: int) -> int:
    """`rows` rounded up to whole tiles: the size of a matrix-vector product's output buffer."""
    return -(-rows // TILE) * TILE


@numba.njit(**JIT)
def padded_bytes(rows: int) -> int:
    """Bytes of `padded(rows)` float32."""
    return -(-rows // TILE) * TILE * 4


def pack_weight(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(rows, columns)` into tiles `(columns, TILE)` one after the other, flat, zero rows added.

    The last is `(columns, HALF)` where it has no more rows: zeros would cost as much to read.
    """
    rows, columns = weight.shape
    halves = -(-rows // HALF)
    whole = np.zeros((halves * HALF, columns), np.float32)
    whole[:rows] = weight
    tiles = whole[: halves // 2 * TILE].reshape(-1, TILE, columns).transpose(0, 2, 1)
    return np.concatenate([tiles.ravel(), whole[halves // 2 * TILE :].T.ravel()])


def pack_bias(bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(rows,)` into `(padded(rows),)`."""
    return np.pad(bias.astype(np.float32), (0, padded(bias.size) - bias.size))


@numba.njit(**INLINE)
def sum_columns(zeros: Any, weight: int, bias: int, x: int, out: int, columns: int) -> None:
    """out = bias + sum over columns of weight[column] * x[column], 16 rows for each vector of `zeros`.

    Columns are summed SPAN at a time and those sums then added: one long float32 sum of a trained
    net's activations, some above 100, is off by 3e-4, and the sums of spans by 1e-5.
    """
    store_sums(_add_spans(load_sums(zeros, bias), zeros, weight, x, 0, columns), out)


@numba.njit(**INLINE)
def _add_spans(sums: Any, zeros: Any, weight: int, x: int, begin: int, columns: int) -> Any:
    """sums + those of the columns from `begin`, of a tile and, for more sums than its rows, the next."""
    second, one = weight + 4 * TILE * columns, np.float32(0)
    for start in range(begin, columns, SPAN):
        part = zeros
        for column in range(start, min(start + SPAN, columns)):
            part = add_column(part, weight, second, column, load(x + 4 * column, one))
        sums = add_sums(sums, part)
    return sums


@numba.njit(**INLINE)
def _sum_three_spans(zeros: Any, weight: int, bias: int, x: int, out: int, columns: int) -> None:
    """`sum_columns` to the bit, three spans at a time: more sums that don't wait for each other.

    Faster where the first-level cache holds the weights, slower where the second does: it likes one stream.
    There loads are the limit, two a cycle, so those of x take four values each: 96 x 96 in 77 ns for 86 with
    a load for each; reading the weights takes 76 (EPYC, Zen 5).
    """
    sums, second, four = load_sums(zeros, bias), weight + 4 * TILE * columns, splat4(np.float32(0))
    whole = columns // (3 * SPAN) * 3 * SPAN
    for start in range(0, whole, 3 * SPAN):
        a, b, c = zeros, zeros, zeros
        for column in range(start, start + SPAN, 4):
            at = x + 4 * column
            a = add_four_columns(a, weight, second, column, load_once(at, four))
            b = add_four_columns(b, weight, second, column + SPAN, load_once(at + 4 * SPAN, four))
            c = add_four_columns(c, weight, second, column + 2 * SPAN, load_once(at + 8 * SPAN, four))
        sums = add_sums(add_sums(add_sums(sums, a), b), c)
    if whole < columns:
        sums = _add_spans(sums, zeros, weight, x, whole, columns)
    store_sums(sums, out)


@numba.njit(**INLINE)
def matvec(weight: int, bias: int, x: int, out: int, rows: int, columns: int) -> None:
    """out = weight @ x + bias, by address.

    - weight, bias: packed by `pack_weight` and `pack_bias`.
    - x: `columns` float32, at least one.
    - out: room for `padded(rows)` float32; those after `rows` become 0.
    """
    zero, left = splat16(np.float32(0)), -(-rows // HALF)
    half = (zero, zero)
    tile = half + half
    while left > 3:
        sum_columns(tile, weight, bias, x, out, columns)
        weight, bias, out, left = weight + 4 * TILE * columns, bias + 4 * TILE, out + 4 * TILE, left - 2
    if left == 3:
        _sum_three_spans(tile + half, weight, bias, x, out, columns)
    elif left == 2:
        sum_columns(tile, weight, bias, x, out, columns)
    else:
        sum_columns(half, weight, bias, x, out, columns)
    if left % 2:
        store_sums(half, out + 4 * HALF * left)


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
