"""Fractional resampler: follows one clock from another, a few parts per million apart.

Output n is the input, band-limited, at time n / ratio - DELAY, with the ratio free to move from
call to call. Smith and Gossett 1984, "A flexible sampling-rate conversion method": a windowed
sinc, tabulated at `PHASES` positions between two samples, with the two nearest interpolated.

At a ratio of 1 exactly it is a pure delay, bit for bit: the sinc is cut at half the sample rate,
so the row of phase 0 is a single one. For ratios near 1 that cut is right in both directions.

Design, at 48 kHz: 32 taps under a Kaiser window of beta 10.6 (-105 dB) have a transition of
+-5.1 kHz about 24 kHz, so up to 18.9 kHz nothing changes and nothing folds back. Interpolating
linearly between 512 phases errs by (2 pi f / 48000)^2 / (8 * 512^2), -111 dB at 18 kHz.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from rtaudio.kernels.memory import JIT, f32, i64
from rtaudio.kernels.simd import load, splat8, sum8
from rtaudio.kernels.stft import move_down
from rtaudio.kernels.window import sinc_rows

TAPS, PHASES, KAISER_BETA = 32, 512, 10.6
DELAY = TAPS // 2
"""Samples from input to output, whatever the ratio."""

FRACTION = 40  # fractional bits of a position: a ratio is kept to 1e-12, a sample in 290 days
CHUNK = 256  # samples brought next to the history at a time
HISTORY = TAPS - 1
HEADER = 8  # words; the first is the position of the next output, 2^-40 samples into what comes
_BUFFER = 8 * HEADER
_TABLE = _BUFFER + 4 * (HISTORY + CHUNK + 1)


def resample_state() -> NDArray[np.int64]:
    """A new resampler's memory, to lie anywhere: header, history of silence, table of phases."""
    rows = _phase_table()
    words = np.zeros((_TABLE + rows.nbytes) // 8, np.int64)
    words.view(np.float32)[_TABLE // 4 :] = rows.ravel()
    return words


def _phase_table() -> NDArray[np.float32]:
    """(PHASES + 1, TAPS): row j gives the value j / PHASES samples after sample `TAPS/2 - 1`."""
    offset = np.arange(PHASES + 1)[:, None] / PHASES + TAPS // 2 - 1 - np.arange(TAPS)
    return sinc_rows(offset, TAPS / 2, KAISER_BETA).astype(np.float32)


@numba.njit("float32(int64, int64, float32)", **JIT)
def _between(x: int, row: int, t: float) -> float:
    """Dot product of TAPS samples with the blend of a row and the next one."""
    like = splat8(np.float32(0))
    total = like
    for k in range(0, 4 * TAPS, 32):
        here = load(row + k, like)
        total = total + load(x + k, like) * (here + t * (load(row + 4 * TAPS + k, like) - here))
    return sum8(total)


@numba.njit("int64(int64, int64, float64)", **JIT)
def resample_count(state: int, n_in: int, ratio: float) -> int:
    """Samples that `resample_run` will write for `n_in` more at `ratio`."""
    step = np.int64(np.rint(2.0**FRACTION / ratio))
    return (max((n_in << FRACTION) - i64(state, 1)[0], 0) + step - 1) // step


@numba.njit("int64(int64, int64, int64, float64, int64, int64)", **JIT)
def resample_run(state: int, x: int, n_in: int, ratio: float, out: int, max_out: int) -> int:
    """Consume all `n_in` float32 at `x`; write what is due to `out`; returns how many.

    `ratio` is output samples per input sample, near 1. Nothing is consumed, and -1 returned,
    where more than `max_out` are due (see `resample_count`). n_in is below 2^22. For a constant
    ratio the samples do not depend on how the input is cut into calls.
    """
    if resample_count(state, n_in, ratio) > max_out:
        return -1
    words, buffer, table = i64(state, HEADER), state + _BUFFER, state + _TABLE
    step = np.int64(np.rint(2.0**FRACTION / ratio))
    to_unit, below = np.float32(2.0**-23), (1 << FRACTION) - 1
    position, written, target = words[0], 0, f32(out, max_out)
    for start in range(0, n_in, CHUNK):
        size = min(CHUNK, n_in - start)
        move_down(buffer + 4 * HISTORY, x + 4 * start, size)
        end = size << FRACTION
        while position < end:
            phase = (position & below) * PHASES  # row above bit 40, blend below
            blend = np.float32((phase & below) >> (FRACTION - 23)) * to_unit
            row = table + 4 * TAPS * (phase >> FRACTION)
            target[written] = _between(buffer + 4 * (position >> FRACTION), row, blend)
            written += 1
            position += step
        position -= end
        move_down(buffer, buffer + 4 * size, HISTORY)
    words[0] = position
    return written


class FractionalResampler:
    """Owner of a resampler's memory, and its Python face for tests and benchmarks."""

    latency = DELAY

    def __init__(self) -> None:
        self.words = resample_state()
        self.address = int(self.words.ctypes.data)

    def run(self, x: NDArray[np.float32], ratio: float = 1.0) -> NDArray[np.float32]:
        """Feed all of contiguous float32 `x`; returns the samples due, about x.size * ratio."""
        out = np.empty(int(resample_count(self.address, x.size, ratio)), np.float32)
        resample_run(self.address, x.ctypes.data, x.size, ratio, out.ctypes.data, out.size)
        return out

    def reset(self) -> None:
        self.words[:] = resample_state()
