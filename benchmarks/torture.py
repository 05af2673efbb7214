"""The live path under torture: two busy Python threads and the garbage collector, a minute each.

A compiled callback with the engine behind it, beside a plain Python callback that copies its
input, on the same PortAudio device: JACK's dummy driver, no sound card needed. What counts is
what the listener misses: output underflows that PortAudio reports, or blocks that never came.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.report import Report, main
from rtaudio.devices.portaudio import PortAudioDevice, library
from rtaudio.devices.servers import JACK_PROGRAMS, JackServer, missing
from rtaudio.engine.live import LiveEngine
from rtaudio.stream.native import native_stage
from rtaudio.tasks.bench_load import busy_python

RATE = 48000
BLOCKS = (480, 128)
SETTLE_S = 2.0  # the start of a stream is not what is measured


@native_stage
def through(state, x, out):  # type: ignore[no-untyped-def]
    """Copy."""
    for i in range(x.size):
        out[i] = x[i]


@dataclass
class Outcome:
    """What one run delivered."""

    underflows: int
    blocks: int
    expected: int
    longest_gap_ms: float | None = None

    @property
    def lost(self) -> int:
        """Blocks the listener missed: reported as underflows, or never asked for by a stalled stream."""
        return max(self.underflows, self.expected - self.blocks - 1)

    @property
    def delivered(self) -> float:
        return 100.0 * self.blocks / self.expected


def native(block: int, seconds: float) -> Outcome:
    """The compiled callback, the ring, the engine and a stage, through the same device."""
    with LiveEngine(through(480), PortAudioDevice(sample_rate=RATE, block=block)) as engine:
        time.sleep(SETTLE_S)
        before, beats, begin = engine.stats(), sum(engine.heartbeat), time.perf_counter()
        with busy_python():
            time.sleep(seconds)
            after, blocks, spent = engine.stats(), sum(engine.heartbeat) - beats, time.perf_counter() - begin
    lost = after.output_underflows - before.output_underflows
    lost += after.ring_underflows - before.ring_underflows
    return Outcome(lost, blocks // 2, round(spent * RATE / block))


def python(block: int, seconds: float) -> Outcome:
    """What everyone writes first: a Python callback that copies its input to its output."""
    arrivals: list[float] = []
    underflows: list[float] = []

    def callback(x: object, out: np.ndarray, frames: int, clock: object, status: object) -> None:
        now = time.perf_counter()
        arrivals.append(now)
        if status.output_underflow:  # type: ignore[attr-defined]
            underflows.append(now)
        out[:] = x

    # Block size 0 is "as it comes": JACK's period, the same for both.
    with library().Stream(RATE, 0, None, 1, "float32", block / RATE, callback=callback):
        time.sleep(SETTLE_S)
        begin = time.perf_counter()
        with busy_python():
            time.sleep(seconds)
            spent = time.perf_counter() - begin
    times = np.array([t for t in arrivals if begin <= t <= begin + spent])
    gap = float(np.max(np.diff(times), initial=0.0)) if times.size > 1 else spent
    lost = sum(begin <= t <= begin + spent for t in underflows)
    return Outcome(lost, times.size, round(spent * RATE / block), 1e3 * gap)


def run(report: Report, quick: bool) -> None:
    if lacking := missing(JACK_PROGRAMS):
        report.note(f"not run: {', '.join(lacking)} not installed (apt-get install jackd2)")
        report.goal("JACK at hand", 0, 1, "==")
        return
    seconds = 8.0 if quick else 60.0
    columns = ["", "block", "lost blocks", "underflows", "blocks delivered %", "longest gap ms"]
    table = report.table(f"{seconds:.0f} s each, two busy Python threads and garbage collection", columns)
    outcomes = {}
    for block in BLOCKS:
        with JackServer(RATE, block):
            for name, measure in (("rtaudio", native), ("Python callback", python)):
                done = outcomes[name, block] = measure(block, seconds)
                table.row(name, block, done.lost, done.underflows, done.delivered, done.longest_gap_ms)
    report.show(table)
    for block in BLOCKS:
        ours, theirs = outcomes["rtaudio", block], outcomes["Python callback", block]
        share = 100.0 * ours.lost / max(theirs.lost, 1)
        report.goal(f"lost blocks at {block}, % of Python's {theirs.lost}", share, 1.0)
    report.goal("lost blocks in all at 480", outcomes["rtaudio", 480].lost, 2)


if __name__ == "__main__":
    main(run)
