"""Scores of a denoiser on fixed mixes of validation speakers and noises.

SI-SDR (Le Roux et al., "SDR: half-baked or well done?", ICASSP 2019) at 48 kHz; PESQ wide band
(ITU-T P.862.2) and STOI (Taal et al. 2011) at 16 kHz where `pesq` and `pystoi` are installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from rtaudio.kernels.window import dual_window, window_pair
from rtaudio.nn.torch.denoise import DenoiseNet
from rtaudio.training.data import SAMPLE_RATE, ClipStore
from rtaudio.training.measure import power
from rtaudio.training.mixing import Picker, at_snr

Samples = NDArray[np.float32]

WIDE_BAND_HZ = (
    8500.0  # narrower clean speech (telephone, 16 kHz) scores a denoiser on bands the reference lacks
)
SNR_RANGE_DB = (-5.0, 15.0)
MIX_RMS = 0.05  # -26 dBFS, the level ITU-T P.56 speech is normalised to


@dataclass(frozen=True)
class Pair:
    """A clean recording and the same with noise, `(n,)` float32 at 48 kHz, and where they came from."""

    clean: Samples
    noisy: Samples
    snr_db: float
    speaker: str = ""
    noise: str = ""


@dataclass(frozen=True)
class Scores:
    """One value a pair: SI-SDR of the output and its gain over the input (dB), PESQ, STOI (percent)."""

    si_sdr_db: NDArray[np.float64]
    improvement_db: NDArray[np.float64]
    pesq: NDArray[np.float64] | None = None
    stoi: NDArray[np.float64] | None = None


def validation_pairs(store: ClipStore, n_pairs: int, seconds: float = 4.0, seed: int = 0) -> list[Pair]:
    """The same mixes for the same seed: wide-band validation speakers, any validation noise, -5..15 dB."""
    voices = [c for c in store.select("speech", "valid") if c.path.startswith("speech/")]
    wide = [c for c in voices if c.bandwidth_hz >= WIDE_BAND_HZ]
    speech, noise = Picker(wide or voices), Picker(store.select("noise", "valid"))
    return [_pair(store, speech, noise, round(seconds * SAMPLE_RATE), (seed, i)) for i in range(n_pairs)]


def _pair(store: ClipStore, speech: Picker, noise: Picker, length: int, seed: tuple[int, int]) -> Pair:
    rng = np.random.default_rng(seed)
    clean, speaker = _filled(store, speech, length, rng, loop=False)
    for _ in range(8):  # a stretch of digital silence is no noise: draw again
        hiss, name = _filled(store, noise, length, rng, loop=True)
        if power(hiss) >= 1e-8:
            break
    snr_db = float(rng.uniform(*SNR_RANGE_DB))
    hiss = at_snr(clean, hiss, snr_db)
    scale = np.float32(MIX_RMS / np.sqrt(power(clean + hiss)))
    return Pair(clean * scale, (clean + hiss) * scale, snr_db, speaker, name)


def _filled(
    store: ClipStore, picker: Picker, length: int, rng: np.random.Generator, loop: bool
) -> tuple[Samples, str]:
    """`length` samples of one speaker's clips in a row, or of one noise, repeated where it is short."""
    clips = picker.group(rng)
    parts: list[Samples] = []
    clip = clips[rng.integers(len(clips))]
    start = int(rng.integers(0, max(1, clip.length - length + 1)))
    while sum(part.size for part in parts) < length:
        parts.append(store.read(clip, start, length))
        clip, start = clip if loop else clips[rng.integers(len(clips))], 0
    return np.concatenate(parts)[:length], clip.group


@torch.no_grad()
def enhance(net: DenoiseNet, noisy: Samples, floor_db: float | None = None) -> Samples:
    """Denoise clips `(n,)` or `(B, n)`; what the live path gives `net.config.latency` samples later."""
    c, device = net.config, net.inp.weight.device
    x = torch.from_numpy(np.atleast_2d(noisy)).to(device)
    window, shape = window_pair(c.window, c.n_fft, c.hop_length)
    dual = dual_window(window, shape, c.hop_length)
    analysis, synthesis = (torch.from_numpy(w.astype(np.float32)).to(device) for w in (window, dual))
    frames = -(-(x.shape[1] + c.latency) // c.hop_length)
    overlap = c.n_fft - c.hop_length
    padded = torch.nn.functional.pad(x, (overlap, frames * c.hop_length - x.shape[1]))
    spectrum = torch.fft.rfft(padded.unfold(1, c.n_fft, c.hop_length) * analysis)
    gains = net(torch.view_as_real(spectrum))
    if floor_db is not None:
        gains = gains.clamp_min(10 ** (floor_db / 20))
    pieces = (torch.fft.irfft(spectrum * gains, c.n_fft) * synthesis).transpose(1, 2)
    out = torch.nn.functional.fold(pieces, (1, padded.shape[1]), (1, c.n_fft), stride=(1, c.hop_length))
    y = out[:, 0, 0, overlap : overlap + x.shape[1]].cpu().numpy()
    return y[0] if noisy.ndim == 1 else y


def si_sdr_db(clean: Samples, estimate: Samples) -> float:
    """Scale-invariant signal-to-distortion ratio, in dB."""
    s, e = clean.astype(np.float64), estimate.astype(np.float64)
    target = s * (e @ s) / (s @ s + 1e-12)
    return float(10 * np.log10((target @ target + 1e-12) / (np.square(e - target).sum() + 1e-12)))


def pesq_wide_band(clean: Samples, estimate: Samples) -> float:
    """PESQ of 48 kHz signals, at 16 kHz; NaN where it finds no utterance."""
    from pesq import NoUtterancesError, pesq

    try:
        return float(pesq(16000, _at_16k(clean), _at_16k(estimate), "wb"))
    except NoUtterancesError:
        return float("nan")


def stoi_percent(clean: Samples, estimate: Samples) -> float:
    """Short-time objective intelligibility of 48 kHz signals, at 16 kHz."""
    from pystoi import stoi

    return 100 * float(stoi(_at_16k(clean), _at_16k(estimate), 16000))


def _at_16k(x: Samples) -> Samples:
    y: Samples = soxr.resample(x, SAMPLE_RATE, 16000)
    return y


def score(pairs: Sequence[Pair], outputs: Sequence[Samples], *, perceptual: bool = False) -> Scores:
    """Scores of `outputs`, each as long as its pair; PESQ and STOI too if asked for and installed."""
    result = np.array([si_sdr_db(p.clean, y) for p, y in zip(pairs, outputs, strict=True)])
    before = np.array([si_sdr_db(p.clean, p.noisy) for p in pairs])
    measures: list[NDArray[np.float64] | None] = []
    for library, measure in (("pesq", pesq_wide_band), ("pystoi", stoi_percent)):
        there = perceptual and importlib.util.find_spec(library) is not None
        measures.append(_each(measure, pairs, outputs) if there else None)
    return Scores(result, result - before, *measures)


def _each(
    measure: Callable[[Samples, Samples], float], pairs: Sequence[Pair], outputs: Sequence[Samples]
) -> NDArray[np.float64]:
    return np.array([measure(p.clean, y) for p, y in zip(pairs, outputs, strict=True)])
