"""Matrix times vector, at the cost of reading the matrix once.

One step of a network reads each weight once, so the limit is memory, not arithmetic. Weights
are packed in tiles of `TILE` rows, column after column: a tile is read as one stream while its
`TILE` sums stay in registers, with no sum across lanes. Beside four row dots at a time, which
LLVM vectorises by itself, this took 88 % of the time warm and 55 % paced at 10 ms (768 x 1280
weights, Xeon with AVX-512, 2 MB L2).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from rtaudio.kernels.activations import activate
from rtaudio.kernels.memory import JIT, STEP, i64

LANES = 16  # an AVX-512 register of float32; LLVM splits it where registers are narrower
TILE = 64  # four sums of 16 lanes: with one, each add would wait for the one before it
PREFETCH = 8192
"""Bytes ahead of the reading position to fetch: hardware prefetch stops at page ends (4096)."""


def padded(rows: int) -> int:
    """`rows` rounded up to whole tiles: the size of a matrix-vector product's output buffer."""
    return -(-rows // TILE) * TILE


def pack_weight(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(rows, columns)` into tiles `(padded(rows) / TILE, columns, TILE)`, zero rows added."""
    rows, columns = weight.shape
    whole = np.zeros((padded(rows), columns), np.float32)
    whole[:rows] = weight
    return np.ascontiguousarray(whole.reshape(-1, TILE, columns).transpose(0, 2, 1))


def pack_bias(bias: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(rows,)` into `(padded(rows),)`."""
    return np.pad(bias.astype(np.float32), (0, padded(bias.size) - bias.size))


_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_WORD = ir.IntType(64)


def _lanes(builder: Any, address: Any, k: int) -> Any:
    """Pointer to the k-th vector at `address`."""
    return builder.inttoptr(builder.add(address, _WORD(4 * LANES * k)), _VECTOR.as_pointer())


def _splat(builder: Any, address: Any) -> Any:
    """One float32 in all lanes."""
    value = builder.load(builder.inttoptr(address, ir.FloatType().as_pointer()), align=4)
    nothing, int32 = ir.Constant(_VECTOR, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(nothing, value, int32(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(int32, LANES), [0] * LANES))


def _prefetch(builder: Any, address: Any) -> None:
    byte, int32 = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, int32, int32, int32])
    name = "llvm.prefetch.p0"
    fetch = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    read, keep, data = int32(0), int32(3), int32(1)
    builder.call(fetch, [builder.inttoptr(address, byte), read, keep, data])


@intrinsic
def _tile(typingctx: Any, weight: Any, bias: Any, x: Any, out: Any, columns: Any) -> Any:
    """out[:TILE] = bias[:TILE] + sum over columns of weight[column, :TILE] * x[column]."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        weight, bias, x, out, columns = args
        parts = range(TILE // LANES)
        start = [builder.load(_lanes(builder, bias, k), align=4) for k in parts]
        before, loop, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        column, sums = builder.phi(_WORD), [builder.phi(_VECTOR) for _ in parts]
        value = _splat(builder, builder.add(x, builder.mul(column, _WORD(4))))
        row = builder.add(weight, builder.mul(column, _WORD(4 * TILE)))
        news = []
        for k in parts:
            _prefetch(builder, builder.add(row, _WORD(PREFETCH + 4 * LANES * k)))
            product = builder.fmul(builder.load(_lanes(builder, row, k), align=4), value, flags=["contract"])
            news.append(builder.fadd(product, sums[k], flags=["contract"]))
        following = builder.add(column, _WORD(1))
        for phi, first, new in zip([column, *sums], [_WORD(0), *start], [following, *news], strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(new, loop)
        builder.cbranch(builder.icmp_signed("<", following, columns), loop, after)
        builder.position_at_end(after)
        for k in parts:
            builder.store(news[k], _lanes(builder, out, k), align=4)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 5), codegen


@numba.njit("void(int64, int64, int64, int64, int64, int64)", **JIT)
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
def dense_step(state: int, x: int, out: int) -> None:
    """Dense layer. Words: rows, columns, activation; weight, bias; sums."""
    words = i64(state, 6)
    rows, sums = words[0], state + words[5]
    matvec(state + words[3], state + words[4], x, sums, rows, words[1])
    activate(sums, out, rows, words[2])
