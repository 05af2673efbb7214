"""Segments out of probabilities, and out of sound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtaudio.errors import ConfigError, WeightsError
from rtaudio.tasks.vad import Segmenter, SegmentRules, build_vad, segments, speech_probabilities
from tests.tone_words import script

PLAIN = {"min_speech_ms": 0, "min_silence_ms": 0, "pad_ms": 0}


def cut(probabilities, pieces=1, **rules):
    segmenter = Segmenter(SegmentRules(**rules))
    found = []
    for piece in np.array_split(np.asarray(probabilities, float), pieces):
        found += segmenter.feed(piece.tolist())
    return [(round(s.start_s * 100), round(s.end_s * 100)) for s in (*found, *segmenter.finish())]


def frames(size, *spans):
    p = np.zeros(size)
    for start, end, *level in spans:
        p[start:end] = level[0] if level else 1.0
    return p


def test_what_is_probable_is_a_segment():
    assert cut(frames(100, (10, 30), (50, 60)), **PLAIN) == [(10, 30), (50, 60)]
    assert cut(frames(100, (0, 100)), **PLAIN) == [(0, 100)]
    assert cut([], **PLAIN) == cut(np.zeros(50), **PLAIN) == []


def test_hysteresis_opens_high_and_closes_low():
    p = frames(100, (10, 20, 0.45), (20, 30, 0.6), (30, 40, 0.45), (60, 70, 0.45))
    assert cut(p, **PLAIN) == [(20, 40)]
    assert cut(p, open=0.4, close=0.4, **PLAIN) == [(10, 40), (60, 70)]


def test_short_gaps_and_short_speech_are_none():
    p = frames(200, (10, 30), (40, 60), (100, 105))
    assert cut(p, **{**PLAIN, "min_silence_ms": 200}) == [(10, 60), (100, 105)]
    assert cut(p, **{**PLAIN, "min_speech_ms": 100}) == [(10, 30), (40, 60)]
    assert cut(p, **{**PLAIN, "min_silence_ms": 110, "min_speech_ms": 300}) == [(10, 60)]


def test_padding_stays_within_the_stream_and_joins_what_it_makes_touch():
    p = frames(100, (2, 20), (26, 40), (60, 97))
    assert cut(p, **{**PLAIN, "pad_ms": 50}) == [(0, 45), (55, 100)]


RULES = st.builds(
    lambda open, share, *times: SegmentRules(open, open * share, *times),
    st.floats(0.05, 1), st.floats(0.05, 1), *[st.floats(0, 400)] * 3,
)  # fmt: skip


@given(st.lists(st.floats(0, 1), max_size=300), RULES, st.integers(1, 40))
def test_segments_are_apart_within_the_stream_and_the_same_in_any_pieces(probabilities, rules, pieces):
    options = vars(rules)
    found = cut(probabilities, **options)
    assert cut(probabilities, pieces, **options) == found
    ends = [0, *(edge for segment in found for edge in segment), len(probabilities)]
    assert ends == sorted(ends)
    assert all(end - start >= round(rules.min_speech_ms / 10) for start, end in found)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_speech_is_found_in_sound_of_any_rate(tones, rate):
    x = script(rate, (0.5, "low"), (1.5, "high"), seconds=2.5)
    got = list(segments(build_vad(), np.array_split(x[:, None], 7), rate, SegmentRules(pad_ms=0)))
    assert [s.start_s for s in got] == pytest.approx([0.5, 1.5], abs=0.04)
    assert [s.end_s for s in got] == pytest.approx([0.8, 1.8], abs=0.04)


def test_a_segment_ends_with_the_recording(tones):
    x = script(16000, (0.5, "low"), seconds=1)[: round(0.65 * 16000)]
    (found,) = segments(build_vad(), [x[:, None]], 16000)
    assert found.end_s == 0.65
    assert list(segments(build_vad(), [], 16000)) == []


def test_probabilities_of_a_wave(tones):
    p = speech_probabilities(script(16000, (0.5, "low"), seconds=1.005))
    assert p.size == 101
    assert p[55:75].min() > 0.5 > p[:49].max()
    assert speech_probabilities(np.zeros(0, np.float32)).size == 0


@pytest.mark.parametrize(
    "rules",
    [{"open": 0}, {"open": 1.1}, {"close": 0.6}, {"pad_ms": -1}, {"min_speech_ms": np.inf}, {"open": np.nan}],
)
def test_rules_that_can_not_be(rules):
    with pytest.raises(ConfigError):
        SegmentRules(**rules)


def test_a_model_that_is_missing_is_told():
    with pytest.raises(WeightsError, match="mystery"):
        build_vad(model="mystery")
