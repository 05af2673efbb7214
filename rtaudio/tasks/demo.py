"""The demo: the bundled noisy recording through the live engine, in real time, and how well it went."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import soundfile as sf

from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.budget import LatencyBudget
from rtaudio.engine.live import LiveEngine
from rtaudio.stream.stage import NativeStage, Samples

SAMPLE_RATE = 48000


@dataclass(frozen=True)
class DemoSound:
    """The bundled recording: speech alone, and the same speech in noise. Mono, 48 kHz, ±1."""

    clean: Samples
    noisy: Samples


def load_demo() -> DemoSound:
    """Read the bundled recording."""
    return DemoSound(*(_read(f"demo_{name}.flac") for name in ("clean", "noisy")))


def _read(name: str) -> Samples:
    with (files("rtaudio") / "data" / name).open("rb") as file:
        samples: Samples = sf.read(file, dtype="float32")[0]
    return samples


def demo_engine(stage: NativeStage, noisy: Samples, plan: LatencyBudget) -> LiveEngine:
    """The live engine on a simulated device that plays `noisy` at the pace of a sound card."""
    return LiveEngine(stage, SimulatedDevice(noisy, SAMPLE_RATE, plan.block, clock="real"), plan)


def heard(engine: LiveEngine, size: int) -> Samples:
    """What came out of the demo's device, moved back by the delay so that it lies on the input."""
    device = engine.device
    assert isinstance(device, SimulatedDevice)
    delay = engine.plan.prefill + engine.stage.latency
    played = device.output[delay : delay + size]
    return np.pad(played, (0, size - played.size))


def si_sdr_db(estimate: Samples, reference: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019, eq. 3), means removed."""
    target, sound = (np.asarray(x, np.float64) - np.mean(x, dtype=np.float64) for x in (reference, estimate))
    power = float(target @ target)
    if power == 0.0:
        return float("nan")
    projected = (sound @ target) / power * target
    error = sound - projected
    return float(10 * np.log10((projected @ projected + 1e-20) / (error @ error + 1e-20)))
