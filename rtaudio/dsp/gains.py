"""Gain, changed while audio flows without a click."""

from __future__ import annotations

import math

import numpy as np

from rtaudio.errors import ConfigError
from rtaudio.kernels.gain import gain_step
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import NativeStage, Spec

MAX_DB = 120.0  # 1e6: raises the last bit of 24 to above full scale; anything beyond is a mistake


class Gain(NativeStage):
    """Multiply `hop_length` samples by `gain_db`, a live parameter that ramps over one hop.

    -inf dB is silence. Latency 0. Raises ConfigError for NaN or more than `MAX_DB`.
    """

    def __init__(self, hop_length: int, gain_db: float = 0.0) -> None:
        spec = Spec((hop_length,))
        arena = Arena(
            (hop_length,),
            params={"gain_db": _checked(gain_db)},
            state={"last": np.full(1, np.nan, np.float32)},
        )
        super().__init__(gain_step.address, arena, spec, spec)

    def set_param(self, name: str, value: float) -> None:
        super().set_param(name, _checked(value) if name == "gain_db" else value)


def _checked(gain_db: float) -> float:
    if math.isnan(gain_db) or gain_db > MAX_DB:
        raise ConfigError(f"gain_db={gain_db} must be a number up to {MAX_DB:g}")
    return float(gain_db)
