"""A hop to a device that waits for it, and its result back, through words in memory that both see."""

from __future__ import annotations

import numba

from rtaudio.kernels.clock import now_ns
from rtaudio.kernels.memory import JIT, copy_bytes, load_acquire, store_release

GO, LAUNCHED, CLOCK, DONE, N_WORDS = 0, 1, 2, 8, 9
"""int64 words: the hop that may begin, the last one that is launched, two for the clock; and, in a cache line
of its own, the last one that is done."""
LOW = 0xFFFFFFFF  # devices compare and write 32 bits


@numba.njit("boolean(int64, int64, int64, int64, int64, int64, int64, int64)", **JIT)
def hand_over(
    x: int, device_x: int, out: int, device_out: int, n_bytes: int, words: int, turn: int, spin_ns: int
) -> bool:
    """Copy `x` where the device reads, let hop `turn` begin, spin till it is done, and copy it to `out`.

    All but the last three are addresses and a size. False where it was not done in `spin_ns`: `out` is as
    it was, and the hop under way.
    """
    copy_bytes(device_x, x, n_bytes)
    store_release(words + 8 * GO, turn)
    clock = words + 8 * CLOCK
    ends = now_ns(clock) + spin_ns
    while (load_acquire(words + 8 * DONE) & LOW) != (turn & LOW):
        if now_ns(clock) >= ends:
            return False
    copy_bytes(out, device_out, n_bytes)
    return True
