"""Where in a recording its voice lies, by level alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

FRAME = 160
"""Samples of 10 ms at 16 kHz, the rate of everything here."""


def frame_db(x: Samples) -> NDArray[np.float64]:
    """Level of each 10 ms, smoothed over 50 ms, in dB full scale."""
    frames = np.square(x[: x.size // FRAME * FRAME].reshape(-1, FRAME)).mean(1, dtype=np.float64)
    return 10 * np.log10(np.convolve(frames, np.full(5, 0.2), "same")[: frames.size] + 1e-10)


def active_frames(x: Samples) -> NDArray[np.bool_]:
    """Which 10 ms of a recording hold its voice: nearer to its loud frames than to its quiet ones.

    A third of the way up from the quiet ones, within 35 dB of the loud ones, and above -70 dBFS.
    """
    if x.size < 5 * FRAME:
        return np.ones(x.size // FRAME, bool)
    level = frame_db(x)
    low, high = np.percentile(level, (10, 95))
    active: NDArray[np.bool_] = level >= max(low + 0.35 * (high - low), high - 35, -70)
    return active


PAUSE = 25
"""Frames of quiet after which what follows is no part of a word: longer than a stop's closure."""


def word_span(x: Samples) -> tuple[int, int]:
    """First and last sample of the one word in a recording, whatever else is in it.

    The stretch with the most energy, pauses of up to a quarter of a second in it. Frames count as its own
    within 30 dB of the loud ones and a third of the way up from the quiet ones, digital silence aside: where
    noise was recorded between two stretches of that, all of the noise would be near the loud. Lows are
    turned down by a first difference, or a hum outlasts the word and an "s" at its end is lost in it.
    """
    if x.size < 5 * FRAME:
        return 0, x.size
    level, low, high = _levels(x)
    active = np.flatnonzero(level >= max(low + 0.35 * (high - low), high - 30))
    stretches = np.split(active, np.flatnonzero(np.diff(active) > PAUSE) + 1)
    energy = 10 ** (level / 10)
    word = max(stretches, key=lambda frames: energy[frames].sum())
    return int(word[0]) * FRAME, int(word[-1] + 1) * FRAME


def contrast_db(x: Samples) -> float:
    """How far the loud frames of a recording are above its quiet ones; some dB where it is all one noise."""
    _, low, high = _levels(x)
    return high - low


def _levels(x: Samples) -> tuple[NDArray[np.float64], float, float]:
    """Level of each frame, lows turned down; of what isn't silence, that of the quiet and the loud ones."""
    before = np.concatenate([x[:1], x[:-1]]).astype(np.float32)
    level = frame_db((x - np.float32(0.9) * before).astype(np.float32))  # -20 dB at 0 Hz
    low, high = np.percentile(level[level > level.max() - 70], (10, 95))
    return level, float(low), float(high)


def spoken_span(x: Samples) -> tuple[int, int]:
    """First and last sample of the voice in a recording; all of it where nothing stands out."""
    active = np.flatnonzero(active_frames(x))
    return (int(active[0]) * FRAME, int(active[-1] + 1) * FRAME) if active.size else (0, x.size)
