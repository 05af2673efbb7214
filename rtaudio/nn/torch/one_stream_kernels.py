"""Triton kernels of one stream's hop: each a layer, with what is computed just before and after it.

All vectors are padded with zeros to a power of two, and so are the rows of all matrices: a product of
such rows with such a vector needs no masks. Programs share a layer's rows; each has `ROWS` of them.
Everything is float32 but the running mean of the level. No tensor cores: TF32 would be heard.
"""

# mypy: ignore-errors
# ruff: noqa: N803
# What is in here is Triton's language, which only looks like Python. In capitals: what it compiles in.

from __future__ import annotations

import triton
import triton.language as tl

LOG10_E = tl.constexpr(0.4342944819032518)
LARGEST = tl.constexpr(3e38)


@triton.jit
def _rows(ROWS: tl.constexpr):
    """Which rows of a layer this program has."""
    return tl.program_id(0) * ROWS + tl.arange(0, ROWS)


@triton.jit
def _products(matrix, vector, rows, COLUMNS: tl.constexpr):
    """Products of some rows of a matrix with a vector that is at hand."""
    columns = tl.arange(0, COLUMNS)
    return tl.sum(tl.load(matrix + rows[:, None] * COLUMNS + columns[None, :]) * vector[None, :], 1)


@triton.jit
def _tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def begin(
    host_x, host_controls, history, past, position, lags, sizes, offsets, past_matrix, bias,
    frame, controls, sums, slots,
    N_BLOCKS: tl.constexpr, TAPS: tl.constexpr, CHANNELS: tl.constexpr, PADDED: tl.constexpr,
    N_HISTORY: tl.constexpr, N_FFT: tl.constexpr, FRAME: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """The frame, from host memory; and what blocks make of frames before this one, side by side.

    The last program takes samples and controls to the device. The others have some rows of one block
    each: `sums` is the product over its past frames and the bias, `slots` where its new frame will lie.
    """
    program = tl.program_id(0)
    if program == tl.num_programs(0) - 1:
        i = tl.arange(0, FRAME)
        old = tl.load(history + i, mask=i < N_HISTORY, other=0.0)
        new = tl.load(host_x + i - N_HISTORY, mask=(i >= N_HISTORY) & (i < N_FFT), other=0.0)
        tl.store(frame + i, old + new)
        three = tl.arange(0, 4)
        tl.store(controls + three, tl.load(host_controls + three, mask=three < 3), mask=three < 3)
    else:
        shares: tl.constexpr = PADDED // ROWS
        block, share = program // shares, program % shares
        rows, columns = share * ROWS + tl.arange(0, ROWS), tl.arange(0, PADDED)
        now = tl.load(position)
        total = tl.load(bias + block * PADDED + rows)
        for tap in tl.static_range(TAPS):
            ring = N_BLOCKS + block * TAPS + tap
            size = tl.load(sizes + ring)
            slot = ((now - tl.load(lags + ring)) % size + size) % size + tl.load(offsets + ring)
            heard = tl.load(past + slot * CHANNELS + columns, mask=columns < CHANNELS, other=0.0)
            total += _products(past_matrix + (block * TAPS + tap) * PADDED * PADDED, heard, rows, PADDED)
        tl.store(sums + block * PADDED + rows, total)
        if share == 0:
            tl.store(slots + block, now % tl.load(sizes + block) + tl.load(offsets + block))


@triton.jit
def spectrum(frame, matrix, out, FRAME: tl.constexpr, ROWS: tl.constexpr):
    """Real and imaginary parts, by turns."""
    rows = _rows(ROWS)
    tl.store(out + rows, _products(matrix, tl.load(frame + tl.arange(0, FRAME)), rows, FRAME))


@triton.jit
def log_bands(parts, matrix, power_floor, out, FRAME: tl.constexpr, ROWS: tl.constexpr):
    """Log powers of the bands, float64."""
    rows = _rows(ROWS)
    x = tl.load(parts + tl.arange(0, FRAME))
    power = _products(matrix, x * x, rows, FRAME) + tl.load(power_floor + rows)
    tl.store(out + rows, tl.log(power.to(tl.float64)) * LOG10_E)


@triton.jit
def first_layer(
    logs, share_of_mean, level, newest, matrix, bias, out, new_level, BANDS: tl.constexpr, ROWS: tl.constexpr
):
    """Log powers over their running mean, and the layer they go into. Each program does the first anew."""
    rows, bands, pair = _rows(ROWS), tl.arange(0, BANDS), tl.arange(0, 2)
    log = tl.load(logs + bands)
    mean, gathered, new = tl.load(level), tl.load(level + 1), tl.load(newest)
    mean += new * (tl.sum(log * tl.load(share_of_mean + bands), 0) - mean)
    gathered += new * (1.0 - gathered)
    features = (log - mean / gathered).to(tl.float32)
    total = _products(matrix, features, rows, BANDS) + tl.load(bias + rows)
    tl.store(out + rows, tl.maximum(total, 0.0))
    if tl.program_id(0) == 0:
        tl.store(new_level + pair, tl.where(pair == 0, mean, gathered))


@triton.jit
def block(x, matrix, sums, out, PADDED: tl.constexpr, ROWS: tl.constexpr):
    """Residual: x + relu(the newest frame's part + that of those before)."""
    rows = _rows(ROWS)
    total = _products(matrix, tl.load(x + tl.arange(0, PADDED)), rows, PADDED) + tl.load(sums + rows)
    tl.store(out + rows, tl.load(x + rows) + tl.maximum(total, 0.0))


@triton.jit
def mingru(
    x, matrix, bias, before, out, after, CHANNELS: tl.constexpr, PADDED: tl.constexpr, ROWS: tl.constexpr
):
    """Residual minGRU: z and n from one matrix, z's rows first."""
    rows = _rows(ROWS)
    vector = tl.load(x + tl.arange(0, PADDED))
    z = tl.sigmoid(_products(matrix, vector, rows, PADDED) + tl.load(bias + rows))
    n = _tanh(_products(matrix, vector, rows + PADDED, PADDED) + tl.load(bias + PADDED + rows))
    h = tl.load(before + rows, mask=rows < CHANNELS, other=0.0)
    h += z * (n - h)
    tl.store(after + rows, h)
    tl.store(out + rows, tl.load(x + rows) + tl.where(rows < CHANNELS, h, 0.0))


@triton.jit
def masked(x, matrix, bias, controls, parts, out, PADDED: tl.constexpr, ROWS: tl.constexpr):
    """The spectrum times its gains: of strength and floor, as the native net."""
    rows = _rows(ROWS)
    logit = _products(matrix, tl.load(x + tl.arange(0, PADDED)), rows, PADDED) + tl.load(bias + rows)
    gain = tl.maximum(tl.sigmoid(logit), tl.load(controls + 1))
    factor = 1 + tl.load(controls) * (gain - 1)
    for part in tl.static_range(2):
        tl.store(out + 2 * rows + part, tl.load(parts + 2 * rows + part) * factor)


@triton.jit
def samples(parts, matrix, overlap, out, N_OVERLAP: tl.constexpr, FRAME: tl.constexpr, ROWS: tl.constexpr):
    """Samples of the frame, added to what frames before left."""
    rows = _rows(ROWS)
    left = tl.load(overlap + rows, mask=rows < N_OVERLAP, other=0.0)
    tl.store(out + rows, _products(matrix, tl.load(parts + tl.arange(0, FRAME)), rows, FRAME) + left)


@triton.jit
def _keep(source, target, length, SIZE: tl.constexpr):
    """Copy so many numbers of those in SIZE places."""
    i = tl.arange(0, SIZE)
    tl.store(target + i, tl.load(source + i), mask=i < length)


@triton.jit
def remember(
    total, controls, frame, layers, inputs, slots, new_gated, new_level,
    host_out, history, overlap, level, past, gated, position,
    N_BLOCKS: tl.constexpr, N_MINGRUS: tl.constexpr, CHANNELS: tl.constexpr, PADDED: tl.constexpr,
    LEAD: tl.constexpr, HOP: tl.constexpr, N_HISTORY: tl.constexpr, FRAME: tl.constexpr,
):  # fmt: skip
    """What is heard, to host memory, and what the next hop needs, into the state: `DenoiseHop.remember`.

    A program for each block, one for each minGRU, and one for the rest.
    """
    program, i = tl.program_id(0), tl.arange(0, FRAME)
    y = tl.load(total + LEAD + i, mask=i < HOP, other=0.0)
    good = tl.abs(tl.sum(y, 0)) < tl.load(controls + 2) * LARGEST
    if program < N_BLOCKS:
        source = layers + tl.load(inputs + program) * PADDED
        _keep(source, past + tl.load(slots + program) * CHANNELS, tl.where(good, CHANNELS, 0), PADDED)
    elif program < N_BLOCKS + N_MINGRUS:
        which = program - N_BLOCKS
        _keep(new_gated + which * PADDED, gated + which * CHANNELS, tl.where(good, CHANNELS, 0), PADDED)
    else:
        tl.store(host_out + i, tl.where(good, y, 0.0), mask=i < HOP)
        _keep(frame + HOP, history, tl.where(good, N_HISTORY, 0), FRAME)
        _keep(total + HOP, overlap, tl.where(good, N_HISTORY, 0), FRAME)
        _keep(new_level, level, tl.where(good, 2, 0), 2)
        tl.store(position, tl.load(position) + 1)
