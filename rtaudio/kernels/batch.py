"""Steps of many streams at once: weights read once, and all that a stream remembers its own.

Every step takes and gives rows, a stream each. What isn't a matrix product is done stream by
stream, by the code that does it for one.
"""

from __future__ import annotations

import numba

from rtaudio.kernels.activations import activate
from rtaudio.kernels.conv import filter_frame
from rtaudio.kernels.dense import padded_bytes, product
from rtaudio.kernels.gru import gru_cell
from rtaudio.kernels.lstm import lstm_cell
from rtaudio.kernels.matmul import matmul
from rtaudio.kernels.matmul_int8 import matmul_int8
from rtaudio.kernels.memory import STEP, call_step, i64
from rtaudio.kernels.mingru import mingru_cell
from rtaudio.kernels.vectors import add_relu, copy


@numba.cfunc(STEP, cache=True, error_model="numpy")
def each_step(state: int, x: int, out: int) -> None:
    """A stage a row. Words: streams, bytes of a row of x and of out; (entry, state) a stream."""
    words = i64(state, 4)
    calls = i64(state + words[3], 2 * words[0])
    for k in range(words[0]):
        call_step(calls[2 * k], calls[2 * k + 1], x + k * words[1], out + k * words[2])


@numba.cfunc(STEP, cache=True, error_model="numpy")
def matvec_batch_step(state: int, x: int, out: int) -> None:
    """Words: streams, then as in `matvec_step`."""
    words = i64(state, 5)
    matmul(state + words[3], state + words[4], x, out, words[1], words[2], words[0])


@numba.cfunc(STEP, cache=True, error_model="numpy")
def int8_batch_step(state: int, x: int, out: int) -> None:
    """Words: streams, then as in `int8_step`; values, codes and spans have a row a stream."""
    matmul_int8(state, x, out)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def dense_batch_step(state: int, x: int, out: int) -> None:
    """Words: streams, outputs, activation; calls; sums (streams, padded outputs)."""
    words = i64(state, 5)
    rows, calls, sums = words[1], state + words[3], state + words[4]
    product(calls, 0, x, sums)
    for k in range(words[0]):
        activate(sums + k * padded_bytes(rows), out + k * 4 * rows, rows, words[2])


@numba.cfunc(STEP, cache=True, error_model="numpy")
def conv_batch_step(state: int, x: int, out: int) -> None:
    """Words: streams, then as in `conv_step`; begun, filtered and mixed have a row a stream."""
    words = i64(state, 11)
    streams, channels, kernel_size, dilation = words[0], words[1], words[2], words[3]
    row, pitch = 4 * channels, padded_bytes(channels)
    position, filtered, mixed = i64(state + words[7], 1), state + words[8], state + words[9]
    taps, bias = state + words[5], state + words[6]
    for k in range(streams):
        begun = state + words[10] + row * (kernel_size - 1) * (k * dilation + position[0])
        filter_frame(x + k * row, begun, taps, bias, filtered + k * row, channels, kernel_size)
    position[0] = (position[0] + 1) % dilation
    product(state + words[4], 0, filtered, mixed)
    for k in range(streams):
        add_relu(x + k * row, mixed + k * pitch, out + k * row, channels)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def lstm_batch_step(state: int, x: int, out: int) -> None:
    """Words: streams, then as in `lstm_step`; joined, c and sums have a row a stream."""
    words = i64(state, 7)
    streams, inputs, hidden = words[0], words[1], words[2]
    joined, c, sums = state + words[4], state + words[5], state + words[6]
    wide, row, pitch = 4 * (inputs + hidden), 4 * hidden, padded_bytes(4 * hidden)
    for k in range(streams):
        copy(x + k * 4 * inputs, joined + k * wide, inputs)
    product(state + words[3], 0, joined, sums)
    for k in range(streams):
        h = joined + k * wide + 4 * inputs
        lstm_cell(sums + k * pitch, c + k * row, h, out + k * row, hidden)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def gru_batch_step(state: int, x: int, out: int) -> None:
    """Words: streams, then as in `gru_step`; h and both sums have a row a stream."""
    words = i64(state, 6)
    streams, hidden, calls = words[0], words[1], state + words[2]
    h, from_x, from_h = state + words[3], state + words[4], state + words[5]
    row, pitch = 4 * hidden, padded_bytes(3 * hidden)
    product(calls, 0, x, from_x)
    product(calls, 1, h, from_h)
    for k in range(streams):
        gru_cell(from_x + k * pitch, from_h + k * pitch, h + k * row, out + k * row, hidden)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def mingru_batch_step(state: int, x: int, out: int) -> None:
    """Words: streams, then as in `mingru_step`; h and sums have a row a stream."""
    words = i64(state, 5)
    channels, h, sums = words[1], state + words[3], state + words[4]
    row, pitch = 4 * channels, padded_bytes(2 * channels)
    product(state + words[2], 0, x, sums)
    for k in range(words[0]):
        mingru_cell(x + k * row, sums + k * pitch, h + k * row, out + k * row, channels)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def beside_batch_step(state: int, x: int, out: int) -> None:
    """Words: streams, then as in `beside_step`, its call of the layer's batch; what that gave."""
    words = i64(state, 5)
    n_out, n_in, given = 4 * words[1], 4 * words[2], state + words[4]
    call = i64(state + words[3], 2)
    call_step(call[0], call[1], x, given)
    for k in range(words[0]):
        row = out + k * (n_out + n_in)
        copy(given + k * n_out, row, words[1])
        copy(x + k * n_in, row + n_out, words[2])
