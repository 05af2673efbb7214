"""What fixes the denoiser net: sizes, bands and time constants, shared by training and live."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import ConfigError
from rtaudio.kernels.window import pair_latency


@dataclass(frozen=True)
class DenoiseConfig:
    """Sizes of the denoiser net.

    - window: of analysis and synthesis, by its name in `rtaudio.dsp`. "asymmetric" hears n_fft samples and
      delays by a hop.
    - n_bands: ERB-spaced bands the net hears; it sets a gain for every bin. With 128 a band is a bin up to
      1 kHz and two at 2.5 kHz, so that the harmonics of a voice are told apart.
    - channels, kernel_size, dilations: causal convolution blocks over frames.
    - mingru_every: a minimal gated unit follows every so many blocks; 0 for none.
    - hidden: state of an LSTM after them all; 0 for none.
    - level_tau_s: time constant of the running mean of the level, taken from the features.
    - power_floor: added to band power before log10. 1e-10 is the power a bin gets from noise of
      about -127 dBFS, below what 16 bits store.
    """

    sample_rate: int = 48000
    n_fft: int = 960
    hop_length: int = 480
    window: str = "sqrt_hann"
    n_bands: int = 128
    channels: int = 256
    kernel_size: int = 3
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2)
    mingru_every: int = 0
    hidden: int = 192
    level_tau_s: float = 1.5
    power_floor: float = 1e-10

    def __post_init__(self) -> None:
        object.__setattr__(self, "dilations", tuple(self.dilations))
        if not 2 <= self.n_bands <= self.n_bins:
            raise ConfigError(f"n_bands={self.n_bands} must be 2 to the number of bins, {self.n_bins}")
        for name in ("sample_rate", "hop_length", "channels", "kernel_size", "level_tau_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be above 0")
        for name in ("hidden", "mingru_every"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be 0 (none) or more")
        if not self.dilations or min(self.dilations) < 1:
            raise ConfigError(f"dilations={self.dilations} must be one or more numbers, each at least 1")

    @property
    def n_bins(self) -> int:
        return self.n_fft // 2 + 1

    @property
    def n_mingrus(self) -> int:
        return len(self.dilations) // self.mingru_every if self.mingru_every else 0

    def mingru_after(self, block: int) -> int | None:
        """Which minGRU follows a block, both counted from 0."""
        follows = self.mingru_every and (block + 1) % self.mingru_every == 0
        return block // self.mingru_every if follows else None

    @property
    def latency(self) -> int:
        """Samples from input to output, but for those of the hop itself."""
        return pair_latency(self.window, self.n_fft, self.hop_length)

    @property
    def level_decay(self) -> float:
        """What a frame's level still counts one hop later in the running mean."""
        return math.exp(-self.hop_length / (self.level_tau_s * self.sample_rate))


def erb_rate(frequency_hz: float) -> float:
    """Position on the ERB-rate scale (Glasberg & Moore 1990, equation 4)."""
    return 21.4 * math.log10(1 + 0.00437 * frequency_hz)


def erb_frequency_hz(rate: float) -> float:
    """Inverse of `erb_rate`."""
    return float((10 ** (rate / 21.4) - 1) / 0.00437)


def band_centres(config: DenoiseConfig) -> NDArray[np.int64]:
    """Bins `(n_bands,)` the bands peak at: 0 to n_bins - 1, rising, equally spaced in ERB rate.

    Low bands, where that would put several in a bin, take a bin each; the rest share what is
    left equally.
    """
    bin_hz = config.sample_rate / config.n_fft
    last = erb_rate((config.n_bins - 1) * bin_hz)
    centres = [0]
    for to_place in range(config.n_bands - 1, 0, -1):
        here = erb_rate(centres[-1] * bin_hz)
        wanted = round(erb_frequency_hz(here + (last - here) / to_place) / bin_hz)
        centres.append(min(max(wanted, centres[-1] + 1), config.n_bins - to_place))
    return np.array(centres)


def erb_bands(config: DenoiseConfig) -> NDArray[np.float32]:
    """Triangular band filters `(n_bands, n_bins)`, each row summing to 1: `erb_bands @ power`.

    A band reaches from the centre of the one below to the centre of the one above.
    """
    bins, centres = np.arange(config.n_bins), band_centres(config)
    triangles = np.stack([np.interp(bins, centres, row) for row in np.eye(config.n_bands)])
    bands: NDArray[np.float32] = (triangles / triangles.sum(1, keepdims=True)).astype(np.float32)
    return bands
