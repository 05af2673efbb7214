"""Measures of behaviour and their bounds, on systems that are known."""

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.behaviour import BEHAVIOUR, MOST_MUSICAL, musical, speech_onset
from benchmarks.report import Goal
from rtaudio.training.evaluate import Pair

RATE = 48000


def kept(name, value):
    (behaviour,) = (b for b in BEHAVIOUR if b.name == name)
    assert behaviour.bounds
    return all(Goal(name, value, bound, op).met for op, bound in behaviour.bounds)


def subtraction(share):
    """Power spectral subtraction of so many times the noise's mean power, 20 ms frames."""

    def system(x):
        n, hop = 960, 480
        window = np.sqrt(np.hanning(n + 1)[:-1])
        spectra = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(x, n)[::hop] * window, axis=1)
        power = np.square(np.abs(spectra))
        gains = np.sqrt(np.maximum(1 - share * power.mean(0) / power, 0))
        out = np.zeros_like(x)
        for k, frame in enumerate(np.fft.irfft(spectra * gains, n, axis=1) * window):
            out[k * hop : k * hop + n] += frame
        return out

    return system


@pytest.mark.parametrize("kind", ["white", "pink", "fan"])
def test_spectral_subtraction_is_too_musical_and_a_quieter_noise_is_not(kind):
    name = f"{kind} noise, kurtosis ratio"
    half, whole = (musical(kind)(subtraction(share), []) for share in (0.5, 1.0))
    assert (half, whole) == pytest.approx((MOST_MUSICAL, np.e), rel=0.1)
    assert not kept(name, whole)
    assert kept(name, musical(kind)(lambda x: 0.1 * x, []))


@pytest.mark.parametrize(("level_db", "fine"), [(-1.1, False), (-0.9, True), (0.9, True), (1.1, False)])
def test_speech_may_come_out_neither_softer_nor_louder(level_db, fine):
    assert kept("speech level in the mixes, dB", level_db) is fine


def voice(seed=0):
    """Half a second of nothing, then syllables of a buzzing voice."""
    t = np.arange(3 * RATE) / RATE
    buzz = sum(np.sin(2 * np.pi * (150 + seed) * k * t) / k for k in range(1, 20))
    x = 0.1 * buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t)) * (t > 0.5)
    return Pair(x.astype(np.float32), x.astype(np.float32), 10.0)


def late(seconds):
    """A system that lets nothing through for so long after a pause of two seconds."""

    def system(x):
        y = x.copy()
        y[2 * RATE : round((2 + seconds) * RATE)] = 0
        return y

    return system


@pytest.mark.parametrize(("seconds", "mean_fine", "worst_fine"), [(0, True, True), (0.3, False, False)])
def test_a_first_syllable_that_is_lost_is_told(seconds, mean_fine, worst_fine):
    pairs = [voice(), voice(20)]
    for name, fine in (("mean", mean_fine), ("worst", worst_fine)):
        (behaviour,) = (b for b in BEHAVIOUR if b.name == f"first syllable after a pause, {name}, dB")
        assert kept(behaviour.name, behaviour.measure(late(seconds), pairs)) is fine


def test_half_a_first_syllable_is_6_db_of_its_level():
    (behaviour,) = (b for b in BEHAVIOUR if b.name == "first syllable after a pause, worst, dB")
    assert behaviour.measure(late(0), [voice()]) == pytest.approx(0, abs=0.2)
    assert behaviour.measure(late(0.15), [voice()]) < -3


def test_a_breath_before_the_voice_is_not_its_first_syllable():
    x = voice().clean
    breath = np.random.default_rng(0).standard_normal(RATE // 5).astype(np.float32)
    x[RATE // 5 : 2 * RATE // 5] = breath * np.float32(10 ** (-24 / 20) * np.std(x[RATE // 2 :]))
    assert speech_onset(x) == pytest.approx(RATE // 2, abs=RATE // 50)
