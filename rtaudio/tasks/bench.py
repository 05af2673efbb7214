"""What a model costs on this machine, hop by hop, at the pace of live audio: measured and judged."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rtaudio.engine.priority import PriorityResult, raise_priority
from rtaudio.errors import ConfigError
from rtaudio.stream.timing import overhead_ns
from rtaudio.tasks.bench_backends import BACKENDS, DEVICES, Backend, build_subject
from rtaudio.tasks.bench_grid import measure_paces, measure_streams
from rtaudio.tasks.bench_load import LOADS, load
from rtaudio.tasks.bench_summary import Runs, choose_plan, judge, summarise
from rtaudio.tasks.denoise import build_denoiser, is_onnx
from rtaudio.tasks.machine import environment

FORMAT, VERSION = "rtaudio-bench", 1

ROUNDS = 10
"""Turns each backend gets. Trouble that lasts a while then hits all of them, and whole turns can be
drawn again when a comparison asks how sure it is: hops of one turn are not independent."""
WARM_HOPS = 100
"""Back to back at the start of each turn; also what brings code and buffers to where they stay."""
CHIRPS, CABLE_BLOCK = 5, 480
POLL_S = 0.1
"""How often the waiting thread looks for Ctrl-C and moves the progress bar."""


@dataclass(frozen=True)
class BenchSettings:
    """What to measure, and against which budget.

    - duration_s: paced time, shared out among the backends.
    - load: what else the machine does meanwhile, one of `LOADS`.
    - devices: of `DEVICES`; each backend is measured on those of them it knows.
    - hops_ms, streams: other paces and numbers of streams to try, `duration_s` shared out among each.
    - server: where to measure the round trip through the engine, "jack" or "pulse"; loopback: devices
      `IN:OUT` joined by a cable; "" for neither.
    """

    model: str | Path = "standard"
    backends: tuple[str, ...] = ("native",)
    budget_ms: float = 40.0
    duration_s: float = 60.0
    load: str = "none"
    devices: tuple[str, ...] = ("cpu",)
    hops_ms: tuple[float, ...] = ()
    streams: tuple[int, ...] = ()
    server: str = ""
    loopback: str = ""

    def __post_init__(self) -> None:
        named: list[tuple[str, tuple[str, ...], Collection[str]]] = [
            ("backend", self.backends, BACKENDS),
            ("device", self.devices, DEVICES),
            ("load", (self.load,), LOADS),
        ]
        for what, names, known in named:
            for name in names:
                if name not in known:
                    raise ConfigError(f"unknown {what} {name!r}; there are: {', '.join(known)}")
        if not self.backends or len(set(self.backends)) < len(self.backends):
            raise ConfigError(f"backends={','.join(self.backends)!r} must be one or more, each named once")
        for name in self.backends:
            if not self.devices_of(name):
                raise ConfigError(f"the backend {name} does not run on {' or '.join(self.devices)}")
        for name in ("budget_ms", "duration_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name):g} must be above 0")
        if self.hops_ms and not min(self.hops_ms) > 0:
            raise ConfigError(f"hop={min(self.hops_ms):g} ms must be above 0")
        if self.streams and min(self.streams) < 1:
            raise ConfigError(f"streams={min(self.streams)} must be at least 1")
        if self.server and self.loopback:
            raise ConfigError("a round trip is measured through a cable or through a server; ask for one")
        if is_onnx(self.model) and (self.hops_ms or self.streams or self.server):
            raise ConfigError(
                f"other paces, streams and servers are for rtaudio's own nets, not {self.model}"
            )

    def devices_of(self, backend: str) -> list[str]:
        return [device for device in self.devices if backend in DEVICES[device]]


Progress = Callable[[float], None]
"""Called with the share that is done, 0..1."""


class Measurement:
    """Times backends in turn on a thread of its own, at the priority the live engine would have."""

    def __init__(self, backends: Sequence[Backend], seconds: float, period_ns: int) -> None:
        self.runs = [Runs(b.name, b.gil_free, b.stages) for b in backends]
        self.priority = PriorityResult(reason="not asked for")
        self._backends, self._period_ns = backends, period_ns
        self._hops = max(1, round(seconds * 1e9 / period_ns / (ROUNDS * len(backends))))
        self._stopped, self._error = False, cast("Exception | None", None)
        self._seconds = self._hops * ROUNDS * len(backends) * period_ns / 1e9

    def run(self, progress: Progress = lambda share: None, wanted: Callable[[], bool] = lambda: True) -> bool:
        """Measure until done, or until `wanted` says no; False in that case, with what there is kept."""
        thread = threading.Thread(target=self._measure, daemon=True)
        begun = time.monotonic()
        thread.start()
        while thread.is_alive():
            if not wanted():
                self.stop()
            progress(min((time.monotonic() - begun) / self._seconds, 1.0))
            thread.join(POLL_S)
        if self._error is not None:
            raise self._error
        return not self._stopped

    def stop(self) -> None:
        self._stopped = True
        for backend in self._backends:
            backend.stop()

    def _measure(self) -> None:
        self.priority = raise_priority([threading.get_native_id()])
        try:
            for _ in range(ROUNDS):
                for backend, runs in zip(self._backends, self.runs, strict=True):
                    if not self._stopped:
                        self._turn(backend, runs)
        except Exception as error:  # told by the thread that waits
            self._error = error

    def _turn(self, backend: Backend, runs: Runs) -> None:
        warm = backend.run(WARM_HOPS, 0)
        used = time.thread_time()
        paced = backend.run(self._hops, self._period_ns)
        runs.cpu_s += time.thread_time() - used
        runs.warm += [warm] if len(warm.marks) else []
        runs.paced += [paced] if len(paced.marks) else []


def run_bench(
    settings: BenchSettings,
    progress: Progress = lambda share: None,
    wanted: Callable[[], bool] = lambda: True,
) -> dict[str, Any]:
    """Measure and judge; returns the report, JSON all through. `finished` is False if it was cut short.

    Raises WeightsError, ModelError or MissingLibraryError before anything is measured.
    """
    chosen = [(name, device) for name in settings.backends for device in settings.devices_of(name)]
    subject = build_subject(settings.model, chosen)
    period_ns = subject.period_ns
    plan, too_long = choose_plan(subject.pipeline, subject.pipeline_rate, settings.budget_ms)
    here = environment()
    round_trip = _round_trip(settings)
    measurement = Measurement(subject.backends, settings.duration_s, period_ns)

    def measure(backend: Backend, period_ns: int) -> tuple[Runs, bool]:
        seconds = settings.duration_s / max(len(settings.hops_ms), len(settings.streams))
        one = Measurement([backend], seconds, period_ns)
        finished = one.run(wanted=wanted)
        return one.runs[0], finished

    with load(settings.load):
        finished = measurement.run(progress, wanted)
        paces = measure_paces(measure, settings.model, settings.hops_ms if finished else ())
        streams = measure_streams(measure, settings.model, settings.streams if finished else (), period_ns)
    if not measurement.runs[0].paced:
        raise KeyboardInterrupt
    told = [summarise(runs, period_ns) for runs in measurement.runs]
    return {
        "format": FORMAT,
        "version": VERSION,
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "finished": finished,
        "verdict": judge(plan, too_long, settings.budget_ms, told[0]),
        "machine": here | {"priority": measurement.priority.reason or "real-time (SCHED_FIFO)"},
        "model": subject.facts,
        "settings": {"duration_s": settings.duration_s, "load": settings.load, "rounds": ROUNDS},
        "period_us": period_ns / 1000,
        "overhead_ns": overhead_ns(len(subject.backends[0].stages)),
        "backends": told,
        "paces": paces,
        "streams": streams,
        "round_trip": round_trip,
    }


def _round_trip(settings: BenchSettings) -> dict[str, Any] | None:
    """What was asked for, measured while nothing else is; the net computes, but lets the chirp pass."""
    if not (settings.server or settings.loopback):
        return None
    from rtaudio.tasks.roundtrip import measure_cable, measure_server

    if settings.loopback:
        return measure_cable(settings.loopback, CABLE_BLOCK, CHIRPS).as_dict()
    stage = build_denoiser(settings.model, strength=0.0)
    return measure_server(settings.server, stage, CHIRPS).as_dict()
