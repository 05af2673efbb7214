"""Resampling by a ratio of whole numbers, up / down: a windowed sinc in `up` phases.

Output n lies at input position n * down / up. A hop of inputs is a whole number of periods of
`down`, so each hop begins at phase 0 and nothing but the samples has to be remembered.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from rtaudio.kernels.mel import dot
from rtaudio.kernels.memory import STEP, f32, i64
from rtaudio.kernels.stft import move_down
from rtaudio.kernels.window import sinc_rows

DELAY, KAISER_BETA = 40, 10.06
"""Half the filter's length, in samples of the lower rate, and -100 dB beyond its transition, which
is then +-8 % of the lower Nyquist frequency about it."""


def polyphase_table(up: int, down: int) -> NDArray[np.float32]:
    """`(up, taps)`: row p, times the latest `taps` inputs, is the output p / up samples after the last.

    That is, the input as it was DELAY samples of the lower rate ago. `taps` is a multiple of 8.
    """
    half_width = DELAY * max(1.0, down / up)
    taps = -(-int(np.ceil(2 * half_width)) // 8) * 8
    offset = np.arange(up)[:, None] / up - half_width + np.arange(taps)[::-1]
    return sinc_rows(offset, half_width, KAISER_BETA, min(1.0, up / down)).astype(np.float32)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def polyphase_step(state: int, x: int, out: int) -> None:
    """Words: hop in, hop out, up, down, taps; offsets of the table and of taps - 1 + hop in samples."""
    words = i64(state, 7)
    hop_in, hop_out, up, down, taps = words[0], words[1], words[2], words[3], words[4]
    table, history = state + words[5], state + words[6]
    move_down(history + 4 * (taps - 1), x, hop_in)
    target, at, phase = f32(out, hop_out), history, 0
    for n in range(hop_out):
        target[n] = dot(table + 4 * taps * phase, at, taps)
        phase += down
        at += 4 * (phase // up)
        phase %= up
    move_down(history, history + 4 * hop_in, taps - 1)
