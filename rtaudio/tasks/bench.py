"""What a model costs on this machine, hop by hop, at the pace of live audio: measured and judged."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rtaudio.dsp.gains import Gain
from rtaudio.dsp.resample import at_rate
from rtaudio.errors import ConfigError
from rtaudio.stream.stage import NativeStage
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.bench_backends import BACKENDS, DEVICES, Backend
from rtaudio.tasks.bench_delay import along, planned
from rtaudio.tasks.bench_grid import Measure, Row, measure_paces, measure_streams
from rtaudio.tasks.bench_load import LOADS, load
from rtaudio.tasks.bench_measure import ROUNDS, Measurement, Progress
from rtaudio.tasks.bench_ratio import beside
from rtaudio.tasks.bench_subject import Subject, build_subject
from rtaudio.tasks.bench_summary import Runs, judge, summarise
from rtaudio.tasks.denoise import build_denoiser
from rtaudio.tasks.machine import environment

FORMAT, VERSION = "rtaudio-bench", 2
CHIRPS = 5
DAY_S = 86400
MOST_STREAMS = 1000  # a core carries some hundred; a slip of the finger shall not fill the memory


@dataclass(frozen=True)
class BenchSettings:
    """What to measure, and against which budget.

    - models: names or files, which take turns; each is judged by its first backend.
    - duration_s: paced time, shared out among the models and backends.
    - load: what else the machine does meanwhile, one of `LOADS`.
    - devices: of `DEVICES`; each backend is measured on those of them it knows.
    - hops_ms, streams: other paces and numbers of streams to try, `duration_s` more for each of the two.
    - server: where to measure the round trip through the engine, with the first model, "jack" or "pulse";
      loopback: devices `IN:OUT` joined by a cable; "" for neither.
    """

    models: tuple[str | Path, ...] = ("standard",)
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
        lists = (("models", self.models), ("backends", self.backends), ("devices", self.devices))
        for what, given in lists:
            if not given or len(set(given)) < len(given):
                named_once = ",".join(map(str, given))
                raise ConfigError(f"{what}={named_once!r} must be one or more, each named once")
        for device in self.devices:
            if not any(device in self.devices_of(name) for name in self.backends):
                there_is = ", ".join(DEVICES[device])
                raise ConfigError(f"no backend was named that runs on {device}; there is: {there_is}")
        for name in self.backends:
            if not self.devices_of(name):
                raise ConfigError(f"the backend {name} does not run on {' or '.join(self.devices)}")
        for name in ("budget_ms", "duration_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name):g} must be above 0")
        if self.duration_s > DAY_S:  # times are kept hop by hop
            raise ConfigError(f"duration_s={self.duration_s:g} must be a day at most, {DAY_S}")
        if self.hops_ms and not min(self.hops_ms) > 0:
            raise ConfigError(f"hop={min(self.hops_ms):g} ms must be above 0")
        for streams in self.streams:
            if not 1 <= streams <= MOST_STREAMS:
                raise ConfigError(f"streams={streams} must be from 1 to {MOST_STREAMS}")
        if self.server and self.loopback:
            raise ConfigError("a round trip is measured through a cable or through a server; ask for one")

    @property
    def whole_s(self) -> float:
        """Paced time of everything together."""
        return self.duration_s * (1 + bool(self.hops_ms) + bool(self.streams))

    def devices_of(self, backend: str) -> list[str]:
        return [device for device in self.devices if backend in DEVICES[device]]


def run_bench(
    settings: BenchSettings,
    progress: Progress = lambda share: None,
    wanted: Callable[[], bool] = lambda: True,
) -> dict[str, Any]:
    """Measure and judge; returns the report, JSON all through. `finished` is False if it was cut short.

    A backend that fails on the way is named in its `failure`, and what was measured of it is kept.
    Raises WeightsError, ModelError or MissingLibraryError before anything is measured.
    """
    chosen = [(name, device) for name in settings.backends for device in settings.devices_of(name)]
    subjects = [build_subject(model, chosen) for model in settings.models]
    _check_asked(settings, subjects)
    owners = [subject for subject in subjects for _ in subject.backends]
    backends = [backend for subject in subjects for backend in subject.backends]
    here = environment(cuda="cuda" in settings.devices)
    trip = _round_trip(settings, subjects[0])
    timed = [(backend, owner.period_ns) for backend, owner in zip(backends, owners, strict=True)]
    measurement, parts = Measurement(timed, settings.duration_s), Parts(progress, settings.whole_s)
    with load(settings.load):
        finished = measurement.run(parts.next(settings.duration_s), wanted)
        paces, streams = _measure_grids(settings, subjects, parts, wanted) if finished else ([], [])
        finished = finished and wanted()
    if not finished and not any(runs.paced for runs in measurement.runs):
        raise KeyboardInterrupt
    told = [
        {"model": owner.facts["name"]} | summarise(runs) | {"overhead_ns": backend.overhead_ns()}
        for owner, runs, backend in zip(owners, measurement.runs, backends, strict=True)
    ]
    return {
        "format": FORMAT,
        "version": VERSION,
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "finished": finished,
        "machine": here | {"priority": measurement.priority.reason or "real-time (SCHED_FIFO)"},
        "models": [
            _judged(subject, settings.budget_ms, told, trip, own=subject is subjects[0])
            for subject in subjects
        ],
        "settings": {"duration_s": settings.duration_s, "load": settings.load, "rounds": ROUNDS},
        "backends": told,
        "beside": beside(told),
        "paces": paces,
        "streams": streams,
        "round_trip": trip,
    }


def _check_asked(settings: BenchSettings, subjects: Sequence[Subject]) -> None:
    """ConfigError where something is asked of a model that it has not to give."""
    for subject in subjects:
        name, period_ms = subject.facts["name"], subject.period_ns / 1e6
        if settings.hops_ms and subject.anew is None:
            raise ConfigError(
                f"{name}: its file fixes the hop at {period_ms:g} ms, so there is no other pace"
            )
    if settings.server and not subjects[0].denoises:
        name = subjects[0].facts["name"]
        raise ConfigError(f"{name} gives no sound, so there is no round trip through it")


def _judged(
    subject: Subject, budget_ms: float, told: list[dict[str, Any]], trip: dict[str, Any] | None, *, own: bool
) -> dict[str, Any]:
    """The report's part on a model: facts, and the verdict on the first of its backends.

    Where a round trip was measured, with this model as its `own` or with another, the verdict is on that.
    """
    stage, rate = subject.stage, subject.stage_rate
    first = next(part for part in told if part["model"] == subject.facts["name"])
    delay = planned(stage, rate, budget_ms) if trip is None else along(trip, stage, rate, budget_ms, own=own)
    verdict = judge(delay, budget_ms, first, subject.worker_us)
    return subject.facts | {"period_us": subject.period_ns / 1000, "verdict": verdict}


class Parts:
    """Progress of measurements that follow each other, as that of one whole of `whole_s`."""

    def __init__(self, progress: Progress, whole_s: float) -> None:
        self._progress, self._whole_s, self._done_s = progress, whole_s, 0.0

    def next(self, seconds: float) -> Progress:
        begun_s = self._done_s
        self._done_s += seconds
        return lambda share: self._progress(min((begun_s + share * seconds) / self._whole_s, 1.0))


def _measure_grids(
    settings: BenchSettings, subjects: Sequence[Subject], parts: Parts, wanted: Callable[[], bool]
) -> tuple[list[Row], list[Row]]:
    """Other paces and numbers of streams, `duration_s` for each of the two."""

    def measure(seconds: float, tried: int) -> Measure:
        each_s = seconds / max(1, tried)

        def one(backend: Backend, period_ns: int) -> tuple[Runs, bool]:
            alone = Measurement([(backend, period_ns)], each_s)
            return alone.runs[0], alone.run(parts.next(each_s), wanted)

        return one

    paces: list[Row] = []
    streams: list[Row] = []
    share_s = settings.duration_s / len(subjects)
    hops_ms, sizes = settings.hops_ms, settings.streams
    for subject in subjects:
        if wanted():
            paces += measure_paces(measure(share_s, len(hops_ms)), subject, hops_ms)
        if wanted():
            streams += measure_streams(measure(share_s, len(sizes)), subject, sizes)
    return paces, streams


def _round_trip(settings: BenchSettings, subject: Subject) -> dict[str, Any] | None:
    """What was asked for, measured while nothing else is; the net computes, but lets the chirp pass."""
    if not (settings.server or settings.loopback):
        return None
    from rtaudio.tasks.roundtrip import RATE, measure_cable, measure_server

    if settings.loopback:
        live = (
            at_rate(subject.stage, subject.stage_rate, RATE) if subject.denoises else Gain(RATE // 100, 0.0)
        )
        return measure_cable(settings.loopback, live, CHIRPS, settings.budget_ms).as_dict()
    stage: NativeStage = build_denoiser(settings.models[0], strength=0.0)
    if stage.latency < subject.stage.latency:  # what is judged runs in Python, a deadline later
        stage = WorkerStage(stage)
    return measure_server(settings.server, stage, CHIRPS, settings.budget_ms).as_dict()
