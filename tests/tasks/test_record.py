"""An utterance is found between its silences, and a microphone gives one after another."""

import numpy as np
import pytest

from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.live import LiveEngine
from rtaudio.errors import DeviceError
from rtaudio.tasks import record
from rtaudio.tasks.record import HOP, Microphone, Utterance
from tests.tone_words import script

RATE = 16000


def utterance(x):
    found = Utterance()
    for hop in x.reshape(-1, HOP):
        found.feed(hop)
    return found


def room(x, level=0.001):
    return x + np.random.default_rng(0).normal(0, level, x.size).astype(np.float32)


@pytest.mark.parametrize("level", [0.0, 0.001, 0.02])
def test_a_word_is_kept_with_a_little_before_and_after(level):
    found = utterance(room(script(RATE, (1.0, "low"), seconds=3), level))
    assert found.done
    assert found.wave.size / RATE == pytest.approx(0.25 + 0.3 + 0.5, abs=0.1)
    loud = np.flatnonzero(np.abs(found.wave) > 0.15) / RATE
    assert loud[0] > 0.2
    assert found.wave.size / RATE - loud[-1] > 0.4


def test_silence_and_clicks_are_given_up():
    x = room(np.zeros(9 * RATE, np.float32))
    x[2 * RATE : 2 * RATE + 200] = 0.5
    found = utterance(x)
    assert found.done
    assert found.wave.size == 0


def test_it_goes_on_until_it_is_done():
    found = utterance(room(script(RATE, (1.0, "low"), seconds=1.4)))
    assert (found.begun, found.done) == (True, False)


def test_sound_without_an_end_is_cut():
    t = np.arange(8 * RATE) / RATE
    x = np.where(t > 0.5, np.sin(2000 * t), 0).astype(np.float32)
    assert utterance(x).wave.size / RATE == pytest.approx(4.0, abs=0.01)


def opened(monkeypatch, x, rate=48000, **device):
    """The simulated device in place of the microphone."""

    def open_microphone(build, source):
        stage = build(rate)
        engine = LiveEngine(
            stage, SimulatedDevice(x, rate, rate // 100, clock="real", out_channels=0, **device)
        )
        engine.start()
        return engine, stage

    monkeypatch.setattr(record, "open_microphone", open_microphone)


@pytest.mark.parametrize("rate", [11025, 16000, 22050, 44100, 48000])
def test_a_microphone_of_any_rate_gives_one_utterance_after_another(monkeypatch, rate):
    opened(monkeypatch, room(script(rate, (0.6, "low"), seconds=1.5)), rate, duration_s=60)
    levels = []
    with Microphone() as microphone:
        waves = [microphone.record(lambda seen: levels.append(seen.level_db)) for _ in range(2)]
    assert all(0.2 * RATE < wave.size < 2 * RATE for wave in waves)
    assert max(levels) > -20


def test_a_microphone_that_falls_silent_is_told(monkeypatch):
    monkeypatch.setattr(record, "GIVE_UP_S", 0.2)
    opened(monkeypatch, np.zeros(480, np.float32))
    with Microphone() as microphone, pytest.raises(DeviceError, match="no sound"):
        microphone.record()
