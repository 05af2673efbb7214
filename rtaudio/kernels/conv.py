"""Causal convolution over time, one frame at a time."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from rtaudio.kernels.dense import product
from rtaudio.kernels.memory import INLINE, JIT, STEP, i64
from rtaudio.kernels.simd import load, splat16, store
from rtaudio.kernels.vectors import add_product, add_relu


@numba.njit(**INLINE)
def filter_frame(x: int, begun: int, taps: int, bias: int, out: int, channels: int, kernel_size: int) -> None:
    """End the sum of taps that frame `x` belongs to, into `out`, and go on with those of frames to come.

    The transposed form (Oppenheim and Schafer, "Discrete-Time Signal Processing", section 6.4): what is kept
    are sums, not frames, so `out` waits for one product alone, and three taps read two rows of the past
    and write them in place, where past frames would be three rows of a longer ring.

    - begun: `(kernel_size - 1, channels)`, sums for this frame, for the one `dilation` later and so on.
    - taps: `(kernel_size, channels)`, the last for `x`; bias `(channels,)`, which a sum begins with.
    """
    one, row = np.float32(0), 4 * channels
    if kernel_size == 3:
        whole = channels // 16 * 64
        for at in range(0, whole, 64):
            _three_taps(splat16(one), x + at, begun + at, taps + at, bias + at, out + at, row)
        for at in range(whole, row, 4):
            _three_taps(one, x + at, begun + at, taps + at, bias + at, out + at, row)
        return
    target, tap = out, taps + row * (kernel_size - 1)
    for _ in range(kernel_size - 1):
        add_product(begun, x, tap, target, channels)
        target, begun, tap = begun, begun + row, tap - row
    add_product(bias, x, tap, target, channels)


@numba.njit(**JIT)
def _three_taps(like: Any, x: int, begun: int, taps: int, bias: int, out: int, row: int) -> None:
    """`filter_frame` for the channels of one `like`, at once: 6 ns less for 96 than tap by tap."""
    value = load(x, like)
    store(out, load(begun, like) + value * load(taps + 2 * row, like))
    store(begun, load(begun + row, like) + value * load(taps + row, like))
    store(begun + row, load(bias, like) + value * load(taps, like))


@numba.cfunc(STEP, cache=True, error_model="numpy")
def conv_step(state: int, x: int, out: int) -> None:
    """Depthwise dilated taps, pointwise matrix, ReLU, plus the input.

    Words: channels, kernel size, dilation; calls, taps (kernel size, channels; the last is now), taps' bias;
    position in the ring, filtered, mixed; ring of sums begun (dilation, kernel size - 1, channels). It is
    last: what every step touches lies together, and a first-level cache that is almost full keeps it.
    """
    words = i64(state, 10)
    channels, kernel_size, dilation = words[0], words[1], words[2]
    position, filtered, mixed = i64(state + words[6], 1), state + words[7], state + words[8]
    taps, bias = state + words[4], state + words[5]
    begun = state + words[9] + 4 * channels * (kernel_size - 1) * position[0]
    filter_frame(x, begun, taps, bias, filtered, channels, kernel_size)
    position[0] = position[0] + 1 if position[0] < dilation - 1 else 0
    product(state + words[3], 0, filtered, mixed)
    add_relu(x, mixed, out, channels)
