"""What fixes a net that listens to speech at 16 kHz: its features and its convolutions over them.

The keyword spotter, the word embedding and the voice activity detector are such nets; each adds
what is its own (`keywords_config`, `embedding_config`, `vad_config`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import ConfigError
from rtaudio.kernels.mel import mel_filters


@dataclass(frozen=True)
class SpeechConfig:
    """Sizes shared by the nets over speech.

    - n_fft, hop_length, window: bins of 50 Hz, as the denoiser's at 48 kHz, so that one STFT can
      serve both: its bins 0 to 160, divided by 3, are these.
    - n_bands: mel bands from low_hz to high_hz.
    - level_tau_s: time constant of the running mean of the level, taken from the features.
    - power_floor: added to band power before log10; 1e-8 is what noise of -102 dBFS gives a bin,
      under the noise of any microphone and above what a file's digital silence holds.
    - stride: the convolutions run once every `stride` hops, on that many frames side by side.
    - channels, kernel_size, dilations: causal convolution blocks over those.
    """

    sample_rate: int = 16000
    n_fft: int = 320
    hop_length: int = 160
    window: str = "sqrt_hann"
    n_bands: int = 40
    low_hz: float = 60.0
    high_hz: float = 7600.0
    level_tau_s: float = 1.5
    power_floor: float = 1e-8
    stride: int = 2
    channels: int = 96
    kernel_size: int = 5
    dilations: tuple[int, ...] = (1, 1, 2, 2, 4, 4, 4)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dilations", tuple(self.dilations))
        for name in ("sample_rate", "hop_length", "stride", "channels", "kernel_size", "level_tau_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be above 0")
        if not self.dilations or min(self.dilations) < 1:
            raise ConfigError(f"dilations={self.dilations} must be one or more numbers, each at least 1")
        if not 0 <= self.low_hz < self.high_hz <= self.sample_rate / 2:
            raise ConfigError(
                f"low_hz={self.low_hz} and high_hz={self.high_hz} must rise within 0 to half the rate"
            )

    @property
    def n_bins(self) -> int:
        return self.n_fft // 2 + 1

    @property
    def n_outputs(self) -> int:
        """Numbers the net gives a hop."""
        raise NotImplementedError

    @property
    def level_decay(self) -> float:
        """What a frame's level still counts one hop later in the running mean."""
        return math.exp(-self.hop_length / (self.level_tau_s * self.sample_rate))

    @property
    def receptive_field(self) -> int:
        """Hops the net looks back over, the newest included."""
        return self.stride * (1 + (self.kernel_size - 1) * sum(self.dilations))


def mel_bands(config: SpeechConfig) -> NDArray[np.float32]:
    """Slaney's mel filters `(n_bands, n_bins)`, each row summing to 1: `mel_bands @ power`.

    Raises ConfigError where a band is so narrow that it holds no bin.
    """
    c = config
    filters = mel_filters(c.n_fft, c.sample_rate, c.n_bands, c.low_hz, c.high_hz, htk=False, area=False)
    if not filters.any(1).all():
        raise ConfigError(f"n_bands={c.n_bands} is too many for n_fft={c.n_fft}: every band must hold a bin")
    return np.asarray(filters / filters.sum(1, keepdims=True), np.float32)
