"""Matrix of bytes times several vectors, reading it once for all of them: see `quantised` and `matmul`.

Sums of bytes are exact, and the float32 sums over spans are added in the order of one stream, so a
stream in a batch and the same stream alone agree to the bit.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rtaudio.kernels.dense import TILE, padded_bytes
from rtaudio.kernels.matmul import GROUP as VECTORS
from rtaudio.kernels.matmul import places
from rtaudio.kernels.memory import JIT, copy_bytes, i64
from rtaudio.kernels.quantised import GROUP, SPAN, _finish, _quantise, _tile
from rtaudio.kernels.simd import load, splat16, store
from rtaudio.kernels.simd_int8 import DOT4, DOT4_KIND, LANES, I32x16, _load, _splat, _vector
from rtaudio.kernels.sums import LINE
from rtaudio.kernels.sums import TILE_LINES as LINES

_Sums = types.UniTuple(I32x16, LINES * VECTORS)
_I8, _I32, _F32 = ir.IntType(8), ir.IntType(32), ir.FloatType()


@intrinsic
def _starts(typingctx: Any, spans: Any, stride: Any) -> Any:
    """TILE sums for each of VECTORS vectors: what the span at `spans` + v * stride bytes begins with."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sums = []
        for told in places(builder, *args):
            start = builder.fptosi(_load(builder, builder.add(told, _bytes(told, 4)), _F32), _I32)
            sums += [_splat(builder, start, LANES)] * LINES
        return context.make_tuple(builder, sig.return_type, sums)

    return _Sums(types.int64, types.int64), codegen


@intrinsic
def _dot_group(typingctx: Any, sums: Any, weight: Any, codes: Any, stride: Any) -> Any:
    """sums[v] + in each lane four weights times the four codes at `codes` + v * stride bytes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sums, weight, codes, stride = args
        wide = _vector(_I8, 4 * LANES)
        lines = [_load(builder, builder.add(weight, _bytes(weight, LINE * k)), wide) for k in range(LINES)]
        result = []
        for v, place in enumerate(places(builder, codes, stride)):
            values = _load(builder, place, _I32)
            for k, line in enumerate(lines):
                before = builder.extract_value(sums, LINES * v + k)
                result.append(DOT4[DOT4_KIND](builder, before, line, values))
        return context.make_tuple(builder, sig.return_type, result)

    return _Sums(_Sums, types.int64, types.int64, types.int64), codegen


@intrinsic
def _add_span(typingctx: Any, sums: Any, spans: Any, span_stride: Any, out: Any, out_stride: Any) -> Any:
    """out[v] += sums[v] times the step of the span at `spans` + v * span_stride bytes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sums, spans, span_stride, out, out_stride = args
        kind = _vector(_F32, LANES)
        rows = zip(places(builder, spans, span_stride), places(builder, out, out_stride), strict=True)
        for v, (told, row) in enumerate(rows):
            step = _splat(builder, _load(builder, told, _F32), LANES)
            for k in range(LINES):
                total = builder.sitofp(builder.extract_value(sums, LINES * v + k), kind)
                place = builder.inttoptr(builder.add(row, _bytes(row, LINE * k)), kind.as_pointer())
                product = builder.fmul(total, step, flags=("contract",))
                added = builder.fadd(builder.load(place, align=4), product, flags=("contract",))
                builder.store(added, place, align=4)
        return context.get_dummy_value()

    return types.void(_Sums, *[types.int64] * 4), codegen


def _bytes(like: Any, count: int) -> Any:
    return ir.Constant(like.type, count)


@numba.njit(**JIT)
def _group(
    weight: int,
    codes: int,
    code_stride: int,
    spans: int,
    span_stride: int,
    out: int,
    out_stride: int,
    groups: int,
) -> None:
    """out[v, :TILE] += sum over spans of step * (weight codes @ codes), for VECTORS vectors."""
    per_span = SPAN // GROUP
    for start in range(0, groups, per_span):
        told = spans + 8 * (start // per_span)
        sums = _starts(told, span_stride)
        for group in range(start, min(start + per_span, groups)):
            sums = _dot_group(sums, weight + GROUP * TILE * group, codes + GROUP * group, code_stride)
        _add_span(sums, told, span_stride, out, out_stride)


@numba.njit(**JIT)
def _clear(out: int, stride: int) -> None:
    """TILE zeros for each of VECTORS vectors."""
    for v in range(VECTORS):
        for k in range(LINES):
            store(out + v * stride + LINE * k, splat16(np.float32(0)))


@numba.njit(**JIT)
def _finish_row(scales: int, bias: int, out: int) -> None:
    """out = bias + scale * out, of TILE rows."""
    a = load(out, splat16(np.float32(0)))
    b, c, d = load(out + LINE, a), load(out + 2 * LINE, a), load(out + 3 * LINE, a)
    _finish(scales, bias, out, a, b, c, d)


@numba.njit(**JIT)
def matmul_int8(state: int, x: int, out: int) -> None:
    """out[v] = weight @ x[v] + bias for the rows of x, each out[v] of whole tiles.

    Words: streams, rows, columns; codes by four, scales, bias; values, codes and spans, a row a stream.
    """
    words = i64(state, 9)
    streams, rows, columns = words[0], words[1], words[2]
    n_spans, groups = -(-columns // SPAN), -(-columns // GROUP)
    values, codes, spans = state + words[6], state + words[7], state + words[8]
    code_stride, span_stride, out_stride = SPAN * n_spans, 8 * n_spans, padded_bytes(rows)
    for v in range(streams):
        row = values + 4 * code_stride * v
        copy_bytes(row, x + 4 * columns * v, 4 * columns)
        _quantise(row, codes + code_stride * v, spans + span_stride * v, columns)
    grouped = streams // VECTORS * VECTORS
    for tile in range(-(-rows // TILE)):
        weight = state + words[3] + TILE * tile * GROUP * groups
        scales, bias = state + words[4] + 4 * TILE * tile, state + words[5] + 4 * TILE * tile
        target = out + 4 * TILE * tile
        for v in range(0, grouped, VECTORS):
            place = target + v * out_stride
            _clear(place, out_stride)
            _group(
                weight, codes + code_stride * v, code_stride, spans + span_stride * v, span_stride,
                place, out_stride, groups,
            )  # fmt: skip
            for k in range(VECTORS):
                _finish_row(scales, bias, place + k * out_stride)
        for v in range(grouped, streams):
            _tile(
                weight, scales, bias, codes + code_stride * v, spans + span_stride * v,
                target + v * out_stride, groups,
            )  # fmt: skip
