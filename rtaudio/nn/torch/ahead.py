"""Hops launched before their samples are there: a GPU waits for them, in place of a thread for its launch.

A launch is a driver's work in many places, 20 us of it in a warm loop and 100 to 200 where the thread slept
since the last hop, as live ones do: more than the 42 us that the hop itself takes (all on an H200). So it is
done between hops, and what is left to do with a hop is to copy samples and write a word
(`rtaudio.kernels.handover`).

As long as a hop waits, so does whatever waits for all of the GPU's work, `torch.cuda.synchronize()` say:
until the next hop comes, or `settle`. So only who asks for it, by `prepare`, has hops wait.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtaudio.kernels.handover import DONE, GO, LAUNCHED, LOW, N_WORDS, hand_over
from rtaudio.nn.torch.cuda import SPIN_S, Runner, wait_until
from rtaudio.stream.stage import Samples

HOPS = 2
"""Launched ahead: one more than the next, so that what follows a late hop is there, too."""
LET_GO_S = 1.0

_all: weakref.WeakSet[Ahead] = weakref.WeakSet()


def settle_all() -> None:
    """Have no hop wait, of any stream: before what waits for all of the GPU's work."""
    for ahead in list(_all):
        ahead.settle()


class Ahead:
    """Hops of a runner that are launched already.

    Another thread may `settle` while one is at work, as `settle_all` does.

    - x, out: what the step reads and fills, contiguous samples in memory that the device sees.
    - active: of the stream, 0 while hops run that have no samples, which then change nothing but where in its
      rings it is.
    - turn_back: called after so many of them.
    """

    def __init__(
        self,
        runner: Runner,
        x: Samples,
        out: Samples,
        active: NDArray[np.float32],
        turn_back: Callable[[int], None],
    ) -> None:
        self._runner, self._x, self._out, self._active, self._turn_back = runner, x, out, active, turn_back
        self._memory: Tensor = torch.zeros(N_WORDS, dtype=torch.int64, pin_memory=torch.cuda.is_available())
        self._words: NDArray[np.int64] = self._memory.numpy()
        self._turn, self._lock = 0, threading.Lock()
        _all.add(self)
        weakref.finalize(self, _let_go, self._words)

    def __len__(self) -> int:
        """How many hops wait."""
        return int(self._words[LAUNCHED]) - self._turn

    def prepare(self) -> None:
        """Launch hops, up to HOPS. Does nothing where the device can't wait."""
        with self._lock:
            while len(self) < HOPS:
                address, turn = self._memory.data_ptr(), int(self._words[LAUNCHED]) + 1
                if not self._runner.launch_ahead(address + 8 * GO, address + 8 * DONE, turn):
                    return
                self._words[LAUNCHED] = turn

    def process(self, x: Samples, out: Samples) -> bool:
        """The next hop, if one waits; whether one did."""
        with self._lock:
            waits = len(self) > 0
            if waits:
                self._process(x, out)
            return waits

    def _process(self, x: Samples, out: Samples) -> None:
        self._turn += 1
        x = np.ascontiguousarray(x, self._x.dtype)
        plain = out.flags.c_contiguous and out.dtype == self._out.dtype
        done = hand_over(
            x.ctypes.data, self._x.ctypes.data, (out if plain else self._out).ctypes.data,
            self._out.ctypes.data, x.nbytes, self._words.ctypes.data, self._turn, round(SPIN_S * 1e9),
        )  # fmt: skip
        if not done:
            wait_until(self._done, spin_s=0)
        if not (done and plain):
            out[...] = self._out.reshape(out.shape)

    def _done(self) -> bool:
        """Whether the hop is done. Raises the device's error where it will never be."""
        done = _done_up_to(self._words, self._turn)
        if not done:
            self._runner.check()
        return done

    def settle(self) -> None:
        """Let no hop wait: those that do are run at once, and change nothing."""
        with self._lock:
            if empty := len(self):
                active = self._active.copy()
                self._active[:] = 0
                self._words[GO] = self._turn = int(self._words[LAUNCHED])
                wait_until(self._done)
                self._active[:] = active
                self._turn_back(empty)


def _done_up_to(words: NDArray[np.int64], turn: int) -> bool:
    return bool(int(words[DONE]) & LOW == turn & LOW)


def _let_go(words: NDArray[np.int64]) -> None:
    """Nobody will say any more when a hop may begin, and its memory is about to be free: run them all."""
    words[GO] = turn = int(words[LAUNCHED])
    ends = time.monotonic() + LET_GO_S
    wait_until(lambda: _done_up_to(words, turn) or time.monotonic() > ends)
