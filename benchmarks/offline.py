"""How fast a file is cleaned on one core: `rtaudio denoise FILE` beside RNNoise 0.2 and GTCRN.

Each system cleans the bundled recording, repeated; the median of several runs, by processor time (what the
work costs) and by the clock. Ours is reading, the same stages as live, and writing a file; RNNoise is called
hop by hop from Python; GTCRN runs through ONNX Runtime, resampled to 16 kHz and back. Ours must be live's
output to the bit, which is checked on the file that was written.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.report import Report, main
from benchmarks.systems import PEERS, onnx_peer, peers_folder, rnnoise
from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.live import LiveEngine
from rtaudio.tasks.demo import load_demo
from rtaudio.tasks.denoise import build_denoiser
from rtaudio.tasks.files import FileJob, process_file
from rtaudio.tasks.machine import installed

Samples = NDArray[np.float32]

RATE = 48000
SECONDS, QUICK_SECONDS = 240, 60
RUNS, QUICK_RUNS = 5, 3
LEAST_TIMES = 100.0


def recording(seconds: int) -> Samples:
    """The bundled noisy recording, repeated."""
    return np.resize(load_demo().noisy, seconds * RATE)


def times_real_time(work: Callable[[], object], seconds: int, runs: int) -> tuple[float, float]:
    """Seconds of audio for one of processor time, and for one of the clock: medians, after a first run."""
    work()
    spent = []
    for _ in range(runs):
        before = time.process_time(), time.perf_counter()
        work()
        spent.append((time.process_time() - before[0], time.perf_counter() - before[1]))
    cpu_s, wall_s = np.median(spent, axis=0)
    return seconds / float(cpu_s), seconds / float(wall_s)


def live_output(x: Samples) -> Samples:
    """What the live engine plays for x on the simulated device, its delay taken off."""
    pipeline = build_denoiser()
    device = SimulatedDevice(x, RATE)
    engine = LiveEngine(pipeline, device)
    with engine:
        engine.wait()
    delay = engine.plan.prefill + pipeline.latency
    return device.output[delay : delay + x.size]


def run(report: Report, quick: bool) -> None:
    seconds, runs = (QUICK_SECONDS, QUICK_RUNS) if quick else (SECONDS, RUNS)
    x = recording(seconds)
    columns = ["system", "times real time, by processor time", "by the clock"]
    table = report.table(f"{seconds} s of 48 kHz mono, one core, median of {runs}", columns)
    with tempfile.TemporaryDirectory() as folder:
        job = FileJob(str(Path(folder) / "in.wav"), str(Path(folder) / "out.wav"))
        soundfile.write(job.source, x, RATE, subtype="FLOAT")
        stage = build_denoiser()
        ours = times_real_time(lambda: process_file(stage, job), seconds, runs)
        table.row("rtaudio, file to file", *ours)
        written, _ = soundfile.read(job.target, dtype="float32")
    if installed("pyrnnoise"):
        table.row("RNNoise 0.2, samples to samples", *times_real_time(lambda: rnnoise(x), seconds, runs))
    gtcrn = peers_folder() / PEERS["GTCRN"]
    if installed("onnxruntime") and gtcrn.is_file():
        peer = onnx_peer(gtcrn)
        table.row("GTCRN, samples to samples", *times_real_time(lambda: peer(x), seconds, runs))
    report.show(table)
    report.goal("rtaudio, times real time on a core", ours[0], LEAST_TIMES, ">=")
    played = live_output(x)
    same = played.size == written.size and np.array_equal(played, written)
    report.goal("live output, to the bit", same, 1, "==")


if __name__ == "__main__":
    main(run)
