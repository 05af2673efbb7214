"""What surrounds the denoiser net: log band powers going in, gains applied coming out."""

from __future__ import annotations

import numba
import numpy as np

from rtaudio.kernels.activations import log10_f32
from rtaudio.kernels.memory import FAST, JIT, STEP, call_step, f32, i64

_ONE = np.float32(1)


@numba.njit(**FAST)
def _powers(spectrum: int, out: int, n_bins: int) -> None:
    """out = re² + im²."""
    parts, power = f32(spectrum, 2 * n_bins), f32(out, n_bins)
    for b in range(n_bins):
        power[b] = parts[2 * b] * parts[2 * b] + parts[2 * b + 1] * parts[2 * b + 1]


@numba.njit(**FAST)
def _log_bands(power: int, weights: int, spans: int, out: int, n_bands: int, floor: np.float32) -> None:
    """log10 of (weighted power + floor) in each band.

    A band spans (first bin, number of bins); the weights of all bands lie in a row.
    """
    bands, span, at = f32(out, n_bands), i64(spans, 2 * n_bands), 0
    for k in range(n_bands):
        count, total = span[2 * k + 1], floor
        values, weight = f32(power + 4 * span[2 * k], count), f32(weights + 4 * at, count)
        for b in range(count):
            total += values[b] * weight[b]
        bands[k] = total
        at += count
    for k in range(n_bands):
        bands[k] = log10_f32(bands[k])


@numba.njit(**FAST)
def _remove_level(features: int, level: int, n_bands: int, decay: np.float32) -> None:
    """Subtract the running mean over time of the mean over bands.

    `level` is (sum, weight): both start at 0, so their quotient is a mean from the first frame.
    """
    values, mean, total = f32(features, n_bands), f32(level, 2), np.float32(0)
    for k in range(n_bands):
        total += values[k]
    mean[0] = decay * mean[0] + (_ONE - decay) * (total / np.float32(n_bands))
    mean[1] = decay * mean[1] + (_ONE - decay)
    now = mean[0] / mean[1]
    for k in range(n_bands):
        values[k] -= now


@numba.njit(**JIT)
def _apply(spectrum: int, gains: int, out: int, n_bins: int, strength: np.float32, floor: np.float32) -> None:
    """out = spectrum * (1 - strength (1 - max(gain, floor))).

    Not fastmath: with strength 0 the factor is 1 and the output the input, to the bit.
    """
    parts, gain, target = f32(spectrum, 2 * n_bins), f32(gains, n_bins), f32(out, 2 * n_bins)
    for b in range(n_bins):
        factor = _ONE - strength * (_ONE - max(gain[b], floor))
        target[2 * b] = parts[2 * b] * factor
        target[2 * b + 1] = parts[2 * b + 1] * factor


@numba.njit(**JIT)
def _apply_last(state: int, x: int, out: int) -> None:
    words = i64(state, 12)
    strength, floor = f32(state + words[6], 1), f32(state + words[7], 1)
    _apply(x, state + words[11], out, words[0], strength[0], floor[0])


@numba.cfunc(STEP, cache=True, error_model="numpy")
def denoise_step(state: int, x: int, out: int) -> None:
    """Spectrum `(n_bins, 2)` in and out.

    Words: n_bins, n_bands; net (entry, state), band weights, band spans, (level decay, power
    floor); strength, floor; powers, features, level, gains.
    """
    words = i64(state, 12)
    n_bins, n_bands, powers, features = words[0], words[1], state + words[8], state + words[9]
    net, constants = i64(state + words[2], 2), f32(state + words[5], 2)
    _powers(x, powers, n_bins)
    _log_bands(powers, state + words[3], state + words[4], features, n_bands, constants[1])
    _remove_level(features, state + words[10], n_bands, constants[0])
    call_step(net[0], net[1], features, state + words[11])
    _apply_last(state, x, out)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def denoise_hold_step(state: int, x: int, out: int) -> None:
    """Apply the gains of the last hop the net ran for. Words as in `denoise_step`."""
    _apply_last(state, x, out)
