"""Mel filter bank and cepstrum: tables for building, steps for running."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from rtaudio.kernels.memory import STEP, f32, i64

POWER, MAGNITUDE = 2, 1
LINEAR, DECIBEL, NATURAL = 0, 1, 2

# Slaney 1998, "Auditory Toolbox": linear to 1 kHz in steps of 200/3 Hz, then 27 steps to 6.4 kHz.
_STEP_HZ, _BREAK_HZ = 200.0 / 3, 1000.0
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(frequency_hz: float, htk: bool) -> float:
    """Position on the mel scale: O'Shaughnessy's formula as in HTK, or Slaney's."""
    if htk:
        return float(2595.0 * np.log10(1.0 + frequency_hz / 700.0))
    if frequency_hz < _BREAK_HZ:
        return frequency_hz / _STEP_HZ
    return float(_BREAK_HZ / _STEP_HZ + np.log(frequency_hz / _BREAK_HZ) / _LOG_STEP)


def mel_to_hz(mels: NDArray[np.float64], htk: bool) -> NDArray[np.float64]:
    """The inverse of `hz_to_mel`."""
    if htk:
        return np.asarray(700.0 * (10.0 ** (mels / 2595.0) - 1.0))
    knee = _BREAK_HZ / _STEP_HZ
    rising = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mels, knee) - knee))
    return np.where(mels < knee, mels * _STEP_HZ, rising)


def mel_filters(
    n_fft: int, sample_rate: int, n_mels: int, low_hz: float, high_hz: float, *, htk: bool, area: bool
) -> NDArray[np.float64]:
    """Triangles `(n_mels, n_fft // 2 + 1)` between neighbours evenly spaced in mels.

    With `area` each is divided by half its width in Hz (Slaney's norm), else all peak at 1.
    """
    ends = hz_to_mel(low_hz, htk), hz_to_mel(high_hz, htk)
    corners = mel_to_hz(np.linspace(*ends, n_mels + 2), htk)
    low, peak, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins_hz = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    triangles = np.minimum((bins_hz - low) / (peak - low), (high - bins_hz) / (high - peak))
    filters = np.maximum(0.0, triangles)
    return filters * (2.0 / (high - low)) if area else filters


def pack_rows(filters: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The parts of rows that are not zero: `(rows, 2)` first column and count, and the values."""
    spans, values = [], []
    for row in filters:
        used = np.flatnonzero(row)
        first, count = (int(used[0]), int(used[-1] - used[0] + 1)) if used.size else (0, 0)
        spans.append((first, count))
        values.append(row[first : first + count])
    return np.array(spans, np.int64), np.concatenate(values).astype(np.float32)


def dct_rows(n_out: int, n_in: int, lifter: float) -> NDArray[np.float32]:
    """Orthonormal DCT-II, `(n_out, n_in)`, each row k times 1 + lifter/2 * sin(pi (k+1) / lifter).

    The factor is Juang, Rabiner and Wilpon's (1987) lifter; 0 leaves it out.
    """
    k, n = np.arange(n_out)[:, None], np.arange(n_in)
    rows = np.sqrt(2.0 / n_in) * np.cos(np.pi * k * (2 * n + 1) / (2 * n_in))
    rows[0] /= np.sqrt(2.0)
    if lifter > 0:
        rows *= 1.0 + lifter / 2.0 * np.sin(np.pi * (k + 1) / lifter)
    return np.asarray(rows.astype(np.float32))


@numba.njit(
    "float32(int64, int64, int64)",
    cache=True,
    nogil=True,
    error_model="numpy",
    fastmath={"reassoc", "contract"},  # sums in any order, but NaN stays NaN
)
def dot(a: int, b: int, size: int) -> float:
    """Dot product of `size` float32 at two addresses."""
    x, y, total = f32(a, size), f32(b, size), np.float32(0)
    for i in range(size):
        total += x[i] * y[i]
    return total  # type: ignore[return-value]


@numba.cfunc(STEP, cache=True, error_model="numpy")
def mel_step(state: int, x: int, out: int) -> None:
    """Words: n_bins, n_mels, power, scale, offsets of spans, weights, floor, and work (n_bins)."""
    words = i64(state, 8)
    n_bins, n_mels, power, scale = words[0], words[1], words[2], words[3]
    spectrum, work = f32(x, 2 * n_bins), f32(state + words[7], n_bins)
    for k in range(n_bins):
        work[k] = spectrum[2 * k] * spectrum[2 * k] + spectrum[2 * k + 1] * spectrum[2 * k + 1]
    if power == MAGNITUDE:
        for k in range(n_bins):
            work[k] = np.sqrt(work[k])
    spans, weights = i64(state + words[4], 2 * n_mels), state + words[5]
    bands, floor = f32(out, n_mels), f32(state + words[6], 1)[0]
    for band in range(n_mels):
        first, count = spans[2 * band], spans[2 * band + 1]
        bands[band] = dot(state + words[7] + 4 * first, weights, count)
        weights += 4 * count
    if scale != LINEAR:
        factor = np.float32(10.0 / np.log(10.0)) if scale == DECIBEL else np.float32(1.0)
        for band in range(n_mels):
            bands[band] = factor * np.log(max(bands[band], floor))


@numba.cfunc(STEP, cache=True, error_model="numpy")
def rows_step(state: int, x: int, out: int) -> None:
    """Matrix times vector. Words: rows, columns, offset of the matrix."""
    words = i64(state, 3)
    target = f32(out, words[0])
    for row in range(words[0]):
        target[row] = dot(state + words[2] + 4 * words[1] * row, x, words[1])
