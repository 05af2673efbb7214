"""Stages that need Python, behind a deadline: a late hop is stood in for, and never stalls the sound."""

from __future__ import annotations

import copy
import threading
from fractions import Fraction
from typing import Self

import numpy as np

from rtaudio.errors import ConfigError
from rtaudio.kernels import worker as k
from rtaudio.kernels.ring import Ring
from rtaudio.stream.arena import Arena
from rtaudio.stream.lost import give_up
from rtaudio.stream.stage import NativeStage, Samples, Stage

QUEUE_HOPS = 8  # handed over and not yet taken, with one of delay; more would only be processed to be dropped
GIVE_UP_S = 10.0  # a hop under way that long after it was told to end won't
IDLE_S = 5e-4  # how long the worker sleeps when there is no hop: 1/20 of one of 10 ms


class WorkerStage(NativeStage):
    """Runs any Python stage (torch, ONNX Runtime, plain numpy) beside the live path. Not GIL-free.

    The hop goes to a worker thread through one ring and comes back through another,
    `delay_hops` later; that is the time the stage has, where hops come one by one. The native step
    that stands in the pipeline for it never waits. Offline, `process` does the work at once, so the
    result is the same as live whenever the worker is in time.

    A stage that raises ends its worker, not the stream: dry sound goes on, and `failure` says why.
    One with a method `abort` is told to give up when the worker shall stop. One with methods `prepare` and
    `settle` has the first called when all hops that came are done, and the second when the worker ends, both
    on its thread. One with an attribute `hop` finds the number of its hop there: hops that were too many for
    it count as well, and where the engine resets the pipeline in mid-stream, the count goes on. One with a
    method `serve` is first asked to take hops from ring to ring itself, one a call, in compiled code that
    waits for them: `serve(hops, results, frames) -> bool`, False where nothing came or Python must do it.

    - hops_at_once: the longest burst of hops that `delay_hops` allows for. The hops of a burst are run in
      a row, so a result of the same burst, asked for there, is always late. `in_bursts` allows for more.
    - spare: a native stage that does the same. It costs nothing until a hop is late: then it
      starts, new, and soon stands in for late hops (`rtaudio.kernels.worker`), where without it,
      and until then, the dry sound does.

    Raises ConfigError where the stage does not take and give hops of the same length, the spare
    differs from it in that or in latency, or `hops_at_once` is below 1 or above `delay_hops`.
    """

    def __init__(
        self, stage: Stage, delay_hops: int = 1, spare: NativeStage | None = None, hops_at_once: int = 1
    ) -> None:
        if stage.in_spec != stage.out_spec or len(stage.in_spec.shape) != 1:
            raise ConfigError(
                f"a worker's stage takes and gives hops of samples, "
                f"not {stage.in_spec.shape} -> {stage.out_spec.shape}"
            )
        if delay_hops < 1:
            raise ConfigError(f"delay_hops={delay_hops} must be at least 1")
        if not 1 <= hops_at_once <= delay_hops:
            raise ConfigError(f"hops_at_once={hops_at_once} must be from 1 to delay_hops={delay_hops}")
        if spare is not None and (spare.in_spec, spare.latency) != (stage.in_spec, stage.latency):
            raise ConfigError(
                f"a spare of hop {spare.in_spec.size} and latency {spare.latency} can't stand in for "
                f"a stage of {stage.in_spec.size} and {stage.latency}"
            )
        self.inner, self.delay_hops, self.hops_at_once = stage, delay_hops, hops_at_once
        self.children = () if spare is None else (spare,)
        (hop,) = stage.in_spec.shape
        latency = stage.latency + delay_hops * hop
        self._in, self._out = (Ring(_room(hop, delay_hops)) for _ in range(2))
        history = 1 << (latency + 2 * hop).bit_length()
        words = (hop, delay_hops, latency, history, self._in.address, self._out.address)
        sizes = {
            "history": history,
            "frame": hop + 1,
            "pending": hop + 1,
            "stand_in": hop,
            "spare_hop": 2 * hop,
            "edge": 2,
        }
        state: dict[str, np.ndarray] = {name: np.zeros(size, np.float32) for name, size in sizes.items()}
        state["flags"] = np.zeros(k.N_FLAGS, np.int64)
        state["flags"][k.WAS_RESET] = 1
        constants = {"counts": np.zeros(3, np.int64), "spare": np.zeros(k.N_SPARE, np.int64)}
        arena = Arena(words, constants=constants, state=state)
        arena["flags"][k.WAS_RESET] = 0  # set only where the engine puts the initial state back
        super().__init__(k.worker_step.address, arena, stage.in_spec, stage.out_spec, latency)
        self._bind()
        self._frames = np.zeros((2, hop + 1), np.float32)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.failure: Exception | None = None
        self._hop = 0

    def process(self, x: Samples, out: Samples) -> None:
        super().process(x, out)
        self.work_off()

    def work_off(self) -> None:
        self._work_off()

    def reset(self) -> None:
        super().reset()
        self.inner.reset()
        self._hop = 0
        self.arena["counts"][:] = 0
        self.arena["flags"][k.WAS_RESET] = 0
        for ring in (self._in, self._out):
            ring.words[1:] = 0

    def clone(self) -> Self:
        """An independent stage that goes on from this one's state; the inner stage is deep-copied."""
        spare = self.children[0].clone() if self.children else None
        other = type(self)(copy.deepcopy(self.inner), self.delay_hops, spare, self.hops_at_once)
        for mine, its in zip(self._own_memory(), other._own_memory(), strict=True):
            its[:] = mine
        return other

    def in_bursts(self, hops: int) -> NativeStage:
        more = hops - self.hops_at_once
        if more <= 0:
            return self
        spare = self.children[0] if self.children else None
        return WorkerStage(self.inner, self.delay_hops + more, spare, hops)

    @property
    def worker_latency(self) -> Fraction:
        return Fraction(self.delay_hops * self.in_spec.size)

    def _bind(self) -> None:
        for spare in self.children:
            self._resets = np.array([arena.reset_copy for arena in spare.arenas()], np.int64)
            resets = self._resets.ctypes.data, len(self._resets)
            self.arena["spare"][:] = spare.entry, spare.arena.address, *resets

    def _own_memory(self) -> list[np.ndarray]:
        rings = [ring.bytes for ring in (self._in, self._out)]
        return [self.arena.state_bytes, self.arena["counts"].view(np.uint8), *rings]

    def remembered(self) -> list[np.ndarray]:
        """What is in the queues, too, and what the inner stage remembers.

        Raises ConfigError where that can't be told: a Python stage without a method `remembered`, as a
        native one has, keeps its state where it likes.
        """
        if hasattr(self.inner, "remembered") and not isinstance(self.inner, NativeStage):
            return [*self._own_memory(), *self.inner.remembered()]
        if not isinstance(self.inner, NativeStage):
            raise ConfigError(f"the state of a {type(self.inner).__name__} in a worker can't be saved")
        inner = [part for stage in self.inner.walk() for part in stage.remembered()]
        return [*self._own_memory(), *inner]

    @property
    def late_hops(self) -> int:
        """Hops whose result was not there in time."""
        return int(self.arena["counts"][k.N_LATE])

    @property
    def spare_hops(self) -> int:
        """How many of the late hops the spare stood in for."""
        return int(self.arena["counts"][k.N_STOOD_IN])

    def start(self) -> None:
        """Begin to work in a thread; the engine calls this."""
        self._stop = threading.Event()
        self.failure = None
        self._thread = threading.Thread(
            target=self._run, args=(self._stop,), name="rtaudio-worker", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        getattr(self.inner, "abort", lambda: None)()
        if self._thread is not None:
            self._thread.join(GIVE_UP_S)
            if self._thread.is_alive():
                give_up(self._thread)
            self._thread = None

    def _run(self, stop: threading.Event) -> None:
        try:
            prepare = getattr(self.inner, "prepare", _nothing)
            serve = getattr(self.inner, "serve", _serve_none)
            prepare()
            while not stop.is_set():
                if serve(self._in, self._out, self._frames) or self._work_off():
                    prepare()
                else:
                    stop.wait(IDLE_S)
            getattr(self.inner, "settle", _nothing)()
        except Exception as error:
            if not stop.is_set():
                self.failure = error

    def _work_off(self) -> bool:
        """Process what has been handed over; False where there was nothing."""
        frame, result = self._frames
        worked = False
        while self._in.pull(frame):
            if frame[0] < 0:  # the engine has reset the pipeline
                self.inner.reset()
                frame[0] = -1 - frame[0]
            result[0] = frame[0]
            self._hop += (int(frame[0]) - self._hop) % k.TAGS
            if hasattr(self.inner, "hop"):
                self.inner.hop = self._hop
            self.inner.process(frame[1:], result[1:])
            self._out.push(result)
            worked = True
        return worked


def _nothing() -> None:
    pass


def _serve_none(hops: Ring, results: Ring, frames: Samples) -> bool:
    return False


def _room(hop_length: int, delay_hops: int) -> int:
    return int(1 << ((QUEUE_HOPS - 1 + delay_hops) * (hop_length + 1)).bit_length())
