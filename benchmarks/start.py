"""From typing the command to the first processed hop, with the kernels cached and without.

Each start is a process of its own: import, build the denoiser, open the simulated device on the
real clock, and one hop through the engine. The first-ever start compiles every kernel; set-up
does that (`rtaudio warm`), so that no user waits for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from benchmarks.report import Report, main, percentiles

FIRST_HOP = """
import numpy as np
from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.live import LiveEngine
from rtaudio.tasks.denoise import build_denoiser
device = SimulatedDevice(np.zeros(48000, np.float32), clock="real")
with LiveEngine(build_denoiser(), device) as engine:
    while engine.stats().hops == 0:
        pass
"""
HELP = "from rtaudio.cli.main import main; main(['--help'])"
WARM = "from rtaudio.cli.main import main; main(['warm'])"


def seconds(code: str, cache: str | None = None) -> float:
    """Wall-clock time of a fresh interpreter running `code`, its exit included."""
    environment = {**os.environ, **({"RTAUDIO_CACHE": cache} if cache else {})}
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return time.perf_counter() - begin


def run(report: Report, quick: bool) -> None:
    repeats = 5 if quick else 20
    seconds(FIRST_HOP)  # fills the cache where it was empty
    table = report.table(f"process start, {repeats} times", ["", "p50 s", "max s"])
    starts = [seconds(FIRST_HOP) for _ in range(repeats)]
    helps = [seconds(HELP) for _ in range(repeats)]
    for name, spent in (("first hop, kernels cached", starts), ("rtaudio --help", helps)):
        p50, _, _, largest = percentiles(spent)
        table.row(name, p50, largest)
    if not quick:
        with tempfile.TemporaryDirectory() as empty:
            first = seconds(FIRST_HOP, empty)
            table.row("first hop, nothing cached", first, first)
        with tempfile.TemporaryDirectory() as empty:
            warm = seconds(WARM, empty)
            table.row("rtaudio warm, nothing cached (set-up does this)", warm, warm)
            after = seconds(FIRST_HOP, empty)
            table.row("first hop after it", after, after)
    report.show(table)
    report.goal("cached start to the first hop, p50 s", percentiles(starts)[0], 1.5, "<")


if __name__ == "__main__":
    main(run)
