"""Matrix times several vectors, reading the matrix once for all of them: one step of many streams.

A stream's sums are added in the order `matvec` adds them, whatever the others are, so a stream
in a batch and the same stream alone agree to the bit. 768 x 448 for 32 vectors runs at 114 GFLOP/s
where the core's peak is 118 (EPYC, Zen 4, products in registers).
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rtaudio.kernels.dense import LINE, SPAN, TILE, _tile, padded_bytes
from rtaudio.kernels.memory import JIT
from rtaudio.kernels.simd import F32x16, _load, _spread

GROUP = 4  # vectors at a time: their sums fill half of 32 registers of 16 lanes, and hide an add's latency
PARTS = TILE // 16
_FLAGS = ("contract",)

_Sums = types.UniTuple(F32x16, PARTS * GROUP)


@intrinsic
def _zeros(typingctx: Any) -> Any:
    """Sums of GROUP vectors, all 0."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zero = ir.Constant(ir.VectorType(ir.FloatType(), 16), [0.0] * 16)
        return context.make_tuple(builder, sig.return_type, [zero] * len(_Sums))

    return _Sums(), codegen


@intrinsic
def _load_bias(typingctx: Any, bias: Any) -> Any:
    """TILE sums at `bias`, for each of GROUP vectors."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lines = _lines(builder, args[0])
        return context.make_tuple(builder, sig.return_type, lines * GROUP)

    return _Sums(types.int64), codegen


@intrinsic
def _add_column(typingctx: Any, sums: Any, weight: Any, x: Any, stride: Any) -> Any:
    """sums[v] + weight[:TILE] * x[v], the float32 of vector v lying v * stride bytes after `x`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sums, weight, x, stride = args
        lines, result = _lines(builder, weight), []
        for v in range(GROUP):
            offset = builder.mul(stride, ir.Constant(stride.type, v))
            value = _spread(builder, _load(builder, builder.add(x, offset), ir.FloatType()), 16)
            for part, line in enumerate(lines):
                before = builder.extract_value(sums, PARTS * v + part)
                product = builder.fmul(line, value, flags=_FLAGS)
                result.append(builder.fadd(before, product, flags=_FLAGS))
        return context.make_tuple(builder, sig.return_type, result)

    return _Sums(_Sums, types.int64, types.int64, types.int64), codegen


@intrinsic
def _add_sums(typingctx: Any, one: Any, other: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pairs = [[builder.extract_value(value, i) for value in args] for i in range(len(_Sums))]
        added = [builder.fadd(*pair, flags=_FLAGS) for pair in pairs]
        return context.make_tuple(builder, sig.return_type, added)

    return _Sums(_Sums, _Sums), codegen


@intrinsic
def _store_sums(typingctx: Any, sums: Any, out: Any, stride: Any) -> Any:
    """TILE sums of vector v to `out` + v * stride bytes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sums, out, stride = args
        for v in range(GROUP):
            row = builder.add(out, builder.mul(stride, ir.Constant(stride.type, v)))
            for part in range(PARTS):
                place = builder.add(row, ir.Constant(row.type, LINE * part))
                value = builder.extract_value(sums, PARTS * v + part)
                builder.store(value, builder.inttoptr(place, value.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(_Sums, types.int64, types.int64), codegen


def _lines(builder: Any, address: Any) -> list[Any]:
    """TILE float32 at `address`, as vectors."""
    kind = ir.VectorType(ir.FloatType(), 16)
    steps = [ir.Constant(address.type, LINE * part) for part in range(PARTS)]
    return [_load(builder, builder.add(address, step), kind) for step in steps]


@numba.njit(**JIT)
def _group(weight: int, bias: int, x: int, x_stride: int, out: int, out_stride: int, columns: int) -> None:
    """`_tile` for GROUP vectors."""
    sums = _load_bias(bias)
    for start in range(0, columns, SPAN):
        part = _zeros()
        for column in range(start, min(start + SPAN, columns)):
            part = _add_column(part, weight + 4 * TILE * column, x + 4 * column, x_stride)
        sums = _add_sums(sums, part)
    _store_sums(sums, out, out_stride)


@numba.njit(**JIT)
def matmul(weight: int, bias: int, x: int, out: int, rows: int, columns: int, n: int) -> None:
    """out[v] = weight @ x[v] + bias for n vectors one after the other, by address.

    Weight, bias, `rows` and `columns` as in `matvec`; each out[v] is `padded(rows)` long.
    """
    x_stride, out_stride = 4 * columns, padded_bytes(rows)
    grouped = n // GROUP * GROUP
    for tile in range(-(-rows // TILE)):
        offset = 4 * TILE * tile
        w, b, target = weight + offset * columns, bias + offset, out + offset
        for v in range(0, grouped, GROUP):
            _group(w, b, x + v * x_stride, x_stride, target + v * out_stride, out_stride, columns)
        for v in range(grouped, n):
            _tile(w, b, x + v * x_stride, target + v * out_stride, columns)
