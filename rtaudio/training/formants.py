"""One speaker's recordings as another's: formants moved while the pitch stays.

Copies at other speeds move pitch and formants together, as a record played faster does; people differ in
both apart. The spectral envelope is taken by cepstral smoothing (Oppenheim & Schafer 1975, §10.3), read
off at other frequencies (a vocal tract of another length, Jaitly & Hinton 2013) and put in its own place.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rtaudio.kernels.window import make_window

Samples = NDArray[np.float32]

N_FFT, HOP = 1024, 512
LIFTER_S, LIFTER_FADE = 1.5e-3, 12
"""What of the cepstrum is envelope: voices of up to 500 Hz have their pitch above it. It ends in a fade."""
HIGHEST_HZ, CEILING_HZ = 4500.0, 10000.0
"""Formants lie below the first; from the second on, everything stays where it is."""
MOST_DB = 26.0
"""A bin is changed by no more: what a recording lacks can't be made of its noise."""
TINY = 1e-5


def move_formants(x: Samples, factor: float, limit_hz: float, sample_rate: int) -> Samples:
    """`x` `(n,)` with its formants at `factor` times their frequency (0.7 to 1.4), its pitch as it was.

    - limit_hz: where the recording's content ends; nothing is moved across it.
    """
    window = torch.from_numpy(make_window("sqrt_hann", N_FFT).astype(np.float32))
    padded = functional.pad(torch.from_numpy(x), (N_FFT - HOP, N_FFT))
    spectra = torch.fft.rfft(padded.unfold(0, N_FFT, HOP) * window)
    envelope = _envelope(spectra, sample_rate)
    low, share = _places(factor, min(limit_hz, CEILING_HZ), sample_rate)
    moved = envelope[:, low] * (1 - share) + envelope[:, low + 1] * share
    most = math.log(10 ** (MOST_DB / 20))
    frames = torch.fft.irfft(spectra * torch.exp((moved - envelope).clamp(-most, most)), N_FFT) * window
    y = functional.fold(frames.T[None], (1, padded.numel()), (1, N_FFT), stride=(1, HOP))[0, 0, 0]
    return y[N_FFT - HOP : N_FFT - HOP + x.size].numpy()


def _envelope(spectra: Tensor, sample_rate: int) -> Tensor:
    """Natural logarithm of the smooth part of the magnitudes `(T, n_bins)`."""
    kept = round(LIFTER_S * sample_rate)
    lifter = torch.zeros(N_FFT)
    lifter[: kept - LIFTER_FADE] = 1
    lifter[kept - LIFTER_FADE : kept] = torch.linspace(1, 0, LIFTER_FADE)
    lifter[-kept + 1 :] = lifter[1:kept].flip(0)
    cepstra = torch.fft.irfft(torch.log(spectra.abs() + TINY), N_FFT)
    return torch.fft.rfft(cepstra * lifter).real


def _places(factor: float, limit_hz: float, sample_rate: int) -> tuple[Tensor, Tensor]:
    """For each bin, where its new envelope is read: the bin below that place, and how far past it.

    Straight from 0 to the highest formant, then back to every bin's own place at `limit_hz`.
    """
    hz = np.arange(N_FFT // 2 + 1) * sample_rate / N_FFT
    bend = min(HIGHEST_HZ, 0.55 * limit_hz)
    bends = [0.0, bend, limit_hz, sample_rate / 2]
    places = np.interp(hz, [0.0, bend * factor, *bends[2:]], bends) * N_FFT / sample_rate
    low = np.minimum(places.astype(np.int64), N_FFT // 2 - 1)
    return torch.from_numpy(low), torch.from_numpy((places - low).astype(np.float32))
