"""Where a word lies in a recording, by its level, whatever else was recorded."""

import numpy as np
import pytest

from rtaudio.nn.spans import spoken_span, word_span

RATE = 16000
START_S, END_S = 1.0, 1.6


def noise(seconds, level_db):
    rng = np.random.default_rng(0)
    return (10 ** (level_db / 20) * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def word(seconds=3.0):
    """A word of two syllables with a closure of 80 ms between them, in a recording of its own."""
    x = np.zeros(round(seconds * RATE), np.float32)
    for at, length in ((START_S, 0.25), (END_S - 0.27, 0.27)):
        x[round(at * RATE) : round((at + length) * RATE)] = noise(length, -20)
    return x


def between_silences(x):
    """A recorded stretch of 2.5 s whose ends were cut to digital silence."""
    cut = word() + noise(3.0, -45)
    cut[: RATE // 4], cut[-RATE // 4 :] = 0, 0
    return cut


def with_rumble(x):
    """A lorry passes, louder than the word."""
    t = np.arange(x.size) / RATE
    passing = np.where((t > 2.0) & (t < 2.8), 0.2, 0.0) * np.sin(2 * np.pi * 50 * t)
    return x + passing.astype(np.float32) + noise(3.0, -70)


def with_a_click(x):
    x = x + noise(3.0, -70)
    x[round(2.2 * RATE) : round(2.23 * RATE)] = noise(0.03, -10)
    return x


@pytest.mark.parametrize("heard", [between_silences, with_rumble, with_a_click])
def test_a_word_ends_where_it_ends_though_the_recording_goes_on(heard):
    x = heard(word())
    start, end = word_span(x)
    assert abs(start - START_S * RATE) < 0.04 * RATE
    assert abs(end - END_S * RATE) < 0.04 * RATE
    assert abs(spoken_span(x)[1] - END_S * RATE) > 0.3 * RATE  # which is about all that was said


def test_a_recording_of_nothing_is_all_a_word_and_so_is_a_short_one():
    assert word_span(np.zeros(RATE, np.float32)) == (0, RATE)
    assert word_span(np.zeros(300, np.float32)) == (0, 300)
