"""Steps of stages whose work is not in their output."""

from __future__ import annotations

import numba

from rtaudio.kernels.memory import STEP, call_step, copy_bytes, i64
from rtaudio.kernels.ring import ring_push


@numba.cfunc(STEP, cache=True, error_model="numpy")
def listen_step(state: int, x: int, out: int) -> None:
    """Words: size of the input, offsets of the side's (entry, state) and of its output."""
    words = i64(state, 3)
    call = i64(state + words[1], 2)
    call_step(call[0], call[1], x, state + words[2])
    copy_bytes(out, x, 4 * words[0])


@numba.cfunc(STEP, cache=True, error_model="numpy")
def tell_step(state: int, x: int, out: int) -> None:
    """Words: size of the input, offset of (ring, hops lost)."""
    words = i64(state, 2)
    link = i64(state + words[1], 2)
    link[1] += 1 - ring_push(link[0], x, words[0])
    copy_bytes(out, x, 4 * words[0])
