"""The watchdog with the test as its clock; the device is a stand-in that counts."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from rtaudio.devices.recorder import Recorder
from rtaudio.devices.servers import eventually
from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.budget import plan_budget
from rtaudio.engine.live import LiveEngine
from rtaudio.engine.watchdog import Watchdog
from rtaudio.errors import DeviceError, RateError
from rtaudio.stream.native import native_stage
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.worker import WorkerStage


class FakeEngine:
    device = None

    def __init__(self):
        self.heartbeat, self.attempts = (0, 0), []
        self.plan = SimpleNamespace(sample_rate=48000)
        self.refusal = None

    def restart(self):
        self.attempts.append(self.now)
        if self.refusal is not None:
            raise self.refusal

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
    engine.refusal = DeviceError("no such device")
    for tick in range(1, 80):
        engine.look(dog, tick / 4)
    gaps = np.diff(engine.attempts)
    assert engine.attempts[0] == 1.0
    assert list(gaps[:5]) == [0.25, 0.5, 1.0, 2.0, 5.0]
    assert dog.lost
    engine.refusal = None
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


def test_a_device_back_at_a_rate_of_no_use_is_told_once_and_tried_again():
    engine, lines = FakeEngine(), []
    dog = Watchdog(engine, lines.append)
    engine.look(dog, 0.0)
    engine.refusal = RateError("the device runs at 22050 Hz now", [22050])
    for tick in range(1, 40):
        engine.look(dog, tick / 4)
    assert len(engine.attempts) > 3
    assert lines == ["the device is gone; waiting for it to come back", "the device runs at 22050 Hz now"]


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


def test_a_device_that_comes_back_at_another_rate_is_resampled(tmp_path):
    """And back at its first one it isn't any more. The recording, at the first rate, ends."""
    device = SimulatedDevice(np.ones(48000, np.float32), clock="real", duration_s=60.0)
    lines, names = [], (tmp_path / "in.wav", tmp_path / "out.wav")
    first = through(480)
    plan = dataclasses.replace(plan_budget(first, 48000, block=device.block), slack=7)
    with Recorder(*names, 48000) as tap, LiveEngine(first, device, plan, tap=tap) as engine:
        dog = Watchdog(engine, lines.append)
        for now_s, rate in ((10.0, 44100), (20.0, 48000)):
            eventually(lambda: engine.stats().hops >= 20, "hops")
            device.unplug()
            dog.check(now_s)
            device.plug_in(rate)
            hops = engine.stats().hops
            dog.check(now_s + 5.0)
            assert engine.stats().hops >= hops  # counters go on
            eventually(lambda hops=hops: engine.stats().hops >= hops + 20, "hops")
            dog.check(now_s + 5.5)
            assert engine.plan.sample_rate == device.sample_rate == rate
            assert engine.stats().deadline_us == 1e4
            assert (engine.stage is first) == (engine.plan == plan) == (rate == 48000)
    assert np.max(np.abs(device.output)) > 0.9  # the sound is back
    assert lines == [
        "the device is gone; waiting for it to come back",
        "the device is back, at 44100 Hz where it was 48000",
        "the device is gone; waiting for it to come back",
        "the device is back, at 48000 Hz where it was 44100",
    ]
    assert "s: the device went from 48000 to 44100 Hz" in str(tap.error)
    assert all(soundfile.info(name).samplerate == 48000 for name in names)


def test_a_rate_at_which_hops_are_not_whole_is_no_rate():
    device = SimulatedDevice(np.ones(48000, np.float32), clock="real", duration_s=60.0)
    with LiveEngine(through(480), device) as engine:
        device.unplug()
        device.plug_in(22051)
        with pytest.raises(RateError, match="22051 Hz now, where hops are no whole number"):
            engine.restart()
        device.plug_in(22050)
        engine.restart()
        assert engine.plan.hop_length == 441  # two at once


def test_a_worker_goes_on_at_a_rate_where_its_hops_come_several_at_once():
    """At 44.1 kHz five hops of 4 ms come together: each has the time of all, and the new worker runs."""
    device = SimulatedDevice(np.ones(48000, np.float32), block=192, clock="real", duration_s=60.0)
    stage = Pipeline([WorkerStage(through(192), 2)])
    with LiveEngine(stage, device) as engine:
        for rate in (44100, 48000):
            device.unplug()
            device.plug_in(rate)
            engine.restart()
            (worker,) = [part for part in engine.stage.walk() if isinstance(part, WorkerStage)]
            assert worker.delay_hops == {44100: 6, 48000: 2}[rate]
            hops = engine.stats().hops
            eventually(lambda hops=hops: engine.stats().hops > hops, "hops")
            eventually(lambda worker=worker: worker.late_hops < worker.arena["counts"][0] - 50, "its results")
