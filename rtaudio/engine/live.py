"""The live path: a device on one side, a stage on the other, and nothing of Python between."""

from __future__ import annotations

import math
import threading
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from rtaudio.devices.base import Device
from rtaudio.dsp.resample import MOST_HOPS, at_rate, hops_at_once
from rtaudio.engine.budget import LatencyBudget, plan_budget
from rtaudio.engine.memory import LiveMemory
from rtaudio.engine.priority import PriorityResult, audio_threads, raise_priority, thread_ids
from rtaudio.errors import ConfigError, ModelError, RateError, RtaudioError
from rtaudio.kernels import live as w
from rtaudio.kernels.engine_loop import BINS_PER_OCTAVE, FIRST_OCTAVE, engine_run
from rtaudio.stream.stage import NativeStage
from rtaudio.stream.stats import StreamStats
from rtaudio.stream.worker import WorkerStage


class Tap(Protocol):
    """Where both ends of the engine can be listened to: two rings, by address."""

    @property
    def in_address(self) -> int: ...

    @property
    def out_address(self) -> int: ...

    def end(self, reason: str) -> None:
        """No more will come."""
        ...


class LiveEngine:
    """Runs `stage` between a device's microphone and its loudspeaker.

    A device without `out_channels` is a microphone alone: what the stage gives is not played, a
    late hop is late for nobody, and a backlog is worked off rather than given up.

    Where the plan says that blocks come in bursts, the engine's `stage` has Python workers with time for
    that in place of those in the stage it was given (`NativeStage.in_bursts`).

    Python builds, starts, stops, controls and looks; the sound itself is moved by compiled code
    that never takes the interpreter's lock. Use it as a context manager, or `start` and `stop`.

    Raises ConfigError where the stage is not hop-in, hop-out, and whatever the device raises.
    """

    def __init__(
        self,
        stage: NativeStage,
        device: Device,
        plan: LatencyBudget | None = None,
        *,
        tap: Tap | None = None,
    ) -> None:
        if stage.in_spec != stage.out_spec or len(stage.in_spec.shape) != 1:
            raise ConfigError(
                f"a live stage takes and gives hops of samples, "
                f"not {stage.in_spec.shape} -> {stage.out_spec.shape}"
            )
        self.device = device
        self.plan = plan or plan_budget(stage, device.sample_rate, block=device.block, duplex=device.duplex)
        if self.plan.block != device.block:
            raise ConfigError(f"the plan's block of {self.plan.block} is not the device's of {device.block}")
        if (self.plan.bridge == 0) != device.duplex:
            raise ConfigError(
                "the plan and the device differ in duplex: plan_budget(..., duplex=device.duplex)"
            )
        self._made_for, self._tap = (stage, self.plan), tap
        self.stage = stage.in_bursts(self.plan.hops_at_once)
        self._memory = LiveMemory(self.stage, device, self.plan)
        self._words, self._reals = self._memory.words, self._memory.reals
        self._retired: list[LiveMemory] = []
        if tap is not None:
            self._words[[w.TAP_IN, w.TAP_OUT]] = tap.in_address, tap.out_address
        self._thread: threading.Thread | None = None
        self._restarts = 0
        self.priority = PriorityResult(reason="not running yet")
        self._workers = _workers_in(self.stage)
        if self._workers and self._words[w.VIRTUAL]:
            raise ConfigError("a stage with a Python worker needs a device on the real clock")

    @property
    def gil_free(self) -> bool:
        """Whether the whole path is native: no stage that needs a Python worker."""
        return not self._workers

    @property
    def failure(self) -> RtaudioError | None:
        """What made a Python worker give up that has no spare: the dry sound is heard in its place."""
        for worker in self._workers:
            error = worker.failure
            if error is not None and not worker.children:
                what = f"{type(worker.inner).__name__} failed: {type(error).__name__}: {error}"
                return error if isinstance(error, RtaudioError) else ModelError(what)
        return None

    def start(self) -> None:
        """Open the device and let sound flow. Raises DeviceError where it can't be opened."""
        self.device.open(self._memory.callbacks)
        self._words[w.RUN] = 1
        for worker in self._workers:
            worker.start()
        before = thread_ids()  # workers of Python code stay at ordinary priority
        if not self._words[w.VIRTUAL]:  # the virtual clock runs the engine itself
            self._thread = threading.Thread(
                target=engine_run, args=(self._memory.callbacks.memory,), name="rtaudio-engine", daemon=True
            )
            self._thread.start()
        try:
            self.device.start()
        except BaseException:
            self.stop()
            raise
        if not self._words[w.VIRTUAL]:
            self.priority = raise_priority(audio_threads(before))

    def stop(self) -> None:
        """Stop and close the device, then the engine. Does nothing where it has stopped."""
        self.device.stop()
        self._words[w.RUN] = 0
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        for worker in self._workers:
            worker.stop()
        self.device.close()

    def restart(self) -> None:
        """Close and reopen the device, with all sound forgotten and a fade-in. For a lost device.

        Where it runs at another rate by now, the stage is put between resamplers, and a tap ends.
        Raises DeviceError where it can't be opened, RateError where no rate of its serves.
        """
        self.stop()
        self._memory.start_afresh()
        self.stage.reset()
        try:
            self.start()
        except RateError as error:
            self._change_rate(error)
            self.start()
        self._restarts += 1

    def _change_rate(self, error: RateError) -> None:
        """Go on at the first of the device's rates at which a few hops are whole; counters go on too."""
        stage, plan = self._made_for
        serving = (r for r in error.rates if hops_at_once(stage, plan.sample_rate, r) <= MOST_HOPS)
        rate = next(serving, None)
        if rate is None:
            rates = ", ".join(map(str, error.rates)) or "none of the usual rates"
            raise RateError(f"the device runs at {rates} Hz now, where hops are no whole number of samples")
        self.device.change_rate(rate)
        stage, old_rate = at_rate(stage, plan.sample_rate, rate), self.plan.sample_rate
        self.plan = plan.at_rate(rate, stage, self.device.block)
        self.stage = stage.in_bursts(self.plan.hops_at_once)
        self.stage.reset()  # workers in there may be others than those that ran
        self._workers = _workers_in(self.stage)
        self._retired.append(self._memory)  # a stream that PortAudio never got closed may write to it
        self._memory = LiveMemory(self.stage, self.device, self.plan)
        self._memory.go_on_from(self._retired[-1])
        self._words, self._reals = self._memory.words, self._memory.reals
        if self._tap is not None:
            self._tap.end(f"the device went from {old_rate} to {rate} Hz")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def native_thread_id(self) -> int | None:
        """The operating system's id of the engine's thread, for its scheduling priority."""
        return self._thread.native_id if self._thread is not None else None

    @property
    def heartbeat(self) -> tuple[int, int]:
        """Blocks handed over, and blocks taken: one of them stands still where a device was lost."""
        taken = w.PLAYBACK_BLOCKS if self.device.out_channels else w.CAPTURE_BLOCKS
        return int(self._words[w.CAPTURE_BLOCKS]), int(self._words[taken])

    @property
    def bypass(self) -> bool:
        """Whether the dry sound is heard, delayed as the wet one would be. Switching cross-fades."""
        return bool(self._words[w.BYPASS])

    @bypass.setter
    def bypass(self, on: bool) -> None:
        self._words[w.BYPASS] = int(on)

    def latency_parts(self) -> dict[str, float]:
        """The plan's parts in ms, with the device's own latencies as it declares them now."""
        declared = {
            "capture buffer": 1000.0 * self.device.capture_latency_s,
            "playback buffer": 1000.0 * self.device.playback_latency_s,
        }
        return {name: declared.get(name) or ms for name, ms in self.plan.parts.items()}

    def stats(self) -> StreamStats:
        """A snapshot; may be called at any time from any thread."""
        words, reals, rate = self._words, self._reals, self.plan.sample_rate
        hops = int(words[w.HOPS])
        p50, p99, p999 = self._percentiles(0.5, 0.99, 0.999)
        return StreamStats(
            hops=hops,
            seconds=hops * self.plan.hop_length / rate,
            input_overflows=int(words[w.INPUT_OVERFLOWS]),
            output_underflows=int(words[w.OUTPUT_UNDERFLOWS]),
            deadline_misses=int(words[w.MISSES]),
            ring_overflows=int(words[w.RING_OVERFLOWS] + words[w.PUSH_FULL]),
            ring_underflows=int(words[w.RING_UNDERFLOWS]),
            substituted_samples=int(words[w.SUBSTITUTED]),
            late_samples_dropped=int(words[w.LATE_DROPPED]),
            jumps=int(words[w.JUMPS]),
            nan_hops=int(words[w.NAN_HOPS]),
            restarts=self._restarts,
            late_worker_hops=sum(worker.late_hops for worker in self._workers),
            spare_worker_hops=sum(worker.spare_hops for worker in self._workers),
            overload_level=int(words[w.LEVEL]),
            compute_us_p50=p50,
            compute_us_p99=p99,
            compute_us_p999=p999,
            compute_us_max=float(words[w.MAX_NS] / 1e3),
            deadline_us=1e6 * self.plan.hop_length / rate,
            input_db=_level_db(reals[w.IN_POWER_F]),
            output_db=_level_db(reals[w.OUT_POWER_F]),
            drift_ppm=1e6 * float(reals[w.INTEGRAL_F]),
            ring_latency_s=self._memory.playback_ring.fill / rate,
            bypass=self.bypass,
        )

    def _percentiles(self, *shares: float) -> list[float]:
        """Compute times in us below which the given shares of all hops lie (bins of 2.2 %)."""
        total = np.cumsum(self._memory.histogram)
        if not total[-1]:
            return [0.0] * len(shares)
        bins = [int(np.searchsorted(total, share * total[-1])) for share in shares]
        tops = [2.0 ** (FIRST_OCTAVE + (b + 1) / BINS_PER_OCTAVE) / 1e3 for b in bins]
        return [float(min(top, self._words[w.MAX_NS] / 1e3)) for top in tops]

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a device that ends by itself (simulated, file); True where it has ended."""
        wait = getattr(self.device, "wait", None)
        return bool(wait(timeout_s)) if wait is not None else False


def _workers_in(stage: NativeStage) -> list[WorkerStage]:
    return [part for part in stage.walk() if isinstance(part, WorkerStage)]


def _level_db(power: float) -> float:
    return max(-120.0, 10.0 * math.log10(max(float(power), 1e-14)))
