"""From one sample rate to another, hop by hop."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from rtaudio.errors import ConfigError
from rtaudio.kernels.polyphase import DELAY, polyphase_step, polyphase_table
from rtaudio.stream.arena import Arena
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.several import Several
from rtaudio.stream.stage import NativeStage, Spec

MOST_HOPS = 10
"""At once, in `at_rate`: enough for hops of 4, 5 and 10 ms at all usual rates; more are a long delay."""


class Resample(NativeStage):
    """`hop_length` samples at `in_rate` in, the same time at `out_rate` out: 441 -> 480, say.

    Latency 40 samples of the lower rate: 0.9 ms at 44.1 kHz, 2.5 ms at 16 kHz. Flat within
    0.001 dB up to 0.92 of the lower Nyquist frequency, 6 dB down there and 100 dB from 1.08 of it.
    That is the trade-off: what lies in the top 8 % of the band (20.3 to 22 kHz at 44.1 kHz) is
    mirrored just beyond it, and a filter that leaves nothing there would be twice as long.
    With equal rates the output is the input, 40 samples later.

    Raises ConfigError for a rate that isn't positive, or a hop that is no whole number of samples
    at `out_rate`.
    """

    def __init__(self, in_rate: int, out_rate: int, hop_length: int) -> None:
        _check_positive(in_rate=in_rate, out_rate=out_rate, hop_length=hop_length)
        self.ratio = Fraction(out_rate, in_rate)
        up, down = self.ratio.as_integer_ratio()
        if hop_length % down:
            raise ConfigError(
                f"hop_length={hop_length} at {in_rate} Hz is {float(hop_length * self.ratio):g} samples at "
                f"{out_rate} Hz, and must be a whole number: a multiple of {down}"
            )
        table = polyphase_table(up, down)
        taps, hop_out = table.shape[1], hop_length * up // down
        arena = Arena(
            (hop_length, hop_out, up, down, taps),
            constants={"table": table},
            state={"history": np.zeros(taps - 1 + hop_length, np.float32)},
        )
        latency = DELAY * max(Fraction(1), 1 / self.ratio)
        super().__init__(polyphase_step.address, arena, Spec((hop_length,)), Spec((hop_out,)), latency)


def at_rate(stage: NativeStage, stage_rate: int, sample_rate: int) -> NativeStage:
    """`stage`, made for `stage_rate`, for samples of another rate: there and back, or as it is.

    What `at_rate` brought to `stage_rate` is taken out of there first, so sound is never resampled twice.
    Raises ConfigError where not even MOST_HOPS hops are whole at `sample_rate`.
    """
    if sample_rate == stage_rate:
        return stage
    if isinstance(stage, AtRate):
        return at_rate(stage.inner, stage.inner_rate, sample_rate)
    return AtRate(stage, stage_rate, sample_rate)


def hops_at_once(stage: NativeStage, stage_rate: int, sample_rate: int) -> int:
    """How many hops `at_rate` makes one of: the fewest that are a whole number of samples at both rates.

    It refuses more than MOST_HOPS.
    """
    if isinstance(stage, AtRate):
        return hops_at_once(stage.inner, stage.inner_rate, sample_rate)
    return Fraction(stage.in_spec.size * sample_rate, stage_rate).denominator


class AtRate(Pipeline):
    """`inner`, made for `inner_rate`, between resamplers from another rate and back to it.

    Where one hop of `inner` is no whole number of samples, a few at once are, up to MOST_HOPS: a hop of
    this stage is `hops` of those.
    """

    def __init__(self, inner: NativeStage, inner_rate: int, sample_rate: int) -> None:
        there, middle = _there(inner, inner_rate, sample_rate)
        self.inner_rate, self.sample_rate = inner_rate, sample_rate
        self.hops = middle.in_spec.size // inner.in_spec.size
        super().__init__([there, middle, Resample(inner_rate, sample_rate, middle.out_spec.size)])

    @property
    def inner(self) -> NativeStage:
        middle = self.stages[1]
        return middle.stage if isinstance(middle, Several) else middle

    def in_bursts(self, hops: int) -> NativeStage:
        patient = self.inner.in_bursts(self.hops * hops)
        return self if patient is self.inner else AtRate(patient, self.inner_rate, self.sample_rate)


def heard_at(stage: NativeStage, stage_rate: int, sample_rate: int) -> NativeStage:
    """`stage`, made for `stage_rate`, for samples of another rate; what it gives stays as it is.

    Raises ConfigError where not even MOST_HOPS hops are whole at `sample_rate`.
    """
    return stage if sample_rate == stage_rate else Pipeline(_there(stage, stage_rate, sample_rate))


def _there(stage: NativeStage, stage_rate: int, sample_rate: int) -> tuple[Resample, NativeStage]:
    """From `sample_rate` to `stage`, and the stage itself, a few hops at once where need be."""
    _check_positive(stage_rate=stage_rate, sample_rate=sample_rate)
    hops = hops_at_once(stage, stage_rate, sample_rate)
    if hops > MOST_HOPS:
        raise ConfigError(
            f"hops of {stage.in_spec.size} samples at {stage_rate} Hz are no whole number of samples at "
            f"{sample_rate} Hz, nor are {MOST_HOPS} at once or fewer"
        )
    several = stage if hops == 1 else Several(stage, hops)
    size = several.in_spec.size * sample_rate // stage_rate
    return Resample(sample_rate, stage_rate, size), several


def _check_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ConfigError(f"{name}={value} must be at least 1")
