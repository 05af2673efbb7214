import numpy as np
import pytest

from rtaudio.training.formants import CEILING_HZ, HOP, move_formants

RATE, SECONDS, PITCH_HZ, FORMANT_HZ = 48000, 1.0, 120, 1000.0


@pytest.fixture(scope="module")
def vowel():
    """Pulses at 120 Hz through one resonance at 1 kHz, 400 Hz wide."""
    pulses = np.zeros(round(SECONDS * RATE))
    pulses[:: RATE // PITCH_HZ] = 1.0
    times = np.arange(RATE // 20) / RATE
    resonance = np.exp(-np.pi * 400 * times) * np.cos(2 * np.pi * FORMANT_HZ * times)
    x = np.convolve(pulses, resonance)[: pulses.size]
    return (0.1 * x / np.sqrt(np.mean(x**2))).astype(np.float32)


def power(x):
    """At each whole Hz."""
    return np.square(np.abs(np.fft.rfft(x * np.hanning(x.size)))) / x.size


def harmonics(x, first_hz=PITCH_HZ, last_hz=4000):
    """Frequencies and powers of the multiples of the pitch."""
    p, hz = power(x), np.arange(-(-first_hz // PITCH_HZ) * PITCH_HZ, last_hz, PITCH_HZ)
    return hz, np.array([p[one - 3 : one + 4].sum() for one in hz])


def formant_hz(x):
    """Mean frequency of the harmonics, by their power."""
    hz, powers = harmonics(x)
    return float(hz @ powers / powers.sum())


def test_a_factor_of_one_changes_nothing(vowel):
    np.testing.assert_allclose(move_formants(vowel, 1.0, RATE / 2, RATE), vowel, atol=1e-6)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_the_formant_moves_and_the_pitch_stays(vowel, factor):
    moved = move_formants(vowel, factor, RATE / 2, RATE)
    assert formant_hz(moved) / formant_hz(vowel) == pytest.approx(factor, abs=0.06)
    assert harmonics(moved)[1].sum() > 0.99 * power(moved)[:4000].sum()


def test_what_lies_above_the_ceiling_stays(vowel):
    highs = round(CEILING_HZ) + 200, 20000
    moved = move_formants(vowel, 1.2, RATE / 2, RATE)
    np.testing.assert_allclose(harmonics(moved, *highs)[1], harmonics(vowel, *highs)[1], rtol=0.02)


def test_silence_stays_silent_and_lengths_stay(vowel):
    for length in (1, HOP - 1, 5 * HOP + 7):
        assert not move_formants(np.zeros(length, np.float32), 1.2, 8000.0, RATE).any()
        assert move_formants(vowel[:length], 1.2, 8000.0, RATE).shape == (length,)
