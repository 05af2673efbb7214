"""Recordings as others might say them, by spectra whose outcome is known."""

import numpy as np
import pytest

from rtaudio.nn.speakers import at_pace, from_throat


def ramp(frames, bins=4):
    """Powers that tell which frame they are of."""
    return np.repeat(np.arange(frames, dtype=float)[:, None], bins, axis=1)


@pytest.mark.parametrize("pace", [0.5, 0.62, 1.0, 1.6, 2.0])
def test_the_word_alone_is_said_at_another_pace(pace):
    changed, end = at_pace(ramp(40), 10, 30, pace)
    assert end - 10 == pytest.approx(20 / pace, abs=1)
    np.testing.assert_array_equal(changed[:10], ramp(40)[:10])
    np.testing.assert_array_equal(changed[end:], ramp(40)[30:])
    np.testing.assert_allclose(changed[10:end, 0], 10 + pace * np.arange(end - 10))


def test_a_word_that_ends_with_its_recording_has_a_pace():
    changed, end = at_pace(ramp(20), 10, 20, 0.75)
    assert len(changed) == end
    assert changed.max() <= 19


def test_the_same_pace_and_throat_change_nothing():
    powers = np.random.default_rng(0).random((30, 17))
    same, end = at_pace(powers, 5, 25, 1.0)
    np.testing.assert_array_equal(from_throat(same, 1.0), powers)
    assert end == 25


@pytest.mark.parametrize(("factor", "expected"), [(0.87, 34.8), (1.15, 46.0), (1.5, 60.0)])
def test_a_tone_is_as_many_times_as_high(factor, expected):
    powers = np.exp(-0.5 * ((np.arange(161) - 40) / 4) ** 2)[None]
    (moved,) = from_throat(powers, factor)
    assert np.sum(moved * np.arange(161)) / moved.sum() == pytest.approx(expected, abs=0.1)


def test_what_is_empty_at_the_top_is_filled_with_the_highest_bin():
    powers = np.linspace(1, 2, 11)[None]
    np.testing.assert_allclose(from_throat(powers, 0.5)[0], [1, 1.2, 1.4, 1.6, 1.8, *[2] * 6])
