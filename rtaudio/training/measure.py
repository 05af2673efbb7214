"""What a recording really holds: bandwidth, dynamics, level. Plain numpy, run once per clip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

FRAME = 1024
SILENCE_POWER = 1e-12
BAND_THRESHOLD_DB = -75.0
"""A band counts as present down to this below the peak band of loud frames: dark microphones
(-72 dB at 10 kHz) still count, codec leakage and resampler skirts (-85 dB and less) do not."""


def frame_levels_db(x: Samples) -> NDArray[np.float64]:
    """Power of each whole frame of 1024 samples, in dB full scale."""
    frames = x[: x.size // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level: NDArray[np.float64] = 10 * np.log10(np.square(frames).mean(1) + SILENCE_POWER)
    return level


def dynamic_db(x: Samples) -> float:
    """Loud (95th percentile) over quiet (10th percentile) frames, in dB; 0 for a clip under two frames."""
    if x.size < 2 * FRAME:
        return 0.0
    low, high = np.percentile(frame_levels_db(x), (10, 95))
    return float(high - low)


def bandwidth_hz(x: Samples, sample_rate: int, limit_hz: float) -> float:
    """Highest frequency with content in loud frames, at most `limit_hz`.

    From 19 kHz up it counts as full band: lossy codecs end at 20 kHz, where speech holds nothing to keep.
    """
    if x.size < FRAME:
        return limit_hz
    frames = x[: x.size // FRAME * FRAME].reshape(-1, FRAME)
    loud = frames[frame_levels_db(x) >= np.percentile(frame_levels_db(x), 70)]
    power = np.square(np.abs(np.fft.rfft(loud * np.hanning(FRAME), axis=1))).mean(0) + SILENCE_POWER
    bands = power[: FRAME // 2].reshape(-1, 8).mean(1)  # 375 Hz each at 48 kHz
    present = np.flatnonzero(10 * np.log10(bands / bands.max()) > BAND_THRESHOLD_DB)
    top = float((present[-1] + 1) * 8 * sample_rate / FRAME)
    nyquist = sample_rate / 2
    return nyquist if min(top, limit_hz) >= 0.8 * nyquist else min(top, limit_hz)


def power(x: Samples) -> float:
    """Mean square, of all samples."""
    return float(np.dot(x, x)) / max(x.size, 1)


def active_power(x: Samples) -> float:
    """Mean square of the frames within 30 dB of the loudest: pauses do not make speech quieter."""
    if x.size < FRAME:
        return power(x)
    levels = frame_levels_db(x)
    return float((10 ** (levels[levels > levels.max() - 30] / 10)).mean())
