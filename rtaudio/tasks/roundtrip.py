"""The true delay of a sound path, by chirp: what comes back is correlated with what was played.

Two kinds. *Through the engine*: a probe, a program of its own, plays into the engine's
microphone and records its loudspeaker, on a server set up for it; the probe's own loop is taken
off. *Through a cable* from a device's output to its input: what the two devices keep to
themselves.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.devices.portaudio import PortAudioDevice, burst, find_device
from rtaudio.devices.servers import JACK_PROGRAMS, PULSE_PROGRAMS, JackServer, PulseServer, missing
from rtaudio.engine.budget import BUFFERS, LatencyBudget
from rtaudio.engine.live import LiveEngine
from rtaudio.errors import BudgetError, ConfigError, DeviceError, MissingLibraryError
from rtaudio.stream.stage import NativeStage, Samples
from rtaudio.stream.stats import StreamStats
from rtaudio.tasks.live import blocks_to_try, first_fitting, in_blocks, open_engine
from rtaudio.tasks.probe import Probe, ProbeProcess, chirp, delay_between, open_probe, play

RATE = 48000
SIGNAL = np.concatenate([np.zeros(RATE // 10), chirp(RATE, 0.5), np.zeros(RATE // 2)]).astype(np.float32)
SILENCE = 0.05  # a tenth of the chirp's level
PULSE_ENDS = "mic.monitor", "spk"
PROBE_BLOCK = 480  # of the probe itself on Pulse; its own loop, so long, is taken off
PULSE_OPENINGS = 3
"""Each stream on Pulse begins somewhere in the server's own period: within a stream every chirp takes
as long as the last, and another stream a block or so more or less."""
ATTEMPTS = 2  # a server or a stream may give up once under the load of the machine


@dataclass(frozen=True)
class RoundTrip:
    """Delays of repeated chirps, in samples.

    - path: where the sound went; through_engine: whether the engine was on it.
    - own: what of each delay is the probe's own, and not counted in `delays`.
    - declared_ms: the parts of the same path as the engine or the devices declare them.
    - block, burst, duplex: what the engine plans with there, as `plan_budget` takes them; the block is
      the one that live denoising chooses for the budget.
    - refused: why live denoising refuses that budget there; the block is then the one it has without any.
    - buffered: whether the chirp went through the buffers of a device, or past them.
    - hops, missed: of the engine on the way, 0 without one; a hop that a worker was late with is missed too.
    """

    path: str
    through_engine: bool
    own: int
    delays: tuple[int, ...]
    declared_ms: dict[str, float]
    block: int
    burst: int = 1
    duplex: bool = True
    buffered: bool = True
    hops: int = 0
    missed: int = 0
    refused: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON; `spread` is the longest less the shortest.

        `parts_ms` are those declared parts that the chirp went through, `rest_ms` what they leave
        unexplained of the median: below 0 where they are more than was measured.
        """
        delays = sorted(self.delays)
        median_ms = 1000.0 * float(np.median(delays)) / RATE
        parts = {name: ms for name, ms in self.declared_ms.items() if self.buffered or name not in BUFFERS}
        return {
            "path": self.path,
            "through_engine": self.through_engine,
            "runs": len(delays),
            "own_samples": self.own,
            "samples": {"least": delays[0], "median": int(np.median(delays)), "most": delays[-1]},
            "spread_samples": delays[-1] - delays[0],
            "median_ms": median_ms,
            "most_ms": 1000.0 * delays[-1] / RATE,
            "declared_ms": self.declared_ms,
            "parts_ms": parts,
            "rest_ms": median_ms - sum(parts.values()),
            "block": self.block,
            "burst": self.burst,
            "duplex": self.duplex,
            "hops": self.hops,
            "deadline_misses": self.missed,
            "refused": self.refused,
        }


@dataclass(frozen=True)
class Passage:
    """Chirps on their way through an engine: their delays in samples, and what it told when they were out.

    plan: of the engine; refused: why it is not within the budget that was asked for, "" where it is.
    """

    delays: list[int]
    declared_ms: dict[str, float]
    stats: StreamStats
    plan: LatencyBudget
    refused: str = ""

    @property
    def missed(self) -> int:
        """Hops that were late, in the engine or in a worker."""
        return self.stats.deadline_misses + self.stats.late_worker_hops


def delays_of(probe: ProbeProcess, runs: int) -> list[int]:
    """Samples from playing a chirp to hearing it, each time anew."""
    return [_delay(probe.play()[0]) for _ in range(runs)]


def _delay(heard: Samples) -> int:
    """DeviceError where only silence came back, which correlates with anything."""
    if np.max(np.abs(heard)) < SILENCE:
        raise DeviceError("the chirp did not come back")
    return delay_between(SIGNAL, heard)


def _probe_client(jack: JackServer, *others: str) -> str:
    """The probe's name on JACK. DeviceError where it isn't the only client beside these."""
    clients = {port.split(":")[0] for port in jack.ports()} - {"system", *others}
    if len(clients) != 1:
        raise DeviceError(f"JACK shows {sorted(clients)} in place of the probe alone")
    return clients.pop()


def jack_loop(jack: JackServer, folder: Path, runs: int) -> int:
    """The probe's own loop: a client that hears itself does so a period later."""
    with ProbeProcess(folder, SIGNAL, jack.period) as probe:
        client = _probe_client(jack)
        jack.cut("system:capture_1", f"{client}:in_0")
        jack.wire(f"{client}:out_0", f"{client}:in_0")
        return int(np.median(delays_of(probe, runs)))


def through_jack(
    jack: JackServer, folder: Path, stage: NativeStage, runs: int, budget_ms: float | None = None
) -> Passage:
    """From the probe through the engine, running `stage`, and back."""
    with (
        _opened(stage, None, None, budget_ms) as (engine, refused),
        ProbeProcess(folder, SIGNAL, jack.period) as probe,
    ):
        client = _probe_client(jack, "PortAudio")
        jack.cut("system:capture_1", f"{client}:in_0")
        jack.wire(f"{client}:out_0", "PortAudio:in_0")
        jack.wire("PortAudio:out_0", f"{client}:in_0")
        return Passage(delays_of(probe, runs), engine.latency_parts(), engine.stats(), engine.plan, refused)


@contextlib.contextmanager
def _opened(
    stage: NativeStage, source: str | None, sink: str | None, budget_ms: float | None
) -> Iterator[tuple[LiveEngine, str]]:
    """The engine as live denoising opens it, and why it refuses the budget, where it does."""
    refused = ""
    try:
        engine = open_engine(stage, RATE, source, sink, budget_ms)
    except BudgetError as error:
        engine, refused = open_engine(stage, RATE, source, sink, None), str(error)
    try:
        yield engine, refused
    finally:
        engine.stop()


def pulse_loop(folder: Path, runs: int) -> int:
    """The probe's own loop through a null sink of a `PulseServer`."""
    with ProbeProcess(folder, SIGNAL, PROBE_BLOCK, "mic.monitor", "mic") as probe:
        return int(np.median(delays_of(probe, runs)))


def through_pulse(folder: Path, stage: NativeStage, runs: int, budget_ms: float | None = None) -> Passage:
    """As `through_jack`, on a `PulseServer`."""
    with (
        _opened(stage, *PULSE_ENDS, budget_ms) as (engine, refused),
        ProbeProcess(folder, SIGNAL, PROBE_BLOCK, "spk.monitor", "mic") as probe,
    ):
        return Passage(delays_of(probe, runs), engine.latency_parts(), engine.stats(), engine.plan, refused)


def _plan_options(source: str, sink: str) -> dict[str, Any]:
    """What live audio plans with between these two devices, beside the block."""
    return {"burst": burst(find_device(source, "input")), "duplex": PortAudioDevice(source, sink).duplex}


def _jack(stage: NativeStage, runs: int, folder: Path, budget_ms: float | None) -> RoundTrip:
    _need("JACK", JACK_PROGRAMS)
    with JackServer() as jack:
        own = jack_loop(jack, folder, runs)
        passage = through_jack(jack, folder, stage, runs, budget_ms)
    # The probe is wired to the engine itself: what is left goes through no sound card.
    return together("the engine on JACK's dummy driver, periods of", [own], [passage], buffered=False)


def together(path: str, owns: Sequence[int], passages: Sequence[Passage], **options: Any) -> RoundTrip:
    """Passages of the same path, each with the probe's own loop before it, as one round trip.

    `path` ends with what the server calls blocks; how long they are is told by the passages.
    """
    last = passages[-1]
    return RoundTrip(
        f"{path} {last.plan.block}",
        True,
        int(np.median(owns)),
        tuple(
            delay
            for own, passage in zip(owns, passages, strict=True)
            for delay in _less_own(own, passage.delays)
        ),
        last.declared_ms,
        last.plan.block,
        hops=sum(passage.stats.hops for passage in passages),
        missed=sum(passage.missed for passage in passages),
        refused=last.refused,
        **options,
    )


def _less_own(own: int, delays: Sequence[int]) -> tuple[int, ...]:
    """DeviceError where a stream of the probe stumbled, so that its own loop is the longer one."""
    if min(delays) <= own:
        raise DeviceError(f"the probe alone took {own} samples, and through the engine {min(delays)}")
    return tuple(delay - own for delay in delays)


def _pulse(stage: NativeStage, runs: int, folder: Path, budget_ms: float | None) -> RoundTrip:
    _need("PulseAudio", PULSE_PROGRAMS)
    loops: list[int] = []
    passages: list[Passage] = []
    chirps = -(-runs // PULSE_OPENINGS)
    with PulseServer():
        options = _plan_options(*PULSE_ENDS)
        for _ in range(PULSE_OPENINGS):
            loops.append(pulse_loop(folder, chirps))
            passages.append(through_pulse(folder, stage, chirps, budget_ms))
            stage.reset()
    return together("the engine on PulseAudio's null sinks, blocks of", loops, passages, **options)


SERVERS = {"jack": _jack, "pulse": _pulse}


def _need(server: str, programs: Sequence[str]) -> None:
    absent = missing(tuple(programs))
    if absent:
        raise MissingLibraryError(f"measuring through {server} needs: {', '.join(absent)}")


def measure_server(name: str, stage: NativeStage, runs: int, budget_ms: float | None = None) -> RoundTrip:
    """Through the engine, running `stage` within a budget, on a private server of `SERVERS`.

    `stage` must let a chirp pass (a denoiser of strength 0 does, and computes all the same).
    Raises DeviceError where it can't be measured.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with tempfile.TemporaryDirectory() as folder:
                return SERVERS[name](stage, runs, Path(folder), budget_ms)
        except (DeviceError, RuntimeError, TimeoutError) as error:
            if attempt == ATTEMPTS or isinstance(error, MissingLibraryError):
                raise DeviceError(f"the round trip through {name} failed: {error}") from error
        stage.reset()
    raise AssertionError  # the last attempt returns or raises


def measure_cable(names: str, stage: NativeStage, runs: int, budget_ms: float | None = None) -> RoundTrip:
    """From the output to the input of `IN:OUT` over whatever joins them, with no engine between.

    In blocks as live audio would have with `stage`, at RATE, within the budget, by what the devices declare;
    on a Pulse server as without one (`_block_between`). Raises ConfigError for names that aren't two,
    DeviceError where nothing comes back.
    """
    source, colon, sink = names.rpartition(":")
    if not colon or not source or not sink:
        raise ConfigError(f"loopback={names!r} must be IN:OUT, two devices of `rtaudio devices`")
    options = _plan_options(source, sink)
    block, refused = _block_between(source, sink, stage, budget_ms, options)
    device, probe = PortAudioDevice(source, sink, block=block, duplex=True), Probe(SIGNAL, hold=True)
    if not device.one_clock:
        raise DeviceError(
            f"{names}: these two keep time by clocks of their own, so a delay between them drifts"
        )
    delays = []
    try:
        open_probe(device, probe)
        for _ in range(runs):
            play(device, probe)
            delays.append(_delay(probe.heard))
    except TimeoutError as error:
        raise DeviceError(f"{names}: {error}") from error
    finally:
        declared = {
            "capture buffer": 1000 * device.capture_latency_s,
            "playback buffer": 1000 * device.playback_latency_s,
        }
        device.close()
    path = f"a cable from {device.output.name} to {device.input.name}, blocks of {block}"
    return RoundTrip(path, False, 0, tuple(delays), declared, block, refused=refused, **options)


def _block_between(
    source: str, sink: str, stage: NativeStage, budget_ms: float | None, options: dict[str, Any]
) -> tuple[int, str]:
    """The block that live audio would choose between two devices, and why it refuses the budget, or "".

    To know what they hold they are opened once, silently, with the largest. Where live audio has two streams,
    on a Pulse server, a hop is taken: on a busy machine the one stream of a chirp has gaps with less (of 480
    samples none in 8 chirps, of 240 in 5, of 128 in all).
    """
    microphone = find_device(source, "input")
    (usual, *_) = blocks_to_try(stage, microphone, None)
    blocks = blocks_to_try(stage, microphone, budget_ms)
    if blocks == [usual] or not options["duplex"]:
        return usual, ""
    device = PortAudioDevice(source, sink, block=blocks[0], duplex=True)
    try:
        open_probe(device, Probe(SIGNAL, hold=True))
        held = in_blocks(device, RATE, blocks[0])
    finally:
        device.close()
    try:
        return first_fitting(stage, RATE, budget_ms, blocks, device_blocks=held, **options).block, ""
    except BudgetError as error:
        return usual, str(error)
