"""What 10 ms of sound cost a stage that listens at 16 kHz: back to back, and once every 10 ms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.streams import HOP, SAMPLE_RATE
from rtaudio.dsp.stft import Analysis
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import NativeStage
from rtaudio.stream.timing import PERIOD_NS, time_stage

HOPS_A_SECOND = SAMPLE_RATE // HOP
SECONDS, QUICK_SECONDS = 200, 30
PACED_SECONDS, QUICK_PACED_SECONDS = 10, 3


def listening_cost(stage: NativeStage, quick: bool) -> tuple[float, float]:
    """µs of a hop of noise, STFT included, of the usual second: warm, and paced."""
    seconds, paced = (QUICK_SECONDS, QUICK_PACED_SECONDS) if quick else (SECONDS, PACED_SECONDS)
    rng = np.random.default_rng(0)
    noise = 0.05 * rng.standard_normal((seconds * HOPS_A_SECOND, HOP), np.float32)
    chain = Pipeline([Analysis(2 * HOP, HOP), stage])
    warm = usual_second(time_stage(chain, noise)[0])
    return warm, usual_second(time_stage(chain, noise[: paced * HOPS_A_SECOND], PERIOD_NS)[0])


def usual_second(micros: NDArray[np.float64]) -> float:
    """The median over seconds of a hop's mean: nets run every other hop, and a host that stops this machine
    for 5 ms, as hosts of virtual ones do, costs no net anything."""
    return float(np.median(micros.reshape(-1, HOPS_A_SECOND).mean(1)))
