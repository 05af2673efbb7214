"""Let a stage listen: to files at any rate and number of channels, or to a microphone."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TypeVar

import numpy as np

from rtaudio.devices.file import Frames
from rtaudio.devices.portaudio import PortAudioDevice, burst, common_rate, find_device, native_block
from rtaudio.dsp.resample import MOST_HOPS
from rtaudio.engine.budget import plan_budget
from rtaudio.engine.live import LiveEngine
from rtaudio.stream.stage import NativeStage
from rtaudio.tasks.chunks import RateConverter

USUAL_RATE, HOPS_PER_S = 48000, 100

Listener = TypeVar("Listener", bound=NativeStage)


class Hearing:
    """Gives chunks `(n, channels)` at `rate` to a stage of hops at `stage_rate`; channels are averaged."""

    def __init__(self, stage: NativeStage, stage_rate: int, rate: int) -> None:
        (self._hop,) = stage.in_spec.shape
        self._stage, self._rate = stage, stage_rate
        self._converter = RateConverter(rate, stage_rate, 1)
        self._waiting, self._out = np.zeros(0, np.float32), np.empty(self._hop, np.float32)

    def hear(self, chunk: Frames) -> None:
        """Run the stage for every whole hop there is now."""
        self._run(self._converter.process(chunk.mean(axis=1, dtype=np.float32, keepdims=True)))

    def finish(self, silence_s: float) -> None:
        """Run it for what is left, `silence_s` of silence, and whatever a last hop misses."""
        self._run(self._converter.flush())
        size = round(silence_s * self._rate)
        self._run(np.zeros((size + -(self._waiting.size + size) % self._hop, 1), np.float32))

    def _run(self, x: Frames) -> None:
        waiting = np.concatenate([self._waiting, x[:, 0]])
        whole = waiting.size // self._hop * self._hop
        for at in range(0, whole, self._hop):
            self._stage.process(waiting[at : at + self._hop], self._out)
        self._waiting = waiting[whole:].copy()


def serves(rate: int) -> bool:
    """Whether hops of 10 ms, or MOST_HOPS at once or fewer, are a whole number of samples at `rate`."""
    return Fraction(rate, HOPS_PER_S).denominator <= MOST_HOPS


def open_microphone(
    build: Callable[[int], Listener], source: int | str | None = None
) -> tuple[LiveEngine, Listener]:
    """A running engine with `build(sample_rate)` listening to a microphone; no speakers are needed.

    The rate is USUAL_RATE where the microphone has it. Raises DeviceError where it can't be found
    or opened.
    """
    microphone = find_device(source, "input")
    rate = common_rate(microphone, microphone, USUAL_RATE, serves)
    stage = build(rate)
    block = native_block(microphone) or rate // HOPS_PER_S
    device = PortAudioDevice(source, sample_rate=rate, block=block, out_channels=0)
    engine = LiveEngine(stage, device, plan_budget(stage, rate, block=block, burst=burst(microphone)))
    engine.start()
    return engine, stage
