import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.behaviour import ripple_db
from benchmarks.metrics import air_distance_db, musical_noise, pause_reduction_db, speech_level_db

RATE = 48000


def noise(seconds=2.0, seed=0):
    return (0.05 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def voice_and_pause():
    x = noise()
    x[: x.size // 2] = 0
    return x


def test_a_pause_made_quieter_is_told_by_how_much():
    clean = voice_and_pause()
    hiss = 0.1 * noise(seed=1)
    assert pause_reduction_db(clean, clean + hiss, clean + 0.1 * hiss) == pytest.approx(20, abs=0.01)


def test_without_a_pause_there_is_nothing_to_tell():
    assert np.isnan(pause_reduction_db(noise(), noise(), noise()))


def test_level_is_that_of_the_speech_alone():
    clean = noise()
    assert speech_level_db(clean, 0.5 * clean) == pytest.approx(-6.02, abs=0.01)
    assert speech_level_db(clean, clean + noise(seed=1)) == pytest.approx(0, abs=0.1)


def test_highs_that_are_6_db_down_are_6_db_away():
    clean = noise()
    spectrum = np.fft.rfft(clean)
    spectrum[np.fft.rfftfreq(clean.size, 1 / RATE) > 7000] *= 0.5
    assert air_distance_db(clean, clean) == 0
    assert air_distance_db(clean, np.fft.irfft(spectrum).astype(np.float32)) == pytest.approx(6.02, abs=0.05)


def test_a_quieter_noise_is_not_musical_and_one_of_lone_tones_is():
    x = noise()
    keep = np.random.default_rng(2).random(x.size // 480) < 0.1
    assert musical_noise(x, 0.1 * x) == pytest.approx(1, abs=1e-4)
    assert musical_noise(x, x * np.repeat(keep, 480)) > 3


def test_a_dry_half_that_is_late_is_a_comb():
    assert ripple_db(lambda x: 0.5 * x, []) == pytest.approx(0, abs=1e-5)
    assert ripple_db(lambda x: 0.5 * x + 0.4 * np.roll(x, 480), []) > 4
