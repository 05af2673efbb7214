"""What surrounds the denoiser net: log band powers going in, gains applied coming out."""

from __future__ import annotations

import numba
import numpy as np

from rtaudio.kernels.features import log_bands, powers, remove_level
from rtaudio.kernels.memory import JIT, STEP, call_step, f32, f64, i64

_ONE = np.float32(1)


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

    Words: n_bins, n_bands; net (entry, state), band weights, band spans, level decay and power
    floor; strength, floor; powers, features, level, gains, logs.
    """
    words = i64(state, 13)
    n_bins, n_bands, power, features = words[0], words[1], state + words[8], state + words[9]
    net, constants = i64(state + words[2], 2), f64(state + words[5], 2)
    logs = state + words[12]
    powers(x, power, n_bins)
    log_bands(power, state + words[3], state + words[4], logs, n_bands, np.float32(constants[1]))
    remove_level(logs, state + words[10], features, n_bands, constants[0])
    call_step(net[0], net[1], features, state + words[11])
    _apply_last(state, x, out)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def denoise_hold_step(state: int, x: int, out: int) -> None:
    """Apply the gains of the last hop the net ran for. Words as in `denoise_step`."""
    _apply_last(state, x, out)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def denoise_batch_step(state: int, x: int, out: int) -> None:
    """Spectra `(streams, 2 n_bins)` in and out.

    Words: streams, then as in `denoise_step`; strength, floor, features, level and gains have a
    row a stream.
    """
    words = i64(state, 14)
    streams, n_bins, n_bands, power, logs = words[0], words[1], words[2], state + words[9], state + words[13]
    features, level, gains = state + words[10], state + words[11], state + words[12]
    net, constants = i64(state + words[3], 2), f64(state + words[6], 2)
    strength, floor = f32(state + words[7], streams), f32(state + words[8], streams)
    row, narrow, wide = 8 * n_bins, 4 * n_bands, 4 * n_bins
    for k in range(streams):
        powers(x + k * row, power, n_bins)
        log_bands(power, state + words[4], state + words[5], logs, n_bands, np.float32(constants[1]))
        remove_level(logs, level + 16 * k, features + k * narrow, n_bands, constants[0])
    call_step(net[0], net[1], features, gains)
    for k in range(streams):
        _apply(x + k * row, gains + k * wide, out + k * row, n_bins, strength[k], floor[k])
