"""Real-time streaming neural audio: native callbacks, native stages, stated latency budgets.

The public names below are loaded when they are first used, so that `import rtaudio` and
`rtaudio --help` cost nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtaudio.errors import (
        AudioFileError,
        BudgetError,
        ConfigError,
        DeviceError,
        MissingLibraryError,
        RtaudioError,
        WeightsError,
    )
    from rtaudio.stream.native import native_stage
    from rtaudio.stream.offline import run_offline
    from rtaudio.stream.pipeline import Pipeline
    from rtaudio.stream.stage import NativeStage, Spec, Stage
    from rtaudio.stream.stats import StreamStats

__version__ = "0.1.0"

__all__ = [
    "AudioFileError",
    "BudgetError",
    "ConfigError",
    "DeviceError",
    "MissingLibraryError",
    "NativeStage",
    "Pipeline",
    "RtaudioError",
    "Spec",
    "Stage",
    "StreamStats",
    "WeightsError",
    "native_stage",
    "run_offline",
]

_HOME = {
    **dict.fromkeys([name for name in __all__ if name.endswith("Error")], "errors"),
    **dict.fromkeys(["NativeStage", "Spec", "Stage"], "stream.stage"),
    "Pipeline": "stream.pipeline",
    "StreamStats": "stream.stats",
    "native_stage": "stream.native",
    "run_offline": "stream.offline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rtaudio' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"rtaudio.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
