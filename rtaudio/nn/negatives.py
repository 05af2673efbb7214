"""What the embedding says about sound in which nobody says a word of the user: it comes with the weights."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import WeightsError
from rtaudio.files import whole
from rtaudio.nn.embedding import LAG, TAPS
from rtaudio.nn.weights import DIRECTORY, Weights

Floats = NDArray[np.float64]

NEGATIVES = DIRECTORY / "negatives.npy"
SPACING = 4
"""Strides between two bundled embeddings: 80 ms, so a head's LAG is LAG / SPACING of them."""

FITTED_SHARE = 3
"""One negative in so many is fitted against; all set the threshold."""
PEAKS = 30
"""Highest scores of the negatives, at least a second apart, whose tail gives the threshold."""


@dataclass(frozen=True)
class Spread:
    """Mean `(d,)` and covariance `(d, d)` of some sound as a head sees it."""

    mean: Floats
    covariance: Floats


@dataclass(frozen=True)
class Negatives:
    """What the embedding says about sound in which nobody says the word.

    - streams: embeddings `(n, size)` float32 of each stretch, SPACING strides apart.
    """

    streams: tuple[NDArray[np.float32], ...]

    @cached_property
    def spread(self) -> Spread:
        """Of one in FITTED_SHARE of what a head sees (neighbours are nearly alike)."""
        return spread_of(np.concatenate([windows[::FITTED_SHARE] for windows in self.windows()]))

    @property
    def hours(self) -> float:
        return sum(map(len, self.streams)) * SPACING * 0.02 / 3600

    def windows(self) -> list[NDArray[np.float32]]:
        """Of each stretch, what a head sees: `(n, TAPS * size)`."""
        lag = LAG // SPACING
        counts = [len(stream) - (TAPS - 1) * lag for stream in self.streams]
        return [
            np.hstack([stream[tap * lag : tap * lag + count] for tap in range(TAPS)])
            for stream, count in zip(self.streams, counts, strict=True)
            if count > 0
        ]


def save_negatives(path: Path, streams: Sequence[NDArray[np.float32]]) -> str:
    """Write embeddings `(strides, size)` as int8, a row of zeros between stretches; returns their SHA-256."""
    rows = [np.vstack([stream[::SPACING], np.zeros((1, stream.shape[1]))]) for stream in streams]
    buffer = io.BytesIO()
    np.save(buffer, np.round(127 * np.concatenate(rows)).astype(np.int8), allow_pickle=False)
    with whole(path) as unfinished:
        unfinished.write_bytes(buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def load_negatives(weights: Weights, path: Path = NEGATIVES) -> Negatives:
    """Embeddings of negatives made with these weights; WeightsError where they are not, or missing."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != weights.card.get("negatives_sha256"):
        raise WeightsError(f"{path}: not the negatives of these embedding weights, or corrupt")
    rows = np.load(io.BytesIO(content), allow_pickle=False)
    ends = np.flatnonzero(~rows.any(1))
    parts = np.split(rows.astype(np.float32), ends)
    whole = [part[part.any(1)] for part in parts]
    return Negatives(tuple(part / np.linalg.norm(part, axis=1, keepdims=True) for part in whole if len(part)))


def spread_of(windows: NDArray[np.float32]) -> Spread:
    """Of windows `(n, d)`. The products are float32: a second of them would be three, and to no end."""
    mean = windows.mean(0, dtype=np.float64)
    centred = windows - mean.astype(np.float32)
    return Spread(mean, (centred.T @ centred).astype(np.float64) / max(len(windows) - 1, 1))


def tail_threshold(scores: Sequence[NDArray[np.float32]], hours: float, per_hour: float) -> float:
    """Score that is passed `per_hour` times an hour, by an exponential through the highest peaks.

    Peaks are at least a second apart. The tail is that of the PEAKS highest (Pickands 1975: beyond a
    high level, excesses of almost anything are exponential or near it).
    """
    apart = round(1.0 / (SPACING * 0.02))
    peaks: list[float] = []
    for stream in scores:
        padded = np.pad(stream, (0, -len(stream) % apart), constant_values=-np.inf)
        peaks += padded.reshape(-1, apart).max(1).tolist()
    highest = np.sort(peaks)[::-1][:PEAKS]
    base = float(highest[-1])
    excess = float(np.mean(highest - base))
    return base + excess * math.log(max(len(highest) / (per_hour * hours), 1.0))
