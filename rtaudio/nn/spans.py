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


def spoken_span(x: Samples) -> tuple[int, int]:
    """First and last sample of the voice in a recording; all of it where nothing stands out."""
    active = np.flatnonzero(active_frames(x))
    return (int(active[0]) * FRAME, int(active[-1] + 1) * FRAME) if active.size else (0, x.size)
