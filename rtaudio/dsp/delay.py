"""A pure delay, to line one path up with another."""

from __future__ import annotations

import numpy as np

from rtaudio.errors import ConfigError
from rtaudio.kernels.delay import copy_step, delay_step
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import NativeStage, Spec


class Delay(NativeStage):
    """The input, `samples` later, bit for bit; silence before. Latency `samples`, 0 or more."""

    def __init__(self, hop_length: int, samples: int) -> None:
        if samples < 0:
            raise ConfigError(f"samples={samples} must be 0 or more: nothing can be sent into the past")
        spec = Spec((hop_length,))
        state = {"position": 0, "history": np.zeros(samples, np.float32)} if samples else {}
        entry = delay_step.address if samples else copy_step.address
        super().__init__(entry, Arena((hop_length, samples), state=state), spec, spec, samples)
