import shutil
import subprocess

import numpy as np
import pytest
import soundfile as sf

from rtaudio.nn.enrolment import check_clip
from rtaudio.training import synthesisers
from rtaudio.training.synthesisers import FAILURES, PROGRAMS, Manner, installed, manners, speak
from tests.synthesisers import GOOD, install


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_real_program_says_a_word_in_all_its_voices(program, tmp_path):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    waves = [speak("good morning", manner, tmp_path / "x.wav") for manner in manners(program, 12)]
    assert [check_clip(wave) for wave in waves] == [None] * 12
    assert all(wave.dtype == np.float32 for wave in waves)
    assert len({wave.tobytes() for wave in waves}) == 12
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_pace_is_heard(program, tmp_path):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    voice = PROGRAMS[program][0]
    slow, fast = (speak("snowboy", Manner(program, voice, pace), tmp_path / "x.wav") for pace in (0.7, 1.3))
    assert slow.size > 1.2 * fast.size


def test_what_is_installed(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    assert installed() == ()
    install(tmp_path, monkeypatch, flite=GOOD)
    assert installed() == ("flite",)


def test_manners_differ_and_are_the_same_again():
    first = manners("flite", 24)
    assert first == manners("flite", 24)
    assert len(set(first)) == 24
    assert {manner.voice for manner in first} == set(PROGRAMS["flite"])


def test_speech_comes_at_16_khz_and_one_level(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, flite=GOOD)
    sf.write(tmp_path / "low.wav", 0.01 * np.sin(np.arange(8000)), 8000)
    wave = speak("x", Manner("flite", "slt"), tmp_path / "x.wav")
    assert wave.size == 16000
    assert np.abs(wave).max() == pytest.approx(0.9, abs=1e-4)


@pytest.mark.parametrize("text", ["exit 1", "exit 0", 'while [ $# -gt 1 ]; do shift; done; echo hm > "$1"'])
def test_a_program_that_fails_leaves_an_error_and_no_file(tmp_path, monkeypatch, text):
    install(tmp_path, monkeypatch, flite=text)
    with pytest.raises(FAILURES):
        speak("x", Manner("flite", "slt"), tmp_path / "x.wav")
    assert not (tmp_path / "x.wav").exists()


def test_a_program_that_hangs_is_ended(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, flite="exec /bin/sleep 100")
    monkeypatch.setattr(synthesisers, "TIMEOUT_S", 0.05)
    with pytest.raises(subprocess.TimeoutExpired):
        speak("x", Manner("flite", "slt"), tmp_path / "x.wav")
