"""How long speech takes through a model: measured, since what a manifest says of it is only said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr

from rtaudio.stream.offline import run_offline
from rtaudio.stream.stage import Samples, Stage
from rtaudio.tasks.demo import SAMPLE_RATE, load_demo

LIKENESS = 0.3
"""Least correlation of speech in and out, at its peak, at which the peak says what the delay is."""

WORDS_S = (0.5, 2.0)
"""Where the first words of the bundled recording are: enough to see a delay by, in 0.1 s or so."""
NEAR_S = 0.001  # that little off is none to the ear, and a net may smear its sound over it
CLEARLY = 0.5
"""Of the correlation at the peak, what must be missing near the declared delay for it to be false. Of
models seen so far true ones have all of it there, and those 10 or 16 ms off a quarter at most."""


@dataclass(frozen=True)
class Delay:
    """Where speech in and out are most alike.

    - samples: how much later it comes out. likeness: how alike, the size of their correlation, 0..1.
    - declared: the same near the delay that the stage claims. NaN, both, where NaN came out.
    """

    samples: int
    likeness: float
    declared: float

    @property
    def is_false(self) -> bool:
        """Whether the claim is beyond doubt false, and not only inexact, or out of sight."""
        return self.likeness >= LIKENESS and self.declared < CLEARLY * self.likeness


def clean_speech(sample_rate: int) -> Samples:
    """The bundled clean recording, ±1."""
    speech: Samples = soxr.resample(load_demo().clean, SAMPLE_RATE, sample_rate).astype(np.float32)
    return speech


def first_words(sample_rate: int) -> Samples:
    """A short part of it."""
    begin, end = (round(at_s * sample_rate) for at_s in WORDS_S)
    return clean_speech(sample_rate)[begin:end]


def measure_delay(stage: Stage, speech: Samples, sample_rate: int) -> Delay:
    """Run a stage, from its beginning, over speech. Raises what the stage does."""
    stage.reset()
    out = run_offline(stage, speech)
    size = 1 << (2 * out.size).bit_length()
    with np.errstate(invalid="ignore", over="ignore"):  # of infinity no delay is seen, and no fuss made
        both = np.fft.irfft(np.fft.rfft(out, size) * np.fft.rfft(speech, size).conj(), size)[: out.size]
        alike = np.abs(both) / (np.linalg.norm(out) * np.linalg.norm(speech) + 1e-12)
    peak, near = int(np.argmax(alike)), round(NEAR_S * sample_rate)
    around = alike[max(0, stage.latency - near) : stage.latency + near + 1]
    return Delay(peak, float(alike[peak]), float(around.max(initial=0.0)))
