"""The delay from microphone to loudspeaker, measured by chirp through real servers.

A probe (a program of its own) plays a chirp into the engine's microphone and records the
engine's loudspeaker; cross-correlation tells the delay to the sample. What the probe needs for
itself, its output wired to its input, is taken off. The engine runs analysis and synthesis of a
window with nothing between: what is left is the path.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.report import Report, main
from rtaudio.devices.servers import JACK_PROGRAMS, PULSE_PROGRAMS, JackServer, PulseServer, missing
from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.errors import DeviceError
from rtaudio.stream.pipeline import Pipeline
from rtaudio.tasks.roundtrip import RATE, jack_loop, pulse_loop, through_jack, through_pulse

WINDOWS = ((240, 120), (480, 240), (960, 480))  # n_fft, hop_length: 5, 10 and 20 ms, half overlapped
QUICK_RUNS, RUNS = 3, 10
Measure = Callable[[Report, Path, int], None]
PERIODS = 3  # what JACK's graph and the engine's rings may add to the window


def _row(name: str, loop: int, delays: list[int]) -> list[object]:
    net = [delay - loop for delay in delays]
    ms = 1e3 / RATE
    return [name, len(net), min(net), int(np.median(net)), max(net), float(np.median(net)) * ms]


def _measure_jack(report: Report, folder: Path, runs: int) -> None:
    table = report.table(
        "JACK, dummy driver, p=64: delay less the probe's loop, in samples",
        ("path", "runs", "least", "median", "most", "median ms"),
    )
    measured: dict[int, tuple[float, int]] = {}
    with JackServer() as jack:
        loop = jack_loop(jack, folder, runs)
        table.row("probe alone", runs, loop, loop, loop, 1e3 * loop / RATE)
        for n_fft, hop_length in WINDOWS:
            pipeline = Pipeline([Analysis(n_fft, hop_length), Synthesis(n_fft, hop_length)])
            delays = through_jack(jack, folder, pipeline, runs).delays
            table.row(*_row(f"window {n_fft}, hop {hop_length}", loop, delays))
            measured[n_fft] = (max(delays) - loop - n_fft) / jack.period, max(delays) - min(delays)
    report.show(table)
    for n_fft, (extra, spread) in measured.items():
        report.goal(f"JACK, window {n_fft}: periods beyond the window", extra, PERIODS)
        report.goal(f"JACK, window {n_fft}: spread over the runs in samples", spread, 0)


def _measure_pulse(report: Report, folder: Path, runs: int) -> None:
    table = report.table(
        "PulseAudio, null sinks: delay less the probe's loop, in samples",
        ("path", "runs", "least", "median", "most", "median ms"),
    )
    pipeline = Pipeline([Analysis(960, 480), Synthesis(960, 480)])
    with PulseServer():
        loop = pulse_loop(folder, runs)
        table.row("probe alone", runs, loop, loop, loop, 1e3 * loop / RATE)
        passage = through_pulse(folder, pipeline, runs)
        table.row(*_row(f"window 960, hop 480, block {passage.plan.block}", loop, passage.delays))
    parts = passage.declared_ms
    told = " + ".join(f"{name} {ms:.1f}" for name, ms in parts.items())
    report.note(f"PulseAudio path as declared: {sum(parts.values()):.1f} ms = {told}")
    report.show(table)


def _measured(measure: Measure, report: Report, folder: Path, runs: int) -> bool:
    """Measure, once more where a server or a stream gave up under the load of the machine."""
    for _attempt in range(2):
        try:
            measure(report, folder, runs)
        except (DeviceError, RuntimeError, TimeoutError) as error:
            report.note(f"given up: {error}")
        else:
            return True
    return False


def run(report: Report, quick: bool) -> None:
    runs = QUICK_RUNS if quick else RUNS
    servers: list[tuple[str, tuple[str, ...], Measure]] = [
        ("JACK", JACK_PROGRAMS, _measure_jack),
        ("PulseAudio", PULSE_PROGRAMS, _measure_pulse),
    ]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name, programs, measure in servers:
            absent = missing(programs)
            if absent:
                report.note(f"{name} was not measured: {', '.join(absent)} missing")
            done = not absent and _measured(measure, report, folder, runs)
            report.goal(f"{name} measured", done, 1, ">=")


if __name__ == "__main__":
    main(run)
