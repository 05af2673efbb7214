"""One step of a minimal gated recurrent unit.

Feng et al. 2024, "Were RNNs all we needed?": gate and candidate depend on the input alone, so those of a clip
are one product, and a state is a weighted mean of candidates: within ±1 for ever, however long the stream.
"""

from __future__ import annotations

import numba

from rtaudio.kernels.activations import sigmoid_f32, tanh_f32
from rtaudio.kernels.dense import product
from rtaudio.kernels.memory import FAST, STEP, f32, i64


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
