"""Step of a gain that never jumps."""

from __future__ import annotations

import numba
import numpy as np

from rtaudio.kernels.memory import STEP, f32, i64


@numba.cfunc(STEP, cache=True, error_model="numpy")
def gain_step(state: int, x: int, out: int) -> None:
    """Words: hop_length, offsets of gain_db (parameter) and of the last gain used.

    A hop ramps linearly from the gain the last one ended with: a jump would be heard as a click,
    and a row of them as zipper noise. NaN stands for "nothing yet", so the first hop has the
    gain asked for from its first sample on.
    """
    words = i64(state, 3)
    hop_length, last = words[0], f32(state + words[2], 1)
    source, target = f32(x, hop_length), f32(out, hop_length)
    gain = np.float32(10.0 ** (f32(state + words[1], 1)[0] / 20.0))
    start = gain if np.isnan(last[0]) else last[0]
    slope = (gain - start) / np.float32(hop_length)
    for i in range(hop_length):
        target[i] = source[i] * (start + slope * np.float32(i + 1))
    last[0] = gain
