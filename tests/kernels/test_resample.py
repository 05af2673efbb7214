from itertools import cycle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.kernels.resample import DELAY, KAISER_BETA, TAPS, FractionalResampler, resample_run

NOISE = np.random.default_rng(0).standard_normal(6000).astype(np.float32)
EPSILON = [-1e-3, -1e-4, 3e-7, 1e-5, 1e-3]
RATE = 48000


def tone(times, frequency_hz):
    return np.sin(2 * np.pi * frequency_hz / RATE * times)


def resampled_tone(frequency_hz, ratio, size=2 * RATE):
    """(what came out, what was true) once the history is full."""
    out = FractionalResampler().run(tone(np.arange(size), frequency_hz).astype(np.float32), ratio)
    return out[200:], tone(np.arange(out.size) / ratio - DELAY, frequency_hz)[200:]


@pytest.mark.parametrize("epsilon", EPSILON)
@pytest.mark.parametrize(
    ("frequency_hz", "bound_db"), [(50, -100), (1000, -100), (6000, -100), (12000, -95), (18000, -90)]
)
def test_tones_come_out_at_the_right_time_and_nothing_else_does(frequency_hz, bound_db, epsilon):
    """Everything that is not the delayed tone: distortion, noise, images and aliases."""
    got, true = resampled_tone(frequency_hz, 1 + epsilon)
    assert 10 * np.log10(np.mean((got - true) ** 2) / np.mean(true**2)) < bound_db


@pytest.mark.parametrize("epsilon", EPSILON)
def test_it_is_the_windowed_sinc_sum(epsilon):
    """The definition in float64, phase by phase, no table."""
    got = FractionalResampler().run(NOISE, 1 + epsilon)
    x = np.concatenate([np.zeros(TAPS), NOISE.astype(np.float64), np.zeros(TAPS)])
    for n in (0, 1, 700, 1999, got.size - 1):
        time = n * np.rint(2.0**40 / (1 + epsilon)) / 2.0**40
        near = np.arange(TAPS) + int(time) - TAPS + 1
        offset = time - DELAY - near
        taps = np.sinc(offset) * np.i0(KAISER_BETA * np.sqrt(1 - np.clip(offset / DELAY, -1, 1) ** 2))
        assert got[n] == pytest.approx(x[near + TAPS] @ taps / taps.sum(), abs=2e-5)


def test_ratio_one_is_a_pure_delay():
    out = FractionalResampler().run(NOISE)
    np.testing.assert_array_equal(out, np.concatenate([np.zeros(DELAY, np.float32), NOISE[:-DELAY]]))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 1024), min_size=1), st.floats(0.999, 1.001))
def test_any_split_gives_the_same_samples(blocks, ratio):
    pieces, resampler, at = [], FractionalResampler(), 0
    for block in cycle(blocks):
        pieces.append(resampler.run(NOISE[at : at + block].copy(), ratio))
        at += block
        if at >= NOISE.size:
            break
    np.testing.assert_array_equal(np.concatenate(pieces), FractionalResampler().run(NOISE, ratio))


@pytest.mark.parametrize("epsilon", EPSILON)
def test_no_sample_is_lost(epsilon):
    resampler, total = FractionalResampler(), 0
    for _ in range(1000):
        total += resampler.run(NOISE[:480], 1 + epsilon).size
    assert abs(total - 480_000 * (1 + epsilon)) < 1.001  # the sample in progress, and its rounding


def test_a_ratio_that_moves_makes_no_click():
    """1 kHz while the ratio wanders: no step between samples beyond what the tone has."""
    x = tone(np.arange(RATE), 1000).astype(np.float32)
    resampler, wander = FractionalResampler(), 1 + 1e-3 * np.sin(np.arange(100))
    out = np.concatenate([resampler.run(x[i * 480 :][:480].copy(), ratio) for i, ratio in enumerate(wander)])
    assert np.max(np.abs(np.diff(out[100:], n=2))) < 1.01 * (2 * np.pi * 1000 / RATE) ** 2


def test_too_little_room_consumes_nothing():
    resampler, out = FractionalResampler(), np.zeros(480, np.float32)
    before = resampler.words.copy()
    arguments = resampler.address, NOISE.ctypes.data, 480, 1.001, out.ctypes.data
    assert resample_run(*arguments, 480) == -1
    np.testing.assert_array_equal(resampler.words, before)
    assert not out.any()
