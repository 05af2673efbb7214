"""Mel spectrogram and cepstrum, one frame at a time, as librosa defines them."""

from __future__ import annotations

import numpy as np

from rtaudio.errors import ConfigError
from rtaudio.kernels.mel import (
    DECIBEL,
    LINEAR,
    MAGNITUDE,
    NATURAL,
    POWER,
    dct_rows,
    mel_filters,
    mel_step,
    pack_rows,
    rows_step,
)
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import NativeStage, Spec

_SCALES = {None: LINEAR, "db": DECIBEL, "ln": NATURAL}
_NORMS = {None: False, "slaney": True}


class MelSpectrogram(NativeStage):
    """Energy in `n_mels` bands: spectrum `(n_fft // 2 + 1, 2)` in, `(n_mels,)` out.

    After `Analysis(n_fft, hop_length, "hann")` it is `librosa.feature.melspectrogram` with
    `center=False`.

    - power: 2 for energy, 1 for magnitude.
    - low_hz, high_hz: edges of the lowest and the highest band; high_hz None is half the rate.
    - htk: HTK's mel scale in place of Slaney's.
    - norm: "slaney" for bands of equal area, None for peaks of 1.
    - log: None, "db" (10 log10) or "ln", of the energy or `floor` where that is larger. There
      is no `top_db`: the loudest frame to come is not known.

    Raises ConfigError for values that can't work, and for bands so narrow that they hold no bin.
    """

    def __init__(
        self,
        n_fft: int,
        sample_rate: int,
        n_mels: int = 128,
        *,
        power: int = 2,
        low_hz: float = 0.0,
        high_hz: float | None = None,
        htk: bool = False,
        norm: str | None = "slaney",
        log: str | None = None,
        floor: float = 1e-10,
    ) -> None:
        high_hz = sample_rate / 2 if high_hz is None else high_hz
        _check(n_fft, sample_rate, n_mels, power, low_hz, high_hz, norm, log, floor)
        area = _NORMS[norm]
        filters = mel_filters(n_fft, sample_rate, n_mels, low_hz, high_hz, htk=htk, area=area)
        if not filters.any(axis=1).all():
            raise ConfigError(
                f"n_mels={n_mels} is too many for n_fft={n_fft} at {sample_rate} Hz from {low_hz:g} to "
                f"{high_hz:g} Hz: every band must hold a bin"
            )
        spans, weights = pack_rows(filters)
        n_bins = n_fft // 2 + 1
        arena = Arena(
            (n_bins, n_mels, power, _SCALES[log]),
            constants={"spans": spans, "weights": weights, "floor": np.full(1, floor, np.float32)},
            state={"work": np.zeros(n_bins, np.float32)},
        )
        super().__init__(mel_step.address, arena, Spec((n_bins, 2)), Spec((n_mels,)))


class Mfcc(NativeStage):
    """Mel-frequency cepstral coefficients: log mel energies `(n_mels,)` in, `(n_mfcc,)` out.

    After `MelSpectrogram(..., log="db")` it is `librosa.feature.mfcc` without `top_db`: the
    orthonormal DCT-II, with sinusoidal lifter of that length where `lifter` is above 0.
    """

    def __init__(self, n_mels: int = 128, n_mfcc: int = 20, lifter: float = 0.0) -> None:
        if not 1 <= n_mfcc <= n_mels:
            raise ConfigError(f"n_mfcc={n_mfcc} must be from 1 to n_mels={n_mels}")
        if not 0 <= lifter < float("inf"):
            raise ConfigError(f"lifter={lifter} must be 0 or more")
        arena = Arena((n_mfcc, n_mels), constants={"rows": dct_rows(n_mfcc, n_mels, lifter)})
        super().__init__(rows_step.address, arena, Spec((n_mels,)), Spec((n_mfcc,)))


def _check(
    n_fft: int,
    sample_rate: int,
    n_mels: int,
    power: int,
    low_hz: float,
    high_hz: float,
    norm: str | None,
    log: str | None,
    floor: float,
) -> None:
    rules = [
        (n_fft >= 2, f"n_fft={n_fft} must be at least 2"),
        (sample_rate > 0, f"sample_rate={sample_rate} must be above 0"),
        (n_mels >= 1, f"n_mels={n_mels} must be at least 1"),
        (power in (POWER, MAGNITUDE), f"power={power} must be 1 or 2"),
        (
            0 <= low_hz < high_hz <= sample_rate / 2,
            f"low_hz={low_hz:g} and high_hz={high_hz:g} must rise within 0 to {sample_rate / 2:g}",
        ),
        (norm in _NORMS, f"norm={norm!r} must be 'slaney' or None"),
        (log in _SCALES, f"log={log!r} must be 'db', 'ln' or None"),
        (floor > 0, f"floor={floor} must be above 0"),
    ]
    for holds, rule in rules:
        if not holds:
            raise ConfigError(rule)
