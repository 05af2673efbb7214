"""One step of a minimal gated recurrent unit, and all steps of a clip at once for training.

Feng et al. 2024, "Were RNNs all we needed?": gate and candidate depend on the input alone, so those of a clip
are one product, and a state is a weighted mean of candidates: within ±1 for ever, however long the stream.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from rtaudio.kernels.activations import sigmoid_f32, tanh_f32
from rtaudio.kernels.dense import product
from rtaudio.kernels.memory import FAST, JIT, STEP, f32, i64

Floats = NDArray[np.float32]

_ONE = np.float32(1)
_CLIP = "void(float32[:,:,::1], float32[:,:,::1], float32[:,::1], float32[:,:,::1]"


@numba.njit(**FAST)
def mingru_cell(x: int, sums: int, h: int, out: int, channels: int) -> None:
    """h = h + z (n - h); out = x + h. Sums of gate and candidate lie z, n, `channels` each."""
    given, gates, target = f32(x, channels), f32(sums, 2 * channels), f32(out, channels)
    state = f32(h, channels)
    for k in range(channels):
        z, n = sigmoid_f32(gates[k]), tanh_f32(gates[channels + k])
        state[k] += z * (n - state[k])
        target[k] = given[k] + state[k]


@numba.cfunc(STEP, cache=True, error_model="numpy")
def mingru_step(state: int, x: int, out: int) -> None:
    """Residual minGRU. Words: channels; calls; h, sums."""
    words = i64(state, 4)
    sums = state + words[3]
    product(state + words[1], 0, x, sums)
    mingru_cell(x, sums, state + words[2], out, words[0])


@numba.njit(_CLIP + ")", **JIT)
def scan(z: Floats, n: Floats, before: Floats, h: Floats) -> None:
    """States h of gates z and candidates n, all `(B, T, channels)`, after states `before` `(B, channels)`."""
    streams, frames, channels = z.shape
    for b in range(streams):
        last = before[b]
        for t in range(frames):
            for k in range(channels):
                h[b, t, k] = last[k] + z[b, t, k] * (n[b, t, k] - last[k])
            last = h[b, t]


@numba.njit(_CLIP + ", float32[:,:,::1], float32[:,:,::1], float32[:,:,::1])", **JIT)
def scan_back(
    z: Floats, n: Floats, before: Floats, h: Floats, slope: Floats, slope_z: Floats, slope_n: Floats
) -> None:
    """Slopes of a loss in z and n, from those in h, all `(B, T, channels)`: `scan` run backwards."""
    streams, frames, channels = z.shape
    total = np.zeros(channels, np.float32)
    for b in range(streams):
        total[:] = 0
        for t in range(frames - 1, -1, -1):
            last = h[b, t - 1] if t else before[b]
            for k in range(channels):
                total[k] += slope[b, t, k]
                slope_z[b, t, k] = total[k] * (n[b, t, k] - last[k])
                slope_n[b, t, k] = total[k] * z[b, t, k]
                total[k] *= _ONE - z[b, t, k]
