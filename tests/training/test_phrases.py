"""Phrases by synthesisers: said as asked, phones where the sound is, and never twice."""

import ctypes
import shutil

import numpy as np
import pytest

from rtaudio.training import phrases as module
from rtaudio.training.data import ClipStore
from rtaudio.training.phones import FRAME, PHONES, labelled, phone_track
from rtaudio.training.phrases import LEFT_OUT, Espeak, phrases, speak_flite, speak_phrases
from rtaudio.training.synthesisers import Manner


def has_espeak():
    try:
        ctypes.CDLL("libespeak-ng.so.1")
    except OSError:
        return False
    return True


espeak = pytest.mark.skipif(not has_espeak(), reason="espeak-ng's library is not installed")
flite = pytest.mark.skipif(not shutil.which("flite"), reason="flite is not installed")


def spell(times):
    return [PHONES[phone] for phone, _ in times if phone]


def loudness(wave, times, phone):
    """Mean power of the frames of a phone."""
    track = phone_track(times, wave.size // FRAME)
    frames = np.square(wave[: track.size * FRAME].reshape(-1, FRAME)).mean(1)
    return frames[track == PHONES.index(phone)].mean()


def check(wave, times):
    assert spell(times) in (["S", "M", "AA", "R", "T"], ["S", "M", "AA", "T"])
    assert abs(times[-1][1] * FRAME - wave.size) <= 0.1 * 16000
    assert loudness(wave, times, "AA") > 10 * loudness(wave, times, "T")


@espeak
def test_espeak_tells_where_its_phones_are_and_says_it_alike_again():
    speaker, voice = Espeak(), Manner("espeak-ng", "en-us+f2", 0.9, 0.4)
    wave, times = speaker.speak("smart", voice)
    check(wave, times)
    speaker.speak("other words", Manner("espeak-ng", "en-gb+m3", 1.2, 0.9))
    again, same = speaker.speak("smart", voice)
    assert same == times  # the sound differs: its breath is random
    assert again.shape == wave.shape


@flite
def test_flite_tells_where_its_phones_are(tmp_path):
    check(*speak_flite("smart", Manner("flite", "slt", 0.9), tmp_path / "a.wav"))
    assert not any(tmp_path.iterdir())


def test_phrases_are_the_same_each_time_and_hold_no_keyword():
    some = phrases(40, ("espeak-ng", "flite"))
    assert some == phrases(40, ("espeak-ng", "flite"))
    assert len({phrase.path for phrase in some}) == len(some) == 80
    assert not any(LEFT_OUT.search(phrase.text) for phrase in some)
    assert LEFT_OUT.search("mirrors")
    assert {phrase.manner.program for phrase in phrases(40, ("flite",))} == {"flite"}


@flite
def test_a_store_of_phrases_is_brought_to_its_length_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "installed", lambda: ("flite",))
    told = []
    speak_phrases(tmp_path, lambda done, total: told.append((done, total)), count=2)
    assert told == [(4, 4)]  # two lists
    size = (tmp_path / "samples.i16").stat().st_size
    speak_phrases(tmp_path, lambda *_: pytest.fail("spoken again"), count=2)
    assert (tmp_path / "samples.i16").stat().st_size == size
    assert len(labelled(ClipStore(tmp_path))) == 4


def test_the_first_phrase_is_the_one_that_the_weights_were_trained_with():
    pytest.importorskip("pocketsphinx")  # for its dictionary
    first = phrases(1, ("espeak-ng", "flite"))[0]
    assert (first.text, first.manner.voice) == ("karber lemans norgard eradicated wished", "rms")


def test_without_synthesisers_there_are_no_phrases(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "installed", lambda: ())
    speak_phrases(tmp_path / "phrases", count=2)
    assert not (tmp_path / "phrases" / "clips.jsonl").exists()
