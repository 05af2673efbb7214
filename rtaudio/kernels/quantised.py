"""Matrix times vector with weights of one byte: a quarter of the memory to read, which is the cost.

A row of weights is a scale times integers of -127..127, rounded to the nearest: off by half a scale
at most. `int8_weights_step` multiplies them by float32 values. `int8_step` rounds the values, too,
to -127..127 steps of a scale that each SPAN of them has to itself, anew each frame, so that a vector
may hold loud and soft parts side by side (an LSTM's h in ±1 beside features of 100). It sums
products of bytes, exactly, in int32. As instructions take unsigned times signed bytes, weights are
stored with 128 added, and each sum starts at -128 times the sum of the values.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from rtaudio.kernels.dense import TILE, padded
from rtaudio.kernels.memory import JIT, STEP, copy_bytes, f32, i64
from rtaudio.kernels.simd import load, splat16, store
from rtaudio.kernels.simd_int8 import (
    WIDE,
    dot4,
    load_codes16,
    load_i32,
    peak64,
    splat_i32,
    store_codes64,
    to_f32,
)
from rtaudio.kernels.sums import LINE

MOST = 127  # largest code; -128 is left out, so that a code's negative is one, too
SPAN = WIDE  # values with one scale
GROUP = 4  # columns a `dot4` takes
_OFFSET = np.int32(128)
_MOST, _SILENT = np.float32(MOST), np.float32(1e-30)  # of a smaller peak the inverse is no float32


def quantise_rows(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Codes of the shape of `weight` `(rows, columns)`, and the scale `(rows,)` of each row."""
    peaks = np.abs(weight).max(1)
    scales = np.where(peaks > 0, peaks / MOST, 1).astype(np.float32)
    return np.rint(weight / scales[:, None]).astype(np.int8), scales


def pack_codes(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """`(rows, columns)` into tiles `(padded(rows) / TILE, columns, TILE)`, zero rows added."""
    rows, columns = codes.shape
    whole = np.zeros((padded(rows), columns), np.int8)
    whole[:rows] = codes
    return np.ascontiguousarray(whole.reshape(-1, TILE, columns).transpose(0, 2, 1))


def pack_codes_by_four(codes: NDArray[np.int8]) -> NDArray[np.uint8]:
    """`(rows, columns)`, with 128 added, into `(padded(rows) / TILE, groups, TILE, GROUP)`."""
    rows, columns = codes.shape
    groups = -(-columns // GROUP)
    whole = np.full((padded(rows), GROUP * groups), _OFFSET, np.uint8)
    whole[:rows, :columns] = codes + _OFFSET
    return np.ascontiguousarray(whole.reshape(-1, TILE, groups, GROUP).transpose(0, 2, 1, 3))


@numba.njit(**JIT)
def _weights_tile(weight: int, scales: int, bias: int, x: int, out: int, columns: int) -> None:
    """out[:TILE] = bias + scale * (codes @ x), of TILE rows."""
    values = f32(x, columns)
    a = splat16(np.float32(0))
    b, c, d = a, a, a
    for column in range(columns):
        row, value = weight + TILE * column, splat16(values[column])
        a = a + load_codes16(row) * value
        b = b + load_codes16(row + 16) * value
        c = c + load_codes16(row + 32) * value
        d = d + load_codes16(row + 48) * value
    _finish(scales, bias, out, a, b, c, d)


@numba.njit(**JIT)
def _finish(scales: int, bias: int, out: int, a, b, c, d) -> None:  # type: ignore[no-untyped-def]
    """out = bias + scale * sum, of TILE rows in four vectors."""
    for k, total in enumerate((a, b, c, d)):
        store(out + LINE * k, load(bias + LINE * k, total) + load(scales + LINE * k, total) * total)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def int8_weights_step(state: int, x: int, out: int) -> None:
    """weight @ x + bias into whole tiles. Words: rows, columns; codes, scales, bias."""
    words = i64(state, 5)
    columns = words[1]
    for tile in range(-(-words[0] // TILE)):
        row = TILE * tile
        _weights_tile(
            state + words[2] + row * columns,
            state + words[3] + 4 * row,
            state + words[4] + 4 * row,
            x,
            out + 4 * row,
            columns,
        )


@numba.njit(**JIT)
def _quantise(values: int, codes: int, spans: int, columns: int) -> None:
    """Codes of `values`, both whole spans long; two float32 a span: its step, -128 times its codes' sum."""
    for span in range(-(-columns // SPAN)):
        x, told = values + 4 * SPAN * span, f32(spans + 8 * span, 2)
        peak = peak64(x)
        told[0] = peak / _MOST
        factor = _MOST / peak if peak > _SILENT else np.float32(0)
        told[1] = -_OFFSET * store_codes64(codes + SPAN * span, x, factor)


@numba.njit(**JIT)
def _tile(weight: int, scales: int, bias: int, codes: int, spans: int, out: int, groups: int) -> None:
    """out[:TILE] = bias + scale * sum over spans of step * (weight codes @ codes)."""
    a = splat16(np.float32(0))
    b, c, d = a, a, a
    per_span = SPAN // GROUP
    for start in range(0, groups, per_span):
        told = f32(spans + 8 * (start // per_span), 2)
        e = splat_i32(np.int32(told[1]))
        f, g, h = e, e, e
        for group in range(start, min(start + per_span, groups)):
            row, value = weight + GROUP * TILE * group, load_i32(codes + GROUP * group)
            e = dot4(e, row, value)
            f = dot4(f, row + LINE, value)
            g = dot4(g, row + 2 * LINE, value)
            h = dot4(h, row + 3 * LINE, value)
        step = told[0]
        a, b = a + to_f32(e) * step, b + to_f32(f) * step
        c, d = c + to_f32(g) * step, d + to_f32(h) * step
    _finish(scales, bias, out, a, b, c, d)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def int8_step(state: int, x: int, out: int) -> None:
    """weight @ x + bias into whole tiles.

    Words: rows, columns; codes by four, scales, bias; values (whole spans), codes, spans.
    """
    words = i64(state, 8)
    columns, values, codes, spans = words[1], state + words[5], state + words[6], state + words[7]
    copy_bytes(values, x, 4 * columns)
    _quantise(values, codes, spans, columns)
    groups = -(-columns // GROUP)
    for tile in range(-(-words[0] // TILE)):
        row = TILE * tile
        _tile(
            state + words[2] + row * GROUP * groups,
            state + words[3] + 4 * row,
            state + words[4] + 4 * row,
            codes,
            spans,
            out + 4 * row,
            groups,
        )
