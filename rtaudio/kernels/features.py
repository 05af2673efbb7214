"""Level-independent log band powers of a spectrum: what every net here hears."""

from __future__ import annotations

import math

import numba
import numpy as np

from rtaudio.kernels.memory import FAST, JIT, STEP, f32, f64, i64


@numba.njit(**FAST)
def powers(spectrum: int, out: int, n_bins: int) -> None:
    """out = re² + im²."""
    parts, power = f32(spectrum, 2 * n_bins), f32(out, n_bins)
    for b in range(n_bins):
        power[b] = parts[2 * b] * parts[2 * b] + parts[2 * b + 1] * parts[2 * b + 1]


@numba.njit(**FAST)
def log_bands(power: int, weights: int, spans: int, out: int, n_bands: int, floor: np.float32) -> None:
    """log10 of (weighted power + floor) in each band, float64.

    A band spans (first bin, number of bins); the weights of all bands lie in a row.
    """
    bands, span, at = f64(out, n_bands), i64(spans, 2 * n_bands), 0
    for k in range(n_bands):
        count, total = span[2 * k + 1], floor
        values, weight = f32(power + 4 * span[2 * k], count), f32(weights + 4 * at, count)
        for b in range(count):
            total += values[b] * weight[b]
        bands[k] = math.log10(np.float64(total))
        at += count


@numba.njit(**JIT)
def remove_level(logs: int, level: int, features: int, n_bands: int, decay: float) -> None:
    """features = logs less the running mean over time of their mean over bands.

    `level` is (sum, weight): both start at 0, so their quotient is a mean from the first frame.
    In float64 until here: a float32 logarithm near -10 is off by 1e-6, which a trained net makes
    1e-4 of.
    """
    values, mean, target = f64(logs, n_bands), f64(level, 2), f32(features, n_bands)
    total = 0.0
    for k in range(n_bands):
        total += values[k]
    mean[0] = decay * mean[0] + (1.0 - decay) * (total / n_bands)
    mean[1] = decay * mean[1] + (1.0 - decay)
    now = mean[0] / mean[1]
    for k in range(n_bands):
        target[k] = values[k] - now


@numba.cfunc(STEP, cache=True, error_model="numpy")
def features_step(state: int, x: int, out: int) -> None:
    """Spectrum `(n_bins, 2)` to features `(n_bands,)`.

    Words: n_bins, n_bands; band weights, band spans, level decay and power floor; powers, logs,
    level.
    """
    words = i64(state, 8)
    n_bins, n_bands, power, logs = words[0], words[1], state + words[5], state + words[6]
    constants = f64(state + words[4], 2)
    powers(x, power, n_bins)
    log_bands(power, state + words[2], state + words[3], logs, n_bands, np.float32(constants[1]))
    remove_level(logs, state + words[7], out, n_bands, constants[0])
