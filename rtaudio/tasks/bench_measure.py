"""Backends timed in turn; one that fails or hangs is named, and what it and the others did is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from rtaudio.engine.priority import PriorityResult, raise_priority
from rtaudio.errors import RtaudioError
from rtaudio.nn.onnx.hang_guard import LIMIT_S
from rtaudio.stream.lost import give_up
from rtaudio.tasks.bench_backends import Backend
from rtaudio.tasks.bench_summary import Runs
from rtaudio.tasks.energy import EnergyMeter

ROUNDS = 10
"""Turns each backend gets. Trouble that lasts a while then hits all of them, and whole turns can be
drawn again when a comparison asks how sure it is: hops of one turn are not independent."""
WARM_HOPS = 100
"""Back to back at the start of each turn; also what brings code and buffers to where they stay."""
WARM_S = 0.5
"""Most of a turn's time that goes into them, once it is known how long they take."""
POLL_S = 0.1
"""How often the waiting thread looks for Ctrl-C and moves the progress bar."""
HANG_S = 2 * LIMIT_S
"""A hop under way for that long is given up; a model with a guard of its own was ended by it before."""

Progress = Callable[[float], None]
"""Called with the share that is done, 0..1."""

Turns = list[tuple[Backend, Runs, int]]
"""Who is next, and for how many hops at live pace."""


class Measurement:
    """Times backends in turn on a thread of its own, at the priority the live engine would have.

    - subjects: backends, each with the ns between its hops.
    - seconds: paced time in all, shared out evenly.
    - rounds: turns each gets.
    """

    def __init__(
        self,
        subjects: Sequence[tuple[Backend, int]],
        seconds: float,
        hang_s: float = HANG_S,
        rounds: int = ROUNDS,
    ) -> None:
        self.runs = [Runs(b.name, b.gil_free, b.stages, period_ns) for b, period_ns in subjects]
        self.priority = PriorityResult(reason="not asked for")
        self._subjects, self._hang_s, self._rounds, self._stopped = subjects, hang_s, rounds, False
        self._error: Exception | None = None
        share_ns = seconds * 1e9 / (rounds * len(subjects))
        self._hops = [max(1, round(share_ns / period_ns)) for _, period_ns in subjects]
        paced_ns = [hops * period_ns for hops, (_, period_ns) in zip(self._hops, subjects, strict=True)]
        self._seconds, self._energy = rounds * sum(paced_ns) / 1e9, EnergyMeter()

    def run(self, progress: Progress = lambda share: None, wanted: Callable[[], bool] = lambda: True) -> bool:
        """Measure until done, or until `wanted` says no; False in that case, with what there is kept."""
        begun = time.monotonic()
        backends = [backend for backend, _ in self._subjects]
        turns: Turns = list(zip(backends, self.runs, self._hops, strict=True)) * self._rounds
        while turns and not self._stopped:
            thread = threading.Thread(target=self._take, args=(turns,), daemon=True)
            thread.start()
            left = turns
            while thread.is_alive() and left is turns:
                if not wanted():
                    self.stop()
                progress(min((time.monotonic() - begun) / self._seconds, 1.0))
                thread.join(POLL_S)
                left = self._without_hung(turns)
            if left is not turns:
                give_up(thread)
            turns = left
        if self._error is not None:
            raise self._error
        return not self._stopped

    def stop(self) -> None:
        self._stopped = True
        for backend, _ in self._subjects:
            backend.stop()

    def _take(self, turns: Turns) -> None:
        try:
            self.priority = raise_priority([threading.get_native_id()])
            while turns and not self._stopped:
                backend, runs, hops = turns[0]
                if not runs.failure:
                    self._turn(backend, runs, hops)
                del turns[:1]
        except Exception as error:  # nobody foresaw; told by the thread that waits
            self._error = error
            self.stop()

    def _turn(self, backend: Backend, runs: Runs, hops: int) -> None:
        for n, period_ns in ((WARM_HOPS, 0), (hops, runs.period_ns)):
            n = _in_time(runs, n, period_ns)
            before, used = self._energy.joules(), time.thread_time()
            times = backend.run(n, period_ns)
            if runs.failure:  # given up meanwhile, by the thread that waits
                return
            runs.keep(times)
            if period_ns:
                runs.cpu_s += time.thread_time() - used
                runs.energy_j = _spent(runs.energy_j, before, self._energy.joules())
            if backend.error is not None:
                runs.failure = _words(backend.error, _hops(runs))
                return

    def _without_hung(self, turns: Turns) -> Turns:
        """The same turns; or, where the hop under way hangs, those of the others, to go on with.

        The thread that hangs can't be ended, and is given up. It finds nothing left to do, should it
        ever come back. (A hop that hangs with the interpreter's lock would stop this thread, too; no
        model's does: ONNX Runtime, torch and our own kernels let go of it.)
        """
        first = turns[:1]  # in one go: the other thread takes turns away
        if not first:
            return turns
        ((backend, runs, _),) = first
        since = backend.busy_since
        if not since or time.monotonic() - since < self._hang_s:
            return turns
        runs.keep(backend.so_far())
        runs.failure = f"hop {_hops(runs)} was not done after {self._hang_s:g} s"
        backend.stop()
        others = [turn for turn in turns if turn[0] is not backend]
        turns.clear()
        return others


def _in_time(runs: Runs, n: int, period_ns: int) -> int:
    """So many hops, or, of what can't keep up, as many as take no longer than they should."""
    if not runs.warm:
        return n
    hop_s = float(np.median(runs.warm[-1].compute_us)) / 1e6
    allowed_s = n * period_ns / 1e9 if period_ns else WARM_S
    return max(1, min(n, int(allowed_s / max(hop_s, 1e-9))))


def _hops(runs: Runs) -> int:
    return sum(len(times.marks) for times in (*runs.warm, *runs.paced))


def _words(error: Exception, hop: int) -> str:
    """What a model itself says of its end, or what Python does."""
    if isinstance(error, RtaudioError):
        return str(error)
    return f"failed at hop {hop}: {type(error).__name__}: {' '.join(str(error).split())}"


def _spent(total: float | None, before: float | None, after: float | None) -> float | None:
    if before is None or after is None:
        return None
    return (total or 0.0) + after - before
