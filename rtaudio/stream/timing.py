"""How long each hop took: native stages from a native loop, Python ones from a Python loop."""

from __future__ import annotations

import bisect
import operator
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.kernels.paced import SCRATCH_WORDS, STOP_WORD, nothing_step, time_hops
from rtaudio.stream.stage import NativeStage, Samples

Floats = NDArray[np.float64]
Marks = NDArray[np.int64]

PERIOD_NS = 10_000_000
"""10 ms, a hop of 480 samples at 48 kHz."""


@dataclass(frozen=True)
class HopTimes:
    """When each hop of a run was due, began, and left each stage.

    - marks: `(n_hops, n_stages + 2)` monotonic ns: due, begun, then the end of each stage.
    - period_ns: time between hops, which is also the deadline after `due`; 0 where hops ran back to back.
    """

    marks: Marks
    period_ns: int

    @property
    def compute_us(self) -> Floats:
        """Begin to end of each hop."""
        return (self.marks[:, -1] - self.marks[:, 1]) / 1000

    @property
    def stage_us(self) -> Floats:
        """`(n_hops, n_stages)`; a row sums to its hop's `compute_us`."""
        return np.diff(self.marks[:, 1:], axis=1) / 1000

    @property
    def response_us(self) -> Floats:
        """Due to end: what the sound waits for, late wake-up and work left over included."""
        return (self.marks[:, -1] - self.marks[:, 0]) / 1000

    @property
    def wake_us(self) -> Floats:
        """How late the thread woke. Hops still held up by the one before tell nothing of that: left out."""
        woken = np.ones(len(self.marks), bool)
        woken[1:] = self.marks[:-1, -1] < self.marks[1:, 0]
        return (self.marks[woken, 1] - self.marks[woken, 0]) / 1000

    @property
    def missed(self) -> NDArray[np.bool_]:
        """Hops that were not done when the next one was due."""
        return self.marks[:, -1] - self.marks[:, 0] > self.period_ns


class NativeTimer:
    """Times native stages in a row, without the interpreter.

    `busy_since`, `so_far` and `stop` are for another thread than the one in `run`.
    """

    def __init__(self, stages: Sequence[NativeStage]) -> None:
        self.stages = tuple(stages)
        self._edges = [np.zeros(stage.out_spec.size, np.float32) for stage in self.stages[:-1]]
        ends = [0, *(int(edge.ctypes.data) for edge in self._edges), 0]
        self._table = np.array(
            [(s.entry, s.arena.address, ends[i], ends[i + 1]) for i, s in enumerate(self.stages)], np.int64
        )
        self._scratch = np.zeros(SCRATCH_WORDS, np.int64)
        self._under_way = HopTimes(_no_marks(0, len(self.stages)), 0)

    def stop(self) -> None:
        self._scratch[STOP_WORD] = 1

    @property
    def busy_since(self) -> float:
        """When the hop under way began, monotonic seconds; 0 between hops."""
        marks = self._under_way.marks
        done = _n_done(marks)
        return float(marks[done, 1]) / 1e9 if done < len(marks) else 0.0

    def so_far(self) -> HopTimes:
        """The hops of the run under way, or of the last one, that were done."""
        marks = self._under_way.marks
        return HopTimes(marks[: _n_done(marks)], self._under_way.period_ns)

    def run(self, x: Samples, n_hops: int, period_ns: int = 0, out: Samples | None = None) -> HopTimes:
        """Time hops over the rows of `x`, again from the first when they are used up.

        Goes on from the stages' state. `out` `(len(x), *out_spec)` keeps what came out.
        """
        if out is None:
            out = np.zeros((len(x), self.stages[-1].out_spec.size), np.float32)
        marks = _no_marks(n_hops, len(self.stages))
        self._under_way = HopTimes(marks, period_ns)
        return _run(self._table, x, out, marks, period_ns, self._scratch)


def _no_marks(n_hops: int, n_stages: int) -> Marks:
    return np.zeros((n_hops, n_stages + 2), np.int64)


def _n_done(marks: Marks) -> int:
    """How many of the rows are filled to the end, while native code fills one after the other."""
    return bisect.bisect_left(range(len(marks)), True, key=lambda k: marks[k, -1] == 0)


def _run(
    table: NDArray[np.int64],
    x: Samples,
    out: Samples,
    marks: Marks,
    period_ns: int,
    scratch: NDArray[np.int64],
) -> HopTimes:
    """Time a chain of `table` rows over the rows of `x` and `out`, a hop for each row of `marks`."""
    done = time_hops(
        table.ctypes.data, len(table),
        x.ctypes.data, x.strides[0], out.ctypes.data, out.strides[0], len(x),
        marks.ctypes.data, len(marks), period_ns, scratch.ctypes.data,
    )  # fmt: skip
    return HopTimes(marks[:done], period_ns)


def time_stage(stage: NativeStage, x: Samples, period_ns: int = 0) -> tuple[Floats, Samples]:
    """Microseconds of each hop of x `(n, *in_spec.shape)`, and the output, from a fresh state."""
    stage.reset()
    out = np.zeros((len(x), *stage.out_spec.shape), np.float32)
    return NativeTimer([stage]).run(x, len(x), period_ns, out).compute_us, out


def time_entry(entry: int, state: int, x: Samples, out: Samples, period_ns: int = 0) -> Floats:
    """Call the compiled `entry(state, row of x, row of out)` for each row; microseconds of each."""
    table, scratch = np.array([[entry, state, 0, 0]]), np.zeros(SCRATCH_WORDS, np.int64)
    return _run(table, x, out, _no_marks(len(x), 1), period_ns, scratch).compute_us


class CallTimer:
    """Times Python calls in a row, hop by hop, as `NativeTimer` does native stages.

    - calls: each is called as `call(k)` for hops k = 0, 1, … of a run.
    - check: called after each hop, outside its time; raises where what came out can't be used.
    - begin: called first on the thread of each run.

    What any of them raises ends the run and is kept in `error`. `busy_since`, `so_far` and `stop` are
    for another thread, which alone can tell that a call hangs.
    """

    def __init__(
        self,
        calls: Sequence[Callable[[int], object]],
        check: Callable[[int], None] = lambda k: None,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self.error: Exception | None = None
        self._calls, self._check, self._begin, self._stopped = tuple(calls), check, begin, False
        self._marks, self._period_ns, self._done = np.zeros((0, len(calls) + 2), np.int64), 0, 0

    def stop(self) -> None:
        self._stopped = True

    @property
    def busy_since(self) -> float:
        """When the hop under way began, monotonic seconds; 0 between hops."""
        marks, k = self._marks, self._done
        under_way = k < len(marks) and marks[k, 1] and not marks[k, -1]
        return float(marks[k, 1]) / 1e9 if under_way else 0.0

    def so_far(self) -> HopTimes:
        """The hops of the run under way, or of the last one, that were done."""
        return HopTimes(self._marks[: self._done], self._period_ns)

    def run(self, n_hops: int, period_ns: int = 0) -> HopTimes:
        """Time hops on `period_ns`'s schedule; fewer than asked for where `error` says why, or `stop`."""
        self.error, self._done, self._period_ns = None, 0, period_ns
        self._marks = np.zeros((n_hops, len(self._calls) + 2), np.int64)
        try:
            self._begin()
            self._go(n_hops, period_ns)
        except Exception as error:
            self.error = error
        finally:
            self._marks = self._marks[: self._done]
        return self.so_far()

    def _go(self, n_hops: int, period_ns: int) -> None:
        clock, calls, check = time.monotonic_ns, self._calls, self._check
        marks, width = self._marks.reshape(-1).data, len(calls) + 2  # written faster than an array
        due, k = clock(), 0
        while k < n_hops and not self._stopped:
            at, due = k * width, due + period_ns
            while period_ns and (left_s := (due - clock()) / 1e9) > 0:
                time.sleep(left_s)
            marks[at + 1] = begun = clock()
            for i, call in enumerate(calls, at + 2):
                call(k)
                marks[i] = clock()
            marks[at] = due if period_ns else begun
            check(k)
            self._done = k = k + 1


class DueTimer(CallTimer):
    """Times a call that sleeps until its hop is due by itself, and tells when it began and was done.

    - call: `call(k, due_ns) -> (begun, done)`, monotonic ns; due_ns is 0 where hops run back to back.
    """

    def __init__(self, call: Callable[[int, int], tuple[int, int]], **options: Any) -> None:
        super().__init__([lambda k: None], **options)
        self._call = call

    def _go(self, n_hops: int, period_ns: int) -> None:
        due = time.monotonic_ns()
        while self._done < n_hops and not self._stopped:
            k, due = self._done, due + period_ns
            self._marks[k, 1] = due if period_ns else time.monotonic_ns()  # should it hang
            begun, done = self._call(k, due if period_ns else 0)
            self._marks[k] = due if period_ns else begun, begun, done
            self._check(k)
            self._done += 1


def time_calls(
    calls: Sequence[Callable[[int], object]], n_hops: int, period_ns: int = 0, **options: Any
) -> HopTimes:
    """Make the calls `call(k)` one after the other for hops k = 0 .. n_hops - 1, timed as native ones are.

    `options` are those of `CallTimer`.
    """
    return finished(CallTimer(calls, **options), n_hops, period_ns)


def finished(timer: CallTimer, n_hops: int, period_ns: int = 0) -> HopTimes:
    """A whole run of `timer`. Raises what ended it."""
    times = timer.run(n_hops, period_ns)
    if timer.error is not None:
        raise timer.error
    return times


def time_python(step: Callable[[int], object], n: int, period_ns: int = 0) -> Floats:
    """Call `step(k)` for k = 0 .. n - 1 on that schedule; microseconds of each."""
    return time_calls([step], n, period_ns).compute_us


def overhead_ns(n_stages: int, n_hops: int = 1000) -> float:
    """What timing costs a hop of `n_stages`: the whole loop around steps that do nothing.

    The least of some runs, since whatever interrupts one is not the timing's cost.
    """
    table = np.array([[nothing_step.address, 0, 0, 0]] * n_stages, np.int64)
    scratch, silence = np.zeros(SCRATCH_WORDS, np.int64), np.zeros((1, 1), np.float32)
    return _least_ns(lambda: _run(table, silence, silence, _no_marks(n_hops, n_stages), 0, scratch))


def call_overhead_ns(n_calls: int, n_hops: int = 1000) -> float:
    """As `overhead_ns`, of `CallTimer`: the interpreter's part in it included."""
    return _least_ns(lambda: time_calls([operator.index] * n_calls, n_hops))  # the least a call can do


def _least_ns(run: Callable[[], HopTimes]) -> float:
    """Least time from hop to hop of five runs, ns."""
    runs = [run().marks for _ in range(5)]
    return float(min((marks[-1, 1] - marks[0, 1]) / (len(marks) - 1) for marks in runs))
