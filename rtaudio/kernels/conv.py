"""Causal convolution over time, one frame at a time."""

from __future__ import annotations

import numba

from rtaudio.kernels.activations import RELU, activate
from rtaudio.kernels.dense import product
from rtaudio.kernels.memory import JIT, STEP, i64
from rtaudio.kernels.vectors import add, add_product, copy


@numba.njit(**JIT)
def filter_frame(
    x: int,
    past: int,
    position: int,
    taps: int,
    bias: int,
    out: int,
    channels: int,
    kernel_size: int,
    dilation: int,
) -> None:
    """Put frame `x` into the ring `past` at `position`; out = bias + the taps over it and past frames."""
    row, length = 4 * channels, (kernel_size - 1) * dilation + 1
    copy(x, past + row * position, channels)
    copy(bias, out, channels)
    for tap in range(kernel_size):
        age = (kernel_size - 1 - tap) * dilation
        then = (position + length - age) % length
        add_product(past + row * then, taps + row * tap, out, channels)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def conv_step(state: int, x: int, out: int) -> None:
    """Depthwise dilated taps, pointwise matrix, ReLU, plus the input.

    Words: channels, kernel size, dilation; calls, taps (kernel size, channels; the last is now),
    taps' bias; ring of past frames ((kernel size - 1) dilation + 1, channels), its position,
    filtered, mixed.
    """
    words = i64(state, 10)
    channels, kernel_size, dilation = words[0], words[1], words[2]
    position, filtered, mixed = i64(state + words[7], 1), state + words[8], state + words[9]
    taps, bias = state + words[4], state + words[5]
    filter_frame(x, state + words[6], position[0], taps, bias, filtered, channels, kernel_size, dilation)
    position[0] = (position[0] + 1) % ((kernel_size - 1) * dilation + 1)
    product(state + words[3], 0, filtered, mixed)
    activate(mixed, out, channels, RELU)
    add(x, out, channels)
