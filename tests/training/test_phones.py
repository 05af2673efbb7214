"""Phones: one set for everybody's names, and tracks of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtaudio.training.data import ClipStore, append_clips
from rtaudio.training.phones import (
    _ESPEAK,
    PHONES,
    SILENCE,
    UNKNOWN,
    at_other_speed,
    cmu_phone,
    espeak_phone,
    flite_phone,
    labelled,
    phone_row,
    phone_rows,
    phone_track,
    phones_file,
)


def test_everybodys_names_of_a_phone_are_one():
    assert PHONES[cmu_phone("ER0")] == PHONES[flite_phone("axr")] == PHONES[espeak_phone("3:")] == "ER"
    assert cmu_phone("SIL") == cmu_phone("+NSN+") == flite_phone("pau") == espeak_phone("_:") == SILENCE
    assert flite_phone("other") == espeak_phone("other") == UNKNOWN


def test_every_phone_is_one_of_espeaks():
    assert set(_ESPEAK.values()) == {*PHONES}
    assert all(espeak_phone(name) < len(PHONES) for name in _ESPEAK)


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 30)), max_size=8), st.integers(1, 60))
def test_a_track_holds_each_phone_for_its_time_and_silence_after_the_last(lengths, n_frames):
    phones, ends = [phone for phone, _ in lengths], np.cumsum([length for _, length in lengths], dtype=int)
    track = phone_track(zip(phones, ends.tolist(), strict=True), n_frames)
    whole = np.repeat(np.array(phones, np.uint8), [length for _, length in lengths])
    expected = np.concatenate([whole, np.zeros(n_frames, np.uint8)])[:n_frames]
    np.testing.assert_array_equal(track, expected)


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.25])
def test_at_another_speed_phones_last_as_long_as_their_sound(speed):
    track = np.repeat(np.array([3, 0, 7], np.uint8), [40, 20, 60])
    there = at_other_speed(track, speed, round(120 / speed))
    for phone, length in ((3, 40), (0, 20), (7, 60)):
        assert abs((there == phone).sum() - length / speed) <= 1


def test_clips_without_phones_are_left_out(tmp_path):
    rows = [{"path": path, "source": "s", "group": "g", "licence": "none"} for path in "abc"]
    append_clips(tmp_path, rows, [np.zeros(1600, np.float32)] * 3, 16000)
    text = phone_row("synthetic/a", [(4, 3), (UNKNOWN, 10)]) + phone_row("synthetic/b", [])
    phones_file(tmp_path).write_text(text + '{"path": "synthetic/c", "pho', encoding="utf-8")  # interrupted
    assert [row["path"] for row in phone_rows(tmp_path)] == ["synthetic/a", "synthetic/b"]
    ((clip, track),) = labelled(ClipStore(tmp_path))
    assert clip.path == "synthetic/a"
    np.testing.assert_array_equal(track, [4] * 3 + [UNKNOWN] * 7 + [0])
