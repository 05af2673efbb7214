"""A word taught by recordings: found afterwards, and what can't teach it told in a line."""

import numpy as np
import pytest
import soundfile as sf

import rtaudio
from rtaudio.errors import AudioFileError, ConfigError
from rtaudio.tasks.enrol import Clip, check_name, enrol, read_clip, trouble_with
from rtaudio.tasks.words import save_word
from tests.tone_words import say, script

RATE = 16000


def clip(number=0, level=0.3, seconds=0.4):
    """The word "low", swelling differently each time, in a little noise."""
    rng, x = np.random.default_rng(number), np.zeros(RATE, np.float32)
    tone = say("low", RATE, seconds, level)
    swell = 0.7 + 0.3 * np.sin(2 * np.pi * (3 + number) * np.arange(tone.size) / RATE)
    x[4000:][: tone.size] = tone * swell
    return Clip(f"take {number}", x + rng.normal(0, 0.003, RATE).astype(np.float32) * level)


def test_a_taught_word_is_heard_and_others_are_not(tones):
    word, unheard = enrol("beep", [clip(n, seconds=0.35 + 0.05 * n) for n in range(3)])
    assert unheard == []
    save_word(word)
    said = script(RATE, (1.0, "low"), (2.5, "high"), (4.0, "low"), seconds=5)
    noise = np.random.default_rng(9).normal(0, 0.003, said.size).astype(np.float32)
    events = list(rtaudio.spot(said + noise, sample_rate=RATE, keywords=["beep"]))
    assert [event.word for event in events] == ["beep", "beep"]
    assert [event.start_s for event in events] == pytest.approx([1.0, 4.0], abs=0.1)


def test_the_same_recordings_give_the_same_word(tones):
    first, second = (enrol("beep", [clip(0), clip(1)])[0] for _ in range(2))
    np.testing.assert_array_equal(first.head.weight, second.head.weight)
    assert first.card["recordings"] == 2


@pytest.mark.parametrize("count", [1, 50])
def test_one_recording_and_fifty(tones, count):
    word, _ = enrol("beep", [clip(n, seconds=0.3 + 0.004 * n) for n in range(count)])
    assert word.card["recordings"] == count


def noise(level):
    return (level * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)


@pytest.mark.parametrize(
    ("wave", "reason"),
    [
        (np.zeros(RATE, np.float32), "too quiet"),
        (clip(level=1e-4).wave, "too quiet"),
        (np.clip(20 * clip().wave, -1, 1), "clipped"),
        (clip(seconds=0.05).wave, "too short"),
        (np.full(RATE, np.nan, np.float32), "not a number"),
        (np.zeros(0, np.float32), "empty"),
        (noise(0.1), "no speech"),
    ],
)
def test_what_can_not_teach_a_word_is_told(tones, wave, reason):
    assert reason in trouble_with(wave)
    with pytest.raises(ConfigError, match=f"third: .*{reason}"):
        enrol("beep", [clip(0), clip(1), Clip("third", wave)])


def test_the_same_recording_twice_is_told_at_any_level(tones):
    again = Clip("take 9", 0.5 * clip(0).wave)
    with pytest.raises(ConfigError, match="take 0 and take 9 are the same"):
        enrol("beep", [clip(0), clip(1, seconds=0.5), again])


def test_too_many_and_none_at_all(tones):
    with pytest.raises(ConfigError, match="not 51"):
        enrol("beep", [clip(n) for n in range(51)])
    with pytest.raises(ConfigError, match="not 0"):
        enrol("beep", [])


def test_a_recording_of_something_else_is_named(tones):
    other = np.zeros(RATE, np.float32)
    other[4000:][: round(0.4 * RATE)] = say("high", RATE, 0.4)
    _, unheard = enrol("beep", [clip(0), clip(1), Clip("odd", other)])
    assert unheard == ["odd"]


def test_names(tones):
    assert check_name("Good morning") == "good_morning"
    with pytest.raises(ConfigError, match="built-in word"):
        check_name("LOW")
    save_word(enrol("beep", [clip()])[0])
    with pytest.raises(ConfigError, match="--replace"):
        check_name("beep")
    assert check_name("beep", replace=True) == "beep"


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (8000, 1)])
def test_recordings_are_read_at_any_rate(tmp_path, rate, channels):
    x = script(rate, (0.3, "low"), seconds=1)
    sf.write(tmp_path / "a.wav", np.stack([x] * channels, 1), rate)
    got = read_clip(tmp_path / "a.wav")
    assert got.wave.size == pytest.approx(RATE, abs=2)
    assert got.told.startswith("0.3 s, -1")


def test_files_that_are_no_recordings_of_a_word(tmp_path):
    with pytest.raises(AudioFileError, match="no such file"):
        read_clip(tmp_path / "nope.wav")
    sf.write(tmp_path / "long.wav", np.zeros(11 * 8000), 8000)
    with pytest.raises(ConfigError, match="too long for one word"):
        read_clip(tmp_path / "long.wav")
