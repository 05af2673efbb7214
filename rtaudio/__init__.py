"""Real-time streaming neural audio: native callbacks, native stages, stated latency budgets.

The public names below are loaded when they are first used, so that `import rtaudio` and
`rtaudio --help` cost nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtaudio.devices.portaudio import PortAudioDevice
    from rtaudio.devices.simulated import SimulatedDevice
    from rtaudio.dsp.spotter import SpotEvent, Spotter
    from rtaudio.engine.budget import plan_budget
    from rtaudio.engine.live import LiveEngine
    from rtaudio.errors import (
        AudioFileError,
        BudgetError,
        ConfigError,
        DeviceError,
        MissingLibraryError,
        RateError,
        RtaudioError,
        WeightsError,
    )
    from rtaudio.stream.native import native_stage
    from rtaudio.stream.offline import run_offline
    from rtaudio.stream.pipeline import Pipeline
    from rtaudio.stream.stage import NativeStage, Spec, Stage
    from rtaudio.stream.stats import StreamStats
    from rtaudio.tasks.demo import load_demo
    from rtaudio.tasks.denoise import build_denoiser
    from rtaudio.tasks.spot import build_spotter
    from rtaudio.tasks.spotting import spot

__version__ = "0.1.0"

__all__ = [
    "AudioFileError",
    "BudgetError",
    "ConfigError",
    "DeviceError",
    "LiveEngine",
    "MissingLibraryError",
    "NativeStage",
    "Pipeline",
    "PortAudioDevice",
    "RateError",
    "RtaudioError",
    "SimulatedDevice",
    "Spec",
    "SpotEvent",
    "Spotter",
    "Stage",
    "StreamStats",
    "WeightsError",
    "build_denoiser",
    "build_spotter",
    "load_demo",
    "native_stage",
    "plan_budget",
    "run_offline",
    "spot",
]

_HOME = {
    **dict.fromkeys([name for name in __all__ if name.endswith("Error")], "errors"),
    **dict.fromkeys(["NativeStage", "Spec", "Stage"], "stream.stage"),
    **dict.fromkeys(["SpotEvent", "Spotter"], "dsp.spotter"),
    "LiveEngine": "engine.live",
    "Pipeline": "stream.pipeline",
    "PortAudioDevice": "devices.portaudio",
    "SimulatedDevice": "devices.simulated",
    "StreamStats": "stream.stats",
    "build_denoiser": "tasks.denoise",
    "build_spotter": "tasks.spot",
    "load_demo": "tasks.demo",
    "native_stage": "stream.native",
    "plan_budget": "engine.budget",
    "run_offline": "stream.offline",
    "spot": "tasks.spotting",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rtaudio' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"rtaudio.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
