"""One step of a long short-term memory layer (Hochreiter & Schmidhuber 1997), as torch has it."""

from __future__ import annotations

import numba

from rtaudio.kernels.activations import sigmoid_f32, tanh_f32
from rtaudio.kernels.dense import product
from rtaudio.kernels.memory import FAST, STEP, f32, i64
from rtaudio.kernels.vectors import copy


@numba.njit(**FAST)
def lstm_cell(sums: int, c: int, h: int, out: int, hidden: int) -> None:
    """c = f c + i g; h = o tanh(c). Gates' sums lie i, f, g, o, `hidden` each."""
    gates, cell = f32(sums, 4 * hidden), f32(c, hidden)
    state, target = f32(h, hidden), f32(out, hidden)
    for k in range(hidden):
        keep = sigmoid_f32(gates[hidden + k]) * cell[k]
        cell[k] = keep + sigmoid_f32(gates[k]) * tanh_f32(gates[2 * hidden + k])
        state[k] = sigmoid_f32(gates[3 * hidden + k]) * tanh_f32(cell[k])
        target[k] = state[k]


@numba.cfunc(STEP, cache=True, error_model="numpy")
def lstm_step(state: int, x: int, out: int) -> None:
    """LSTM layer; its output is h.

    Words: inputs, hidden; calls; joined (input, h), c, sums. One product with the joined vector
    reads all weights in one stream.
    """
    words = i64(state, 6)
    inputs, hidden = words[0], words[1]
    joined, c, sums = state + words[3], state + words[4], state + words[5]
    copy(x, joined, inputs)
    product(state + words[2], 0, joined, sums)
    lstm_cell(sums, c, joined + 4 * inputs, out, hidden)
