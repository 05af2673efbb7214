"""Frames to spectra and back on tensors, for many streams at once: by FFT, or by a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtaudio.kernels.window import dual_window, window_pair
from rtaudio.nn.denoise_config import DenoiseConfig


class FftTransform:
    """STFT frames by FFT: cheapest where there are many streams.

    Spectra are `(B, n_bins, 2)`: real and imaginary part of each bin, unnormalised. Torch's FFTs take
    memory for a moment. `work` is what they are given, made once.
    """

    def __init__(self, config: DenoiseConfig, streams: int, device: torch.device) -> None:
        self._n_fft = config.n_fft
        self.window, self.dual = (put(window, device, torch.float32) for window in _windows(config))
        self.work = {"windowed": torch.zeros(streams, config.n_fft, device=device)}

    def analyse(self, frame: Tensor, out: Tensor) -> Tensor:
        """Samples `(B, n_fft)` to a spectrum, in `out`."""
        windowed = torch.mul(frame, self.window, out=self.work["windowed"])
        torch.fft.rfft(windowed, out=torch.view_as_complex(out))
        return out

    def synthesise(self, spectrum: Tensor, out: Tensor) -> Tensor:
        """A spectrum to samples `(B, n_fft)`, windowed to be overlapped and added, in `out`."""
        torch.fft.irfft(torch.view_as_complex(spectrum), self._n_fft, norm="forward", out=out)
        return out.mul_(self.dual)


class MatrixTransform:
    """The same as `FftTransform` by a matrix each way: more arithmetic, a third of the operations.

    Cheapest for a few streams on a GPU. Needs true float32 products: TF32 leaves noise at -60 dB.
    """

    def __init__(self, config: DenoiseConfig, streams: int, device: torch.device) -> None:
        window, dual = _windows(config)
        basis = np.fft.rfft(np.eye(config.n_fft))  # (sample, bin)
        turns = np.stack([basis.real, basis.imag], -1).reshape(config.n_fft, -1)
        # A bin between the first and the last stands for its mirror image, too.
        twice = np.full((config.n_bins, 1), 2.0)
        twice[[0, -1] if config.n_fft % 2 == 0 else [0]] = 1.0
        back = turns.T * np.repeat(twice, 2, 0) * dual
        self.forth = put(window[:, None] * turns, device, torch.float32)
        self.back = put(back, device, torch.float32)
        self.work: dict[str, Tensor] = {}

    def analyse(self, frame: Tensor, out: Tensor) -> Tensor:
        torch.mm(frame, self.forth, out=out.flatten(1))
        return out

    def synthesise(self, spectrum: Tensor, out: Tensor) -> Tensor:
        return torch.mm(spectrum.flatten(1), self.back, out=out)


TRANSFORMS: dict[str, type[FftTransform] | type[MatrixTransform]] = {
    "fft": FftTransform,
    "matrix": MatrixTransform,
}


def put(array: NDArray[Any], device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor of its own with the values of `array`."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device=device, dtype=dtype, copy=True)


def _windows(config: DenoiseConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Window of analysis, and of synthesis after an inverse FFT without its 1/n."""
    window, shape = window_pair(config.window, config.n_fft, config.hop_length)
    return window, dual_window(window, shape, config.hop_length) / config.n_fft
