"""The watchdog with the test as its clock; the device is a stand-in that counts."""

import numpy as np
import pytest

from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.live import LiveEngine
from rtaudio.engine.watchdog import Watchdog
from rtaudio.errors import DeviceError
from rtaudio.stream.native import native_stage


class FakeEngine:
    device = None

    def __init__(self):
        self.heartbeat, self.present, self.attempts = (0, 0), True, []

    def restart(self):
        self.attempts.append(self.now)
        if not self.present:
            raise DeviceError("no such device")

    def look(self, watchdog, now_s):
        self.now = now_s
        watchdog.check(now_s)

    def beat(self, capture=1, playback=1):
        self.heartbeat = self.heartbeat[0] + capture, self.heartbeat[1] + playback


def test_a_beating_device_is_left_alone():
    engine = FakeEngine()
    dog = Watchdog(engine)
    for tick in range(100):
        engine.beat()
        engine.look(dog, tick / 4)
    assert engine.attempts == []


def test_a_lost_device_is_tried_with_back_off_until_it_is_back():
    engine, lines = FakeEngine(), []
    dog = Watchdog(engine, lines.append)
    engine.look(dog, 0.0)
    engine.present = False
    for tick in range(1, 80):
        engine.look(dog, tick / 4)
    gaps = np.diff(engine.attempts)
    assert engine.attempts[0] == 1.0
    assert list(gaps[:5]) == [0.25, 0.5, 1.0, 2.0, 5.0]
    assert dog.lost
    engine.present = True
    engine.look(dog, 30.0)
    engine.beat()
    engine.look(dog, 30.25)
    assert not dog.lost
    assert lines == ["the device is gone; waiting for it to come back", "the device is back"]


@pytest.mark.parametrize("lost", [{"capture": 0}, {"playback": 0}])
def test_one_of_two_devices_is_missed_while_the_other_goes_on(lost):
    engine, lines = FakeEngine(), []
    dog = Watchdog(engine, lines.append)
    for tick in range(8):
        engine.beat(**lost if tick > 2 else {})
        engine.look(dog, tick / 4)
    assert engine.attempts == [1.5]
    assert dog.lost
    engine.beat()
    engine.look(dog, 2.0)
    assert not dog.lost


def test_a_device_that_reopens_but_stays_silent_is_tried_again():
    engine = FakeEngine()
    dog = Watchdog(engine)
    for tick in range(40):
        engine.look(dog, tick / 4)
    assert len(engine.attempts) >= 3


@native_stage
def through(state, x, out):
    for i in range(x.size):
        out[i] = x[i]


def test_a_simulated_device_is_lost_and_comes_back():
    device = SimulatedDevice(np.ones(48000, np.float32), clock="real", duration_s=60.0)
    engine = LiveEngine(through(480), device)
    dog = Watchdog(engine)
    with engine:
        device.unplug()
        dog.check(0.0)
        dog.check(1.0)
        assert dog.lost
        assert engine.stats().restarts == 0
        device.plug_in()
        dog.check(2.0)
        assert engine.stats().restarts == 1
        assert device.active
