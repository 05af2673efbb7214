"""Microphone and loudspeaker on clocks of their own: a day of it, in virtual time."""

import ctypes

import numpy as np
import pytest

from rtaudio.devices.simulated import Faults, SimulatedDevice
from rtaudio.engine.live import LiveEngine
from rtaudio.kernels import live as w
from rtaudio.kernels.resample import DELAY
from rtaudio.stream.native import native_stage

RATE, HOP = 48000, 480
TONE_HZ = 50  # a period of two hops: its phase tells the delay without ambiguity
DAY_S = 24 * 3600.0


@native_stage
def through(state, x, out):
    for i in range(x.size):
        out[i] = x[i]


def run(seconds, out_ppm, in_ppm=0.0, rate=RATE, **options):
    tone = 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(rate // TONE_HZ) / rate)
    device = SimulatedDevice(
        tone.astype(np.float32),
        rate,
        options.pop("block", rate // 100),
        two_clocks=True,
        in_ppm=in_ppm,
        out_ppm=out_ppm,
        duration_s=seconds,
        watch_hz=TONE_HZ,
        **options,
    )
    engine = LiveEngine(through(rate // 100), device)
    with engine:
        assert engine.wait(3600)  # a busy machine may take its time
    return engine, device


def delay_samples(device, out_ppm):
    """Delay of the tone in the last second of the run, from its phase; modulo two hops."""
    rate = device.sample_rate
    blocks = int(rate * device.duration_s * (1 + 1e-6 * out_ppm)) // device.block - 1
    played = blocks * device.block
    index = np.arange(played - rate, played)
    heard = device.output[index % device.output.size].astype(float)
    time = index / (rate * (1 + 1e-6 * out_ppm))
    phase = np.angle(np.sum(heard * np.exp(-2j * np.pi * TONE_HZ * time)) * 1j)
    return -phase / (2 * np.pi) * rate / TONE_HZ


def moved_samples(device, other, out_ppm):
    """How much longer the delay is in one run than in the other; modulo two hops."""
    period = device.sample_rate / TONE_HZ
    return (delay_samples(device, out_ppm) - delay_samples(other, out_ppm) + period / 2) % period - period / 2


def assert_flat(seconds, out_ppm, rate=RATE):
    before, early = run(20.0, out_ppm, rate=rate)
    engine, late = run(seconds, out_ppm, rate=rate)
    stats = engine.stats()
    assert (stats.ring_underflows, stats.ring_overflows, stats.late_samples_dropped) == (0, 0, 0)
    assert abs(moved_samples(late, early, out_ppm)) < rate / 100
    assert abs(stats.ring_latency_s - before.stats().ring_latency_s) <= 0.01  # so not by whole periods
    # One lost sample of this tone leaves 0.5 * 2 pi 50 / 48000 = 3e-3; float32 rounding 2e-7.
    assert late.worst_residual < 1e-5
    assert stats.drift_ppm == pytest.approx(out_ppm, abs=1)


@pytest.mark.parametrize(("out_ppm", "rate"), [(100.0, 48000), (-100.0, 16000)])
def test_latency_is_flat_over_a_day_without_a_click(out_ppm, rate):
    """At 48 kHz more samples pass than 32 bits count; at 16 kHz it takes a third of the time."""
    assert_flat(DAY_S, out_ppm, rate)


def test_two_hours_at_300_ppm():
    assert_flat(7200.0, 300.0)


def test_jittery_callbacks_do_not_upset_the_servo():
    jitter = np.random.default_rng(0).uniform(0, 3000, 6000)
    engine, device = run(300.0, 100.0, faults=Faults(jitter_us=jitter))
    assert engine.stats().ring_underflows == 0
    assert device.worst_residual < 1e-5


@pytest.mark.parametrize("catching_up_us", [0.0, 8000.0])
def test_after_a_stall_the_sound_fades_in_again_at_the_same_delay(catching_up_us):
    """The engine that catches up slowly still has hops to come when the sound goes on."""
    costs = [0.0] * 1000 + [70_000.0] + [catching_up_us] * 50 + [0.0]
    engine, device = run(120.0, 100.0, faults=Faults(hop_cost_us=costs))
    calm_engine, calm = run(20.0, 100.0)
    stats = engine.stats()
    # 70 ms without a hop, less the two hops that were in the ring: silence for five blocks or more.
    assert 5 <= stats.ring_underflows <= 9
    assert 4 * HOP <= stats.substituted_samples <= 9 * HOP
    untroubled = calm_engine.stats()
    assert (untroubled.ring_underflows, untroubled.substituted_samples) == (0, 0)
    assert untroubled.late_samples_dropped == 0
    assert abs(moved_samples(device, calm, 100.0)) < HOP / 4
    assert abs(stats.ring_latency_s - untroubled.ring_latency_s) * RATE <= HOP  # so not by whole periods


def test_an_interruption_fades_to_silence_and_back():
    _, device = run(9.0, 0.0, faults=Faults(hop_cost_us=[0.0] * 400 + [200_000.0, 0.0]))
    assert np.count_nonzero(np.abs(device.output) < 1e-6) > 5 * HOP
    # the decay of 2 % a sample from a peak of 0.5; the tone itself moves by 0.0033
    assert np.max(np.abs(np.diff(device.output[RATE : 8 * RATE]))) < 0.0101


def test_filling_the_ring_is_no_trouble():
    """Where no whole number of hops is the target, what is beyond it is not late sound."""
    stats = run(5.0, 0.0, block=441)[0].stats()
    assert (stats.ring_underflows, stats.substituted_samples, stats.late_samples_dropped) == (0, 0, 0)


def test_two_streams_on_one_clock_give_every_sample_as_offline():
    x = (0.1 * np.random.default_rng(0).standard_normal(4 * RATE)).astype(np.float32)
    engine = LiveEngine(through(HOP), SimulatedDevice(x, block=HOP, two_streams=True))
    with engine:
        assert engine.wait(60)
    heard = engine.device.output
    begin = int(np.flatnonzero(heard)[0])
    delay = next(d for d in range(begin, -1, -1) if np.array_equal(heard[d + 5000 :][:1000], x[5000:6000]))
    assert delay <= engine.plan.prefill + engine.plan.bridge + DELAY
    np.testing.assert_array_equal(heard[delay + 5000 :][: 3 * RATE], x[5000:][: 3 * RATE])


def play(engine, frames):
    """What the playback callback gives for a block."""
    out = np.full(frames, 9.0, np.float32)
    call = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_int64] * 2, ctypes.c_uint64, *[ctypes.c_int64] * 3)
    callbacks = engine._memory.callbacks
    call(callbacks.playback)(0, out.ctypes.data, frames, 0, 0, callbacks.memory)
    return out


def test_a_loudspeaker_that_stood_still_does_not_leave_the_sound_late():
    """What gathered meanwhile is dropped down to the target, without a step."""
    engine = LiveEngine(through(HOP), SimulatedDevice(np.zeros(HOP), block=HOP, two_streams=True))
    ring, words = engine._memory.playback_ring, engine._memory.words
    target, spare = int(words[w.TARGET_FILL]), int(words[w.SPARE_FILL])
    tone = (0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(RATE) / RATE)).astype(np.float32)
    assert ring.push(tone[:target])
    heard = [play(engine, HOP)]
    assert ring.fill == target - HOP
    assert ring.push(tone[target:][: HOP + spare])
    heard.append(play(engine, HOP))
    assert ring.fill == target - HOP + spare  # that much is no more than jitter
    assert ring.push(tone[target + HOP + spare :][: HOP + 1])
    heard.append(play(engine, HOP))
    assert ring.fill == target - HOP
    assert engine.stats().late_samples_dropped == spare + 1
    assert np.max(np.abs(np.diff(np.concatenate(heard)))) < 0.0101  # as at an interruption


@pytest.mark.parametrize("late_ms", [30, 300])
def test_after_a_stall_of_the_server_two_streams_on_one_clock_are_on_time_again(late_ms):
    """Both ends stand still, then come in a burst; within a hop of the delay before, at once."""
    tone = 0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(RATE // TONE_HZ) / RATE).astype(np.float32)
    jitter = [0.0] * 500 + [1000.0 * late_ms - 10_000.0 * i for i in range(late_ms // 10)]
    runs = []
    for faults in (None, Faults(jitter_us=jitter)):
        device = SimulatedDevice(tone, block=HOP, two_streams=True, duration_s=8.0, faults=faults)
        with LiveEngine(through(HOP), device) as engine:
            assert engine.wait(60)
        runs.append(engine)
    calm, stalled = runs
    assert abs(stalled.stats().ring_latency_s - calm.stats().ring_latency_s) * RATE <= HOP
