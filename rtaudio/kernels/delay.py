"""Step of a pure delay."""

from __future__ import annotations

import numba

from rtaudio.kernels.memory import STEP, f32, i64


@numba.cfunc(STEP, cache=True, error_model="numpy")
def delay_step(state: int, x: int, out: int) -> None:
    """Words: hop_length, delay, offsets of the position and of the circular history."""
    words = i64(state, 4)
    hop_length, delay = words[0], words[1]
    position, history = i64(state + words[2], 1), f32(state + words[3], delay)
    source, target = f32(x, hop_length), f32(out, hop_length)
    at = position[0]
    for i in range(hop_length):
        newest = source[i]  # read first: x and out may be the same memory
        target[i] = history[at] if delay > 0 else newest
        if delay > 0:
            history[at] = newest
            at = at + 1 if at + 1 < delay else 0
    position[0] = at
