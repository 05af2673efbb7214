"""Measures of a denoiser beside those it is trained by: pauses, level, highs, musical noise, DNSMOS.

All take signals `(n,)` float32 at 48 kHz, aligned to the sample.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from rtaudio.training.data import SAMPLE_RATE
from rtaudio.training.measure import bandwidth_hz

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]

FRAME = 960
"""20 ms: shorter than a syllable, long enough to hold a period of the lowest voice."""
PAUSE_DB, SPEECH_DB = -45.0, -20.0
"""Against the loudest frame of the clean recording: under the first it pauses, over the second it speaks."""
AIR_HZ = (8000.0, 20000.0)

DNSMOS_SAMPLES = 144160
"""9.01 s at 16 kHz, what DNSMOS hears at a time."""
DNSMOS_CURVES = {
    "SIG": (-0.08397278, 1.22083953, 0.0052439),
    "BAK": (-0.13166888, 1.60915514, -0.39604546),
    "OVRL": (-0.06766283, 1.11546468, 0.04602535),
}
"""From the net's raw output to P.835 opinion scores (Reddy et al. 2022; DNS Challenge, dnsmos_local.py)."""


def frame_powers(x: Samples) -> Floats:
    """Mean square of each whole frame."""
    frames = x[: x.size // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    powers: Floats = np.square(frames).mean(1)
    return powers


def _levels_db(clean: Samples) -> Floats:
    """Level of each frame against the loudest."""
    powers = frame_powers(clean)
    levels: Floats = 10 * np.log10(powers / (powers.max() + 1e-20) + 1e-12)
    return levels


def pause_reduction_db(clean: Samples, noisy: Samples, output: Samples) -> float:
    """How much quieter the frames came out in which the clean recording is silent; NaN without any."""
    pauses = _levels_db(clean) < PAUSE_DB
    before, after = (frame_powers(x)[pauses].sum() for x in (noisy, output))
    return float(10 * np.log10(before / (after + 1e-12))) if before > 1e-9 else float("nan")


def speech_level_db(clean: Samples, output: Samples) -> float:
    """Level of the speech in the output: of what there is proportional to the clean recording."""
    spoken = np.repeat(_levels_db(clean) > SPEECH_DB, FRAME)
    c, y = (x[: spoken.size][spoken].astype(np.float64) for x in (clean, output))
    gain = float(c @ y) / (float(c @ c) + 1e-20)
    return 20 * math.log10(max(gain, 1e-6))


def air_distance_db(clean: Samples, output: Samples) -> float:
    """Log-spectral distance, 8 to 20 kHz, over spoken frames; NaN where the recording has nothing there."""
    if bandwidth_hz(clean, SAMPLE_RATE, SAMPLE_RATE / 2) < AIR_HZ[1]:
        return float("nan")
    spoken = _levels_db(clean) > SPEECH_DB
    one, other = (_spectra_db(x)[spoken] for x in (clean, output))
    hz = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE)
    band = (hz >= AIR_HZ[0]) & (hz <= AIR_HZ[1])
    return float(np.sqrt(np.square(one - other)[:, band].mean(1)).mean())


def _spectra_db(x: Samples) -> Floats:
    """Level of each bin of each whole frame; -100 dBFS stands for all below it."""
    frames = x[: x.size // FRAME * FRAME].reshape(-1, FRAME)
    magnitude = np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1)) / (FRAME / 4)
    levels: Floats = 20 * np.log10(np.maximum(magnitude, 1e-5))
    return levels


def musical_noise(noisy: Samples, output: Samples) -> float:
    """Kurtosis of bin powers after over before, 200 Hz to 8 kHz; 1 is as even as the noise was.

    Isolated tones that come and go make the distribution's tail longer: log10 of this ratio follows how
    musical people find what is left (Uemura et al., "Automatic optimization scheme of spectral
    subtraction based on musical noise assessment via higher-order statistics", IWAENC 2008). For noise alone.
    """
    return _power_kurtosis(output) / _power_kurtosis(noisy)


def _power_kurtosis(x: Samples) -> float:
    frames = np.lib.stride_tricks.sliding_window_view(x, FRAME)[:: FRAME // 2]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1)))[:, 4:160]
    power = power / (power.mean(0) + 1e-20)  # each bin by its own level: colour is no music
    return float((power**4).mean() / (power**2).mean() ** 2)


def estoi_percent(clean: Samples, output: Samples) -> float:
    """Extended STOI (Jensen & Taal 2016), in percent."""
    from pystoi import stoi

    return 100 * float(stoi(at_16k(clean), at_16k(output), 16000, extended=True))


def at_16k(x: Samples) -> Samples:
    """The same at 16 kHz."""
    y: Samples = soxr.resample(x, SAMPLE_RATE, 16000)
    return y


class Dnsmos:
    """DNSMOS P.835: what listeners would say of speech, noise and the whole, 1 to 5, without a reference."""

    def __init__(self, model: Path) -> None:
        self._session = _session(model)

    def __call__(self, x: Samples) -> dict[str, float]:
        """Mean over windows of 9.01 s, a second apart; what is shorter is repeated."""
        x = at_16k(x)
        x = np.tile(x, -(-DNSMOS_SAMPLES // x.size)) if x.size < DNSMOS_SAMPLES else x
        starts = range(0, x.size - DNSMOS_SAMPLES + 1, 16000)
        raw = [self._session.run(None, {"input_1": x[None, s : s + DNSMOS_SAMPLES]})[0][0] for s in starts]
        return {
            name: float(np.polyval(curve, [row[i] for row in raw]).mean())
            for i, (name, curve) in enumerate(DNSMOS_CURVES.items())
        }


@functools.cache
def _session(model: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
