"""Hops launched before their samples are there: a GPU waits for them, in place of a thread for its launch.

A launch is a driver's work in many places, 20 us of it in a warm loop and 100 to 200 where the thread slept
since the last hop, as live ones do: more than the 42 us that the hop itself takes (all on an H200). So it is
done between hops, and what is left to do with a hop is to copy samples and write a word, in compiled code
(`rtaudio.kernels.handover`): a few lines of Python, run once in 10 ms, would take as long as the hop.

As long as a hop waits, so does whatever waits for all of the GPU's work, `torch.cuda.synchronize()` say:
until the next hop comes, or `settle`. So only who asks for it, by `prepare`, has hops wait.
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtaudio.kernels import handover as k
from rtaudio.kernels.ring import Ring
from rtaudio.nn.torch.cuda import SPIN_S, Runner, wait_until
from rtaudio.stream.stage import Samples
from rtaudio.stream.worker import IDLE_S

HOPS = 4
"""Launched ahead: more than the next, so that a thread kept from launching for a while costs none."""
LET_GO_S = 1.0
SERVE_S = 0.02
"""How long a worker waits for a hop before it looks whether it shall stop."""

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
        self._memory: Tensor = torch.zeros(k.N_WORDS, dtype=torch.int64, pin_memory=torch.cuda.is_available())
        self._words: NDArray[np.int64] = self._memory.numpy()
        self._address = int(self._memory.data_ptr())
        self._words[k.DEVICE_X], self._words[k.DEVICE_OUT] = x.ctypes.data, out.ctypes.data
        self._words[k.N_BYTES], self._words[k.SPIN_NS] = x.nbytes, round(SPIN_S * 1e9)
        self._serves = x.dtype == np.float32 and len(x) == 1
        _all.add(self)
        weakref.finalize(self, _let_go, self._words)

    def __len__(self) -> int:
        """How many hops wait."""
        return int(self._words[k.LAUNCHED] - self._words[k.TURN])

    def prepare(self) -> None:
        """Launch hops, up to HOPS. Does nothing where the device can't wait."""
        with self._locked():
            while len(self) < HOPS:
                turn = int(self._words[k.LAUNCHED]) + 1
                if not self._runner.launch_ahead(self._address + 8 * k.GO, self._address + 8 * k.DONE, turn):
                    return
                self._words[k.LAUNCHED] = turn

    def process(self, x: Samples, out: Samples, due_ns: int = 0) -> tuple[int, int] | None:
        """The next hop, if one waits, at `due_ns` of the monotonic clock: when it began and ended."""
        x = np.ascontiguousarray(x, self._x.dtype)
        plain = out if out.flags.c_contiguous and out.dtype == self._out.dtype else np.empty_like(self._out)
        became = k.hand_over(self._address, x.ctypes.data, plain.ctypes.data, due_ns)
        if became == k.LATE:
            self._wait_on(plain)
        if became != k.NOTHING and plain is not out:
            out[...] = plain.reshape(out.shape)
        return None if became == k.NOTHING else (int(self._words[k.BEGUN]), int(self._words[k.ENDED]))

    def serve(self, hops: Ring, results: Ring, frames: Samples) -> bool:
        """The next of a worker's hops, from ring to ring, if one comes in SERVE_S and one waits for it here.

        - frames `(2, 1 + hop_length)`: room for a hop and its result, each behind its tag.
        """
        if not self._serves:
            return False
        became = k.serve_hop(
            self._address, hops.address, results.address, frames.ctypes.data,
            time.monotonic_ns() + round(SERVE_S * 1e9), round(IDLE_S * 1e6),
        )  # fmt: skip
        if became == k.LATE:
            self._wait_on(frames[1, 1:])
            results.push(frames[1])
        return bool(became != k.NOTHING)

    def _wait_on(self, out: Samples) -> None:
        """For a hop that took longer than to spin for; then let go of the lock. Raises the device's error
        where it will never be done."""
        try:
            wait_until(self._done, spin_s=0)
            out[...] = self._out.reshape(out.shape)
            self._words[k.ENDED] = time.monotonic_ns()
        finally:
            k.unlock(self._address)

    def _done(self) -> bool:
        done = bool(k.is_done(self._address))
        if not done:
            self._runner.check()
        return done

    def settle(self) -> None:
        """Let no hop wait: those that do are run at once, and change nothing."""
        with self._locked():
            if empty := len(self):
                active = self._active.copy()
                self._active[:] = 0
                _run_all(self._words)
                wait_until(self._done)
                self._active[:] = active
                self._turn_back(empty)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        k.lock(self._address)
        try:
            yield
        finally:
            k.unlock(self._address)


def _run_all(words: NDArray[np.int64]) -> None:
    """Let all begin that wait."""
    words[k.GO] = words[k.TURN] = words[k.LAUNCHED]


def _let_go(words: NDArray[np.int64]) -> None:
    """Nobody will say any more when a hop may begin, and its memory is about to be free: run them all."""
    _run_all(words)
    ends = time.monotonic() + LET_GO_S
    wait_until(lambda: bool(k.is_done(words.ctypes.data)) or time.monotonic() > ends)
