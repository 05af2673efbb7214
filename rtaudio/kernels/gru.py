"""One step of a gated recurrent unit (Cho et al. 2014), as torch has it: reset after the product."""

from __future__ import annotations

import numba
import numpy as np

from rtaudio.kernels.activations import sigmoid_f32, tanh_f32
from rtaudio.kernels.dense import product
from rtaudio.kernels.memory import FAST, STEP, f32, i64

_ONE = np.float32(1)


@numba.njit(**FAST)
def gru_cell(from_x: int, from_h: int, h: int, out: int, hidden: int) -> None:
    """n = tanh(x_n + r h_n); h = (1 - z) n + z h. Sums lie r, z, n, `hidden` each."""
    xs, hs = f32(from_x, 3 * hidden), f32(from_h, 3 * hidden)
    state, target = f32(h, hidden), f32(out, hidden)
    for k in range(hidden):
        r = sigmoid_f32(xs[k] + hs[k])
        z = sigmoid_f32(xs[hidden + k] + hs[hidden + k])
        n = tanh_f32(xs[2 * hidden + k] + r * hs[2 * hidden + k])
        state[k] = (_ONE - z) * n + z * state[k]
        target[k] = state[k]


@numba.cfunc(STEP, cache=True, error_model="numpy")
def gru_step(state: int, x: int, out: int) -> None:
    """GRU layer; its output is h.

    Words: hidden; calls (with the input, with h); h, sums from the input, sums from h.
    """
    words = i64(state, 5)
    h, from_x, from_h = state + words[2], state + words[3], state + words[4]
    product(state + words[1], 0, x, from_x)
    product(state + words[1], 1, h, from_h)
    gru_cell(from_x, from_h, h, out, words[0])
