"""Matrix times several vectors, reading the matrix once for all of them: one step of many streams.

A stream's sums are added in the order `matvec` adds them, whatever the others are, so a stream
in a batch and the same stream alone agree to the bit. 768 x 448 for 32 vectors runs at 114 GFLOP/s
where the core's peak is 118 (EPYC, Zen 4, products in registers).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rtaudio.kernels.dense import HALF, SPAN, TILE, padded_bytes, sum_columns
from rtaudio.kernels.memory import JIT
from rtaudio.kernels.simd import _load, splat16
from rtaudio.kernels.sums import LINE, add_products, add_sums, lines_at, store_lines, store_sums, unpacked

GROUP = 4  # vectors at a time: their sums fill half of 32 registers of 16 lanes, and hide an add's latency


@intrinsic
def _load_bias(typingctx: Any, like: Any, bias: Any) -> Any:
    """The sums at `bias`, for each of GROUP vectors, as many in all as `like` has."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_tuple(builder, like, lines_at(builder, args[1], like.count // GROUP) * GROUP)

    return like(like, types.int64), codegen


@intrinsic
def _add_column(typingctx: Any, sums: Any, tile: Any, column: Any, x: Any, stride: Any) -> Any:
    """sums[v] + weights of that column * x[v][column], the x of vector v lying v * stride bytes after `x`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        before, tile, column, x, stride = args
        count = sums.count // GROUP
        pitch, size = ir.Constant(column.type, LINE * count), ir.Constant(column.type, 4)
        lines = lines_at(builder, builder.add(tile, builder.mul(column, pitch)), count)
        members, result = unpacked(builder, before, sums.count), []
        for v, place in enumerate(places(builder, builder.add(x, builder.mul(column, size)), stride)):
            value = _load(builder, place, ir.FloatType())
            result += add_products(builder, members[count * v : count * (v + 1)], lines, value)
        return context.make_tuple(builder, sums, result)

    return sums(sums, *[types.int64] * 4), codegen


@intrinsic
def _store_rows(typingctx: Any, sums: Any, out: Any, stride: Any) -> Any:
    """The sums of vector v to `out` + v * stride bytes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        count, members = sums.count // GROUP, unpacked(builder, args[0], sums.count)
        for v, place in enumerate(places(builder, *args[1:])):
            store_lines(builder, members[count * v : count * (v + 1)], place)
        return context.get_dummy_value()

    return types.void(sums, types.int64, types.int64), codegen


def places(builder: Any, first: Any, stride: Any) -> list[Any]:
    """Addresses of GROUP things that lie `stride` bytes apart."""
    return [builder.add(first, builder.mul(stride, ir.Constant(stride.type, v))) for v in range(GROUP)]


@numba.njit(**JIT)
def _group(
    zeros: Any, weight: int, bias: int, x: int, x_stride: int, out: int, out_stride: int, columns: int
) -> None:
    """`sum_columns` for GROUP vectors, a tile at a time."""
    sums = _load_bias(zeros, bias)
    for start in range(0, columns, SPAN):
        part = zeros
        for column in range(start, min(start + SPAN, columns)):
            part = _add_column(part, weight, column, x, x_stride)
        sums = add_sums(sums, part)
    _store_rows(sums, out, out_stride)


@numba.njit(**JIT)
def _tile_rows(
    zeros: Any, weight: int, bias: int, x: int, out: int, out_stride: int, columns: int, n: int
) -> None:
    """A tile, `zeros` of its height, times n vectors."""
    groups = zeros + zeros
    groups, x_stride, grouped = groups + groups, 4 * columns, n // GROUP * GROUP
    for v in range(0, grouped, GROUP):
        _group(groups, weight, bias, x + v * x_stride, x_stride, out + v * out_stride, out_stride, columns)
    for v in range(grouped, n):
        sum_columns(zeros, weight, bias, x + v * x_stride, out + v * out_stride, columns)


@numba.njit(**JIT)
def matmul(weight: int, bias: int, x: int, out: int, rows: int, columns: int, n: int) -> None:
    """out[v] = weight @ x[v] + bias for n vectors one after the other, by address.

    Weight, bias, `rows` and `columns` as in `matvec`; each out[v] is `padded(rows)` long.
    """
    zero, out_stride, halves = splat16(np.float32(0)), padded_bytes(rows), -(-rows // HALF)
    half = (zero, zero)
    for tile in range(halves // 2):
        at = 4 * TILE * tile
        _tile_rows(half + half, weight + at * columns, bias + at, x, out + at, out_stride, columns, n)
    if halves % 2:
        at = 4 * HALF * (halves - 1)
        _tile_rows(half, weight + at * columns, bias + at, x, out + at, out_stride, columns, n)
        for v in range(n):
            store_sums(half, out + at + 4 * HALF + v * out_stride)
