"""What a denoiser does besides cleaning: clean speech, levels, pauses, onsets, noise alone, rooms.

Each measure is one number a system, over clips of the validation speakers; `BEHAVIOUR` lists them with the
bounds that our denoisers shall keep.

Musical noise is bounded by what makes it: power spectral subtraction of b times a Gaussian noise's mean
power leaves e^-b of the bins, exponentially distributed as before, which makes their kurtosis e^b times
what it was (Uemura et al. 2008, see `musical_noise`; 20 ms frames of the noises here give 1.6, 2.8 and 8 for
b of 1/2, 1 and 2). Its logarithm is what listeners follow: 0 is none, 1 the textbook's subtraction (b = 1),
which is known for it. Half of that way, e^(1/2), is the most that is taken.

The first word after a pause is whole when its first syllable comes out as loud as where it is said again in
mid-stream, in noise 15 dB softer: within 1 dB on the mean, about the least change of level that is heard, and
within 3 dB on the worst clip. A part that is cut off counts by its energy: without a tenth the syllable is
1 dB down, without three tenths 3 dB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics import FRAME, frame_powers, musical_noise, speech_level_db
from benchmarks.systems import System
from rtaudio.training.data import SAMPLE_RATE
from rtaudio.training.evaluate import MIX_RMS, Pair, pesq_wide_band, si_sdr_db
from rtaudio.training.measure import power
from rtaudio.training.mixing import at_snr
from rtaudio.training.rooms import simulate_room

Samples = NDArray[np.float32]

NOISE_S = 6.0
SETTLE_S = 1.0  # what a system may take to find the level of a noise
PAUSE_S = 2.0
WORD_S = 1.0
ONSET_S = 0.3  # the first syllable
ONSET_SNR_DB = 15.0
ACTIVITY_MARGIN_DB = 15.9
FADE_S = 0.02  # at the end of a word that is said twice, for no click between
MOST_MUSICAL = float(np.exp(0.5))
ROOMS, ROOM_SNR_DB = 12, 10.0


@dataclass(frozen=True)
class Behaviour:
    """A measure: what it is called, how it is taken, and the bounds it shall keep (none: reported only)."""

    name: str
    measure: Callable[[System, Sequence[Pair]], float]
    bounds: tuple[tuple[str, float], ...] = ()


def _clean(pairs: Sequence[Pair]) -> list[Samples]:
    return [pair.clean * np.float32(MIX_RMS / np.sqrt(power(pair.clean))) for pair in pairs]


def clean_si_sdr_db(system: System, pairs: Sequence[Pair]) -> float:
    """Clean speech in: how much of it comes out as it was."""
    return float(np.mean([si_sdr_db(x, system(x)) for x in _clean(pairs)]))


def clean_pesq(system: System, pairs: Sequence[Pair]) -> float:
    return float(np.nanmean([pesq_wide_band(x, system(x)) for x in _clean(pairs)]))


def level_db(system: System, pairs: Sequence[Pair]) -> float:
    """Mean change of the speech's level in the mixes."""
    return float(np.mean([speech_level_db(pair.clean, system(pair.noisy)) for pair in pairs]))


def pesq_change(gain_db: float) -> Callable[[System, Sequence[Pair]], float]:
    """Largest of the mean changes of PESQ when the same input comes in at another level."""

    def measure(system: System, pairs: Sequence[Pair]) -> float:
        gain = np.float32(10 ** (gain_db / 20))
        changes = [
            pesq_wide_band(pair.clean, system(pair.noisy * gain) / gain)
            - pesq_wide_band(pair.clean, system(pair.noisy))
            for pair in pairs
        ]
        return abs(float(np.nanmean(changes)))

    return measure


def noise_alone(kind: str) -> Samples:
    """Six seconds of white, pink or fan noise at -36 dBFS; a fan is brown noise and the hum of its blades."""
    rng, n = np.random.default_rng(len(kind)), round(NOISE_S * SAMPLE_RATE)
    hz = np.maximum(np.fft.rfftfreq(n, 1 / SAMPLE_RATE), 20.0)
    slope = {"white": 0.0, "pink": 0.5, "fan": 1.0}[kind]
    x = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) / hz**slope, n)
    x /= np.std(x)
    if kind == "fan":
        t = np.arange(n) / SAMPLE_RATE
        x += sum(0.5 / k * np.sin(2 * np.pi * 93.0 * k * t + k) for k in range(1, 9))
    scaled: Samples = (x * (10 ** (-36 / 20) / np.std(x))).astype(np.float32)
    return scaled


def _settled(system: System, noise: Samples) -> tuple[Samples, Samples]:
    start = round(SETTLE_S * SAMPLE_RATE)
    return noise[start:], system(noise)[start:]


def noise_reduction_db(kind: str) -> Callable[[System, Sequence[Pair]], float]:
    """How much quieter a noise alone comes out."""

    def measure(system: System, pairs: Sequence[Pair]) -> float:
        before, after = _settled(system, noise_alone(kind))
        return 10 * float(np.log10(power(before) / (power(after) + 1e-14)))

    return measure


def musical(kind: str) -> Callable[[System, Sequence[Pair]], float]:
    def measure(system: System, pairs: Sequence[Pair]) -> float:
        return musical_noise(*_settled(system, noise_alone(kind)))

    return measure


def quietest_db(system: System, pairs: Sequence[Pair]) -> float:
    """Quietest frame of what is left of pink noise, dBFS: a floor, never zeros (here -200)."""
    _, after = _settled(system, noise_alone("pink"))
    return 10 * float(np.log10(frame_powers(after).min() + 1e-20))


def onset_db(over_clips: Callable[[list[float]], float]) -> Callable[[System, Sequence[Pair]], float]:
    """Level of the first syllable after two seconds of noise alone, against the same said again at once."""

    def measure(system: System, pairs: Sequence[Pair]) -> float:
        return over_clips([_onset_change_db(system, x) for x in _clean(pairs)])

    return measure


def speech_onset(x: Samples) -> int:
    """Where speech begins: the first frame within 15.9 dB of its level, the margin of ITU-T P.56.

    A breath before it is softer than the noise that is added here, and no syllable.
    """
    powers = frame_powers(x)
    return int(np.flatnonzero(powers > 10 ** (-ACTIVITY_MARGIN_DB / 10) * powers.mean())[0]) * FRAME


def _onset_change_db(system: System, x: Samples) -> float:
    pause, size, first = (round(s * SAMPLE_RATE) for s in (PAUSE_S, WORD_S, ONSET_S))
    spoken = speech_onset(x)
    word = x[spoken : spoken + size].copy()
    fade = round(FADE_S * SAMPLE_RATE)
    word[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    speech = np.concatenate([np.zeros(pause, np.float32), word, word])
    noise = np.resize(noise_alone("pink"), speech.size)
    out = system(speech + at_snr(speech, noise, ONSET_SNR_DB))
    after_pause, again = (
        speech_level_db(word[:first], out[at : at + first]) for at in (pause, pause + word.size)
    )
    return after_pause - again


def in_rooms(system: System, pairs: Sequence[Pair]) -> float:
    """SI-SDR gain in simulated rooms, against the direct sound and its first 30 ms."""
    rng, gains = np.random.default_rng(7), []
    for pair in pairs[:ROOMS]:
        room = simulate_room(rng, SAMPLE_RATE)
        wet, target = (_convolved(pair.clean, r) for r in (room.full, room.target))
        noisy = wet + at_snr(wet, pair.noisy - pair.clean, ROOM_SNR_DB)
        gains.append(si_sdr_db(target, system(noisy)) - si_sdr_db(target, noisy))
    return float(np.mean(gains))


def _convolved(x: Samples, response: Samples) -> Samples:
    size = 1 << (x.size + response.size).bit_length()
    y: Samples = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(response, size), size)[: x.size].astype(
        np.float32
    )
    return y


def ripple_db(system: System, pairs: Sequence[Pair]) -> float:
    """Largest departure of the response to white noise from its mean, 100 Hz to 20 kHz in bands of 25 Hz.

    Of a system at half strength this shows whether the dry half is in step: 10 ms too late it would be a
    comb with a notch every 100 Hz.
    """
    x, y = _settled(system, noise_alone("white"))
    n, hop = 9600, 4800
    spectra = [
        np.fft.rfft(np.lib.stride_tricks.sliding_window_view(s, n)[::hop] * np.hanning(n), axis=1)
        for s in (x, y)
    ]
    response = (spectra[1] * spectra[0].conj()).mean(0) / np.square(np.abs(spectra[0])).mean(0)
    levels = 20 * np.log10(np.abs(response[20:4000]).reshape(-1, 5).mean(1))
    return float(np.abs(levels - levels.mean()).max())


BEHAVIOUR = (
    Behaviour("clean speech, SI-SDR dB", clean_si_sdr_db, ((">=", 25.0),)),
    Behaviour("clean speech, PESQ", clean_pesq, ((">=", 4.0),)),
    Behaviour("speech level in the mixes, dB", level_db, ((">=", -1.0), ("<=", 1.0))),
    Behaviour("PESQ change, input 20 dB quieter", pesq_change(-20), (("<", 0.1),)),
    Behaviour("PESQ change, input 10 dB louder", pesq_change(10), (("<", 0.1),)),
    Behaviour("first syllable after a pause, mean, dB", onset_db(fmean), ((">=", -1.0),)),
    Behaviour("first syllable after a pause, worst, dB", onset_db(min), ((">=", -3.0),)),
    Behaviour("white noise alone, reduction dB", noise_reduction_db("white")),
    Behaviour("pink noise alone, reduction dB", noise_reduction_db("pink")),
    Behaviour("fan noise alone, reduction dB", noise_reduction_db("fan")),
    Behaviour("white noise, kurtosis ratio", musical("white"), (("<=", MOST_MUSICAL),)),
    Behaviour("pink noise, kurtosis ratio", musical("pink"), (("<=", MOST_MUSICAL),)),
    Behaviour("fan noise, kurtosis ratio", musical("fan"), (("<=", MOST_MUSICAL),)),
    Behaviour("quietest frame of a pause, dBFS", quietest_db, ((">", -150.0),)),
    Behaviour("rooms, SI-SDR gain dB", in_rooms, ((">=", 0.0),)),
)
