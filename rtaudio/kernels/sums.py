"""Several registers of sums at once, for products of matrices: tuples of `F32x16` in jitted code.

How many there are is a matter of types: each function is compiled anew for every length of tuple.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rtaudio.kernels.simd import F32x4, _load, _shuffle, _spread

TILE_LINES = 4
"""Registers of 16 float32 in a column of a tile of weights, which lie next to each other."""
LINE = 64
"""Bytes of 16 float32: a cache line, and the widest register."""
_FLAGS = ("contract",)


def lines_at(builder: Any, address: Any, count: int) -> list[Any]:
    """`count` vectors of 16 float32, one after the other at `address`."""
    kind = ir.VectorType(ir.FloatType(), 16)
    steps = [ir.Constant(address.type, LINE * k) for k in range(count)]
    return [_load(builder, builder.add(address, step), kind) for step in steps]


def add_products(builder: Any, sums: Iterable[Any], lines: Iterable[Any], value: Any) -> list[Any]:
    """Each of `sums` plus its line times the scalar `value`."""
    factor = _spread(builder, value, 16)
    products = (builder.fmul(line, factor, flags=_FLAGS) for line in lines)
    return [builder.fadd(*pair, flags=_FLAGS) for pair in zip(sums, products, strict=True)]


def store_lines(builder: Any, values: Iterable[Any], address: Any) -> None:
    """Vectors one after the other to `address`."""
    for k, value in enumerate(values):
        place = builder.add(address, ir.Constant(address.type, LINE * k))
        builder.store(value, builder.inttoptr(place, value.type.as_pointer()), align=4)


def unpacked(builder: Any, value: Any, count: int) -> list[Any]:
    """The members of a tuple."""
    return [builder.extract_value(value, k) for k in range(count)]


@intrinsic
def load_sums(typingctx: Any, like: Any, address: Any) -> Any:
    """As many vectors as `like` has, one after the other at `address`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_tuple(builder, like, lines_at(builder, args[1], like.count))

    return like(like, types.int64), codegen


def column_lines(builder: Any, tiles: Iterable[Any], column: Any, height: int) -> list[Any]:
    """The weights of a column for `height` sums: TILE_LINES in the first tile, the rest in the next."""
    counts = min(height, TILE_LINES), max(height - TILE_LINES, 0)
    lines = []
    for tile, count in zip(tiles, counts, strict=True):
        pitch = ir.Constant(column.type, LINE * count)
        lines += lines_at(builder, builder.add(tile, builder.mul(column, pitch)), count)
    return lines


@intrinsic
def add_column(typingctx: Any, sums: Any, first: Any, second: Any, column: Any, value: Any) -> Any:
    """sums + weights of that column (`column_lines`) * value."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        before, *tiles, column, value = args
        lines = column_lines(builder, tiles, column, sums.count)
        added = add_products(builder, unpacked(builder, before, sums.count), lines, value)
        return context.make_tuple(builder, sums, added)

    return sums(sums, types.int64, types.int64, types.int64, types.float32), codegen


@intrinsic
def add_four_columns(typingctx: Any, sums: Any, first: Any, second: Any, column: Any, values: Any) -> Any:
    """`add_column` for that column and the next three, each times its lane of `values`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        before, *tiles, column, values = args
        added = unpacked(builder, before, sums.count)
        for lane in range(4):
            at = builder.add(column, ir.Constant(column.type, lane))
            lines = column_lines(builder, tiles, at, sums.count)
            added = add_products(builder, added, lines, _shuffle(builder, values, values, [lane] * 16))
        return context.make_tuple(builder, sums, added)

    return sums(sums, types.int64, types.int64, types.int64, F32x4), codegen


@intrinsic
def add_sums(typingctx: Any, one: Any, other: Any) -> Any:
    """one + other, vector by vector."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pairs = zip(*(unpacked(builder, value, one.count) for value in args), strict=True)
        return context.make_tuple(builder, one, [builder.fadd(*pair, flags=_FLAGS) for pair in pairs])

    return one(one, one), codegen


@intrinsic
def store_sums(typingctx: Any, sums: Any, address: Any) -> Any:
    """Write the vectors one after the other to `address`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        store_lines(builder, unpacked(builder, args[0], sums.count), args[1])
        return context.get_dummy_value()

    return types.void(sums, types.int64), codegen
