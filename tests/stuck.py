"""A native stage that no longer comes back, as a broken kernel would, spinning without the lock of Python."""

import numba
import numpy as np

from rtaudio.kernels.memory import STEP, copy_bytes, i64, load_acquire
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import NativeStage, Spec


@numba.cfunc(STEP, error_model="numpy")
def stuck_step(state, x, out):
    """Words: size, hop to stick at, offsets of (freed) and (hops)."""
    words = i64(state, 4)
    hops = i64(state + words[3], 1)
    copy_bytes(out, x, 4 * words[0])
    while hops[0] == words[1] and load_acquire(state + words[2]) == 0:
        pass
    hops[0] += 1


class Stuck(NativeStage):
    """Passes what it gets, and at hop `at` sticks until `free` is called."""

    def __init__(self, size, at):
        arena = Arena((size, at), params={"freed": 0}, state={"hops": np.zeros(1, np.int64)})
        super().__init__(stuck_step.address, arena, Spec((size,)), Spec((size,)))

    def free(self):
        self.arena["freed"] = 1
