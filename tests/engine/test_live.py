"""The live path on the simulated device: what it does when nothing, and when everything, goes wrong."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest

from rtaudio.devices.simulated import Faults, SimulatedDevice, stall
from rtaudio.dsp.delay import Delay
from rtaudio.dsp.resample import at_rate
from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.engine.budget import plan_budget
from rtaudio.engine.live import LiveEngine
from rtaudio.engine.watchdog import Watchdog
from rtaudio.errors import ConfigError
from rtaudio.kernels import live as w
from rtaudio.kernels.overload import FIRST_PATIENCE, HOLD_HOPS
from rtaudio.stream.listen import Listen, Tell
from rtaudio.stream.native import native_stage
from rtaudio.stream.offline import run_offline
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import Spec

RATE = 48000
HOP = 480
LATENCY = 100
TIME = np.arange(2 * RATE) / RATE
TONE = (0.5 * np.sin(2 * np.pi * 440 * TIME)).astype(np.float32)
NOISE = (0.1 * np.random.default_rng(0).standard_normal(2 * RATE)).astype(np.float32)
# The steepest step between two samples of TONE: a click is anything clearly steeper.
STEEPEST = float(np.max(np.abs(np.diff(TONE))))


@native_stage(params={"gain": 1.0, "poison": 0.0}, state={"history": np.zeros(LATENCY, np.float32), "at": 0})
def delayed_gain(state, x, out):
    for i in range(x.size):
        j = state.at % 100
        out[i] = state.gain * state.history[j]
        state.history[j] = x[i] if state.poison == 0.0 else np.float32(np.nan)
        state.at += 1


def make(gain=1.0):
    return delayed_gain(HOP, latency=LATENCY, gain=gain)


def run(x, *, stage=None, block=HOP, faults=None, plan=None, **device):
    engine = LiveEngine(stage or make(), SimulatedDevice(x, block=block, faults=faults, **device), plan)
    with engine:
        assert engine.wait(60)
    return engine, engine.device.output[engine.plan.prefill :]


def expected(x, gain=1.0):
    return run_offline(make(gain), x)


def assert_no_click(y):
    assert np.max(np.abs(np.diff(y))) < 1.3 * STEEPEST


@pytest.mark.parametrize("block", [32, 37, 64, 128, 441, 480, 512, 960, 1000, 4096])
def test_live_equals_offline_to_the_bit(block):
    engine, y = run(NOISE, block=block)
    np.testing.assert_array_equal(y[: NOISE.size + LATENCY], expected(NOISE)[: y.size])
    stats = engine.stats()
    assert (stats.deadline_misses, stats.ring_underflows, stats.ring_overflows) == (0, 0, 0)
    assert stats.hops * HOP >= NOISE.size


@pytest.mark.parametrize(("rate", "block"), [(44100, 64), (44100, 441), (96000, 1024), (16000, 160)])
def test_a_stage_at_another_rate_is_live_what_it_is_offline(rate, block):
    engine, y = run(NOISE, stage=at_rate(make(), RATE, rate), sample_rate=rate, block=block)
    assert engine.plan.hop_length == rate // 100
    offline = run_offline(at_rate(make(), RATE, rate), NOISE)
    np.testing.assert_array_equal(y[: NOISE.size], offline[: NOISE.size])
    assert engine.plan.latency == engine.stage.latency == round(100 * rate / RATE + 80 * max(1, rate / RATE))


@pytest.mark.parametrize(
    ("hop_length", "rate", "block", "hop"),
    [(240, 44100, 64, 441), (240, 44100, 147, 441), (192, 44100, 1024, 882), (192, 22050, 441, 441)],
)
def test_several_hops_at_once_are_live_what_they_are_offline(hop_length, rate, block, hop):
    stage = at_rate(delayed_gain(hop_length, latency=LATENCY), RATE, rate)
    engine, y = run(NOISE, stage=stage, sample_rate=rate, block=block)
    assert engine.plan.hop_length == hop
    assert engine.plan.ring == hop - np.gcd(block, hop)
    stage.reset()
    np.testing.assert_array_equal(y[: NOISE.size], run_offline(stage, NOISE)[: NOISE.size])
    assert engine.stats().deadline_misses == 0


def test_dry_sound_at_another_rate_is_in_step_with_wet():
    """Half of the blocks come from a late engine: what is mended has the delay of what is not."""
    stage = at_rate(Pipeline([Delay(HOP, HOP)]), RATE, 44100)
    faults = Faults(hop_cost_us=[0.0] * 20 + [25_000.0])
    tone = TONE[: RATE // 2]
    engine, y = run(tone, stage=stage, sample_rate=44100, block=441, faults=faults)
    assert engine.stats().ring_underflows > 0
    late = y[stage.latency :][: tone.size]
    assert np.max(np.abs(late - tone[: late.size])[2000:-2000]) < 1e-3


def test_a_minute_in_virtual_time_is_exact():
    x = np.tile(NOISE, 30)
    _, y = run(x)
    np.testing.assert_array_equal(y[: x.size], expected(x)[: x.size])


def test_two_runs_with_faults_give_the_same_samples():
    faults = Faults(hop_cost_us=np.random.default_rng(1).exponential(5000, 200))
    np.testing.assert_array_equal(run(NOISE, faults=faults)[1], run(NOISE, faults=faults)[1])


def test_channels_are_averaged_in_and_copied_out():
    _, y = run(NOISE, in_channels=2, out_channels=2)
    np.testing.assert_allclose(y[: NOISE.size], expected(NOISE)[: NOISE.size], atol=1e-7)


def test_jitter_within_the_slack_is_harmless():
    jitter = np.random.default_rng(2).uniform(0, 5000, 300)
    engine, y = run(NOISE, faults=Faults(jitter_us=jitter))
    np.testing.assert_array_equal(y[: NOISE.size], expected(NOISE)[: NOISE.size])
    assert engine.stats().ring_underflows == 0


def test_blocks_that_come_several_at_once_are_no_deadline_misses():
    period_us = 1e6 * HOP / RATE
    bursts = [period_us * (2 - i % 3) for i in range(300)]  # three blocks at the time of the last one
    plan = dataclasses.replace(plan_budget(make(), RATE, block=HOP), slack=2 * HOP)
    engine, y = run(NOISE, faults=Faults(jitter_us=bursts), plan=plan)
    stats = engine.stats()
    assert (stats.deadline_misses, stats.ring_underflows, stats.overload_level) == (0, 0, 0)
    np.testing.assert_array_equal(y[: NOISE.size], expected(NOISE)[: NOISE.size])


def test_one_late_hop_is_replaced_by_dry_sound_without_a_click_and_latency_does_not_creep():
    engine, y = run(TONE, faults=stall(at_hop=50, ms=15))
    stats = engine.stats()
    assert stats.deadline_misses >= 1
    assert stats.ring_underflows >= 1
    assert stats.late_samples_dropped == stats.substituted_samples > 0
    # Gain 1 and a delay: dry and wet are the same sound, so a right substitute can't be heard.
    np.testing.assert_allclose(y[: TONE.size], expected(TONE)[: TONE.size], atol=2e-7)


def test_every_hop_later_than_a_hop_is_a_miss():
    engine, _ = run(TONE, faults=stall(at_hop=50, ms=35))
    # It and the three that came 10, 20 and 30 ms after it are done at 35 ms: 35, 25, 15 and 5 late.
    assert engine.stats().deadline_misses == 3


def test_substitution_does_not_click_where_wet_and_dry_differ():
    engine, y = run(TONE, stage=make(-0.5), faults=stall(at_hop=50, ms=15))
    assert engine.stats().ring_underflows >= 1
    assert_no_click(y[: TONE.size])
    tail = slice(RATE, TONE.size)
    np.testing.assert_array_equal(y[tail], expected(TONE, -0.5)[tail])


def test_a_stall_of_300_ms_jumps_to_the_newest_and_keeps_the_latency():
    engine, y = run(TONE, stage=make(0.5), faults=stall(at_hop=50, ms=300))
    stats = engine.stats()
    assert stats.jumps == 1
    assert stats.substituted_samples >= 0.28 * RATE
    assert_no_click(y[: TONE.size])
    tail = slice(RATE, TONE.size)
    np.testing.assert_allclose(y[tail], expected(TONE, 0.5)[tail], atol=1e-7)


def test_a_stall_longer_than_the_ring_drops_new_blocks_and_keeps_the_latency():
    engine, y = run(TONE, stage=make(0.5), faults=stall(at_hop=10, ms=1200))
    stats = engine.stats()
    assert stats.ring_overflows > 0
    tail = slice(round(1.6 * RATE), TONE.size)
    np.testing.assert_allclose(y[tail], expected(TONE, 0.5)[tail], atol=1e-7)
    assert_no_click(y[: TONE.size])


def test_device_flags_are_counted_apart():
    stats = run(NOISE, faults=Faults(flags=[0, 2, 2, 4, 6]))[0].stats()
    assert (stats.input_overflows, stats.output_underflows) == (3, 2)
    assert (stats.deadline_misses, stats.ring_underflows) == (0, 0)


def test_an_engine_always_too_slow_climbs_to_bypass_and_stays_free_of_clicks():
    engine, y = run(TONE, stage=make(0.5), faults=Faults(hop_cost_us=[12000.0]))
    stats = engine.stats()
    assert stats.overload_level == 3
    assert stats.deadline_misses >= 3
    assert_no_click(y[: TONE.size])


def test_the_ladder_comes_down_again_when_the_load_is_gone():
    long = np.tile(TONE, 6)
    wet, dry = (Pipeline([make(gain), Delay(HOP, 700)]) for gain in (0.5, 1.0))
    engine, y = run(long, stage=wet, faults=Faults(hop_cost_us=[0.0] * 50 + [15000.0] * 10 + [100.0]))
    stats = engine.stats()
    assert stats.overload_level == 0
    assert stats.deadline_misses >= 3
    wanted = run_offline(dry, long)
    np.testing.assert_allclose(y[long.size - RATE : long.size], 0.5 * wanted[long.size - RATE : long.size])
    # The stage starts afresh, and is run unheard at first: what is heard is a mix of wet and dry.
    loud = np.abs(wanted[RATE : long.size]) > 0.1
    share = y[RATE : long.size][loud] / wanted[RATE : long.size][loud]
    assert 0.499 < share.min() < 0.501 < 0.999 < share.max() < 1.001


@native_stage(params={"gain": 1.0})
def cheaper(state, x, out):
    for i in range(x.size):
        out[i] = np.float32(0.25) * x[i]


@native_stage(params={"gain": 1.0})
def dear(state, x, out):
    for i in range(x.size):
        out[i] = np.float32(0.5) * x[i]


@pytest.mark.parametrize("rung", ["cheaper_entry", "hold_entry"])
def test_the_first_rung_runs_the_cheaper_step(rung):
    stage, other = dear(HOP), cheaper(HOP)
    setattr(stage, rung, other.entry)
    nested = Pipeline([Pipeline([stage])])
    long = np.tile(TONE, 2)
    engine, y = run(long, stage=nested, faults=Faults(hop_cost_us=[0.0] * 50 + [10_500.0] * 4 + [0.0]))
    assert engine.stats().overload_level == 0
    back = {"cheaper_entry": FIRST_PATIENCE, "hold_entry": HOLD_HOPS}[rung] + 54
    for first, last, gain in ((1, 50, 0.5), (60, back - 5, 0.25), (back + 5, 400, 0.5)):
        part = slice(first * HOP, last * HOP)
        np.testing.assert_array_equal(y[part], np.float32(gain) * long[part])


@native_stage(params={"gain": 0.5})
def bins_times_gain(state, x, out):
    for i in range(x.size):
        out[i] = np.float32(state.gain) * x[i]


def spectral_gain(gain):
    """A gain on spectra of 960 samples."""
    stage = bins_times_gain(962, gain=gain)
    stage.in_spec = stage.out_spec = Spec((481, 2))
    return stage


@native_stage(params={"gain": 0.5})
def bins_times_quarter(state, x, out):
    for i in range(x.size):
        out[i] = np.float32(0.25) * x[i]


@native_stage(params={"gain": 0.5})
def bins_times_eighth(state, x, out):
    for i in range(x.size):
        out[i] = np.float32(0.125) * x[i]


def test_every_rung_up_and_down_is_heard_as_a_cross_fade():
    """Full 0.5, cheaper 0.25, held 0.125, bypass 1; back by 0.25 to 0.5: each where it belongs, no click."""
    net, others = spectral_gain(0.5), (bins_times_quarter(962), bins_times_eighth(962))
    net.cheaper_entry, net.hold_entry = (stage.entry for stage in others)
    stage = Pipeline([Analysis(2 * HOP, HOP), net, Synthesis(2 * HOP, HOP)])
    trouble = [0.0] * 20 + [12_000.0] * 4
    faults = Faults(hop_cost_us=[*trouble, *trouble, *trouble, 0.0])
    long = np.tile(TONE, 3)
    engine, y = run(long, stage=stage, faults=faults)
    assert engine.stats().overload_level == 0
    assert_no_click(y[: long.size])
    down = 72 + FIRST_PATIENCE
    spans = {
        (2, 20): 0.5,
        (30, 44): 0.25,
        (54, 68): 0.125,
        (78, down - 2): 1.0,
        (down + 8, down + FIRST_PATIENCE - 2): 0.25,
        (down + FIRST_PATIENCE + 8, 590): 0.5,
    }
    dry = np.append(np.zeros(HOP, np.float32), long)
    for (first, last), gain in spans.items():
        part = slice(first * HOP, last * HOP)
        np.testing.assert_allclose(y[part], gain * dry[part], atol=2e-6, err_msg=f"{first}-{last}: {gain}")


@native_stage(state={"hops": 0})
def nan_at_hop_151(state, x, out):
    state.hops += 1
    for i in range(x.size):
        out[i] = x[i] if state.hops != 151 else np.float32(np.nan)


def test_a_hop_that_is_nan_fades_out_and_the_next_fades_in():
    engine, y = run(TONE, stage=nan_at_hop_151(HOP))
    assert abs(TONE[151 * HOP]) > 0.25  # where a jump from silence would be a click
    assert engine.stats().nan_hops == 1
    assert_no_click(y[: TONE.size])
    assert np.max(np.abs(y[150 * HOP + 200 : 151 * HOP])) < 1e-4
    np.testing.assert_array_equal(y[152 * HOP : TONE.size], TONE[152 * HOP :])


def test_nan_is_muted_counted_and_forgotten():
    stage = make()
    device = SimulatedDevice(TONE, clock="virtual")
    engine = LiveEngine(stage, device)
    stage.arena["history"][7] = np.nan  # as a net whose state went bad
    with engine:
        assert engine.wait(60)
    y = device.output[engine.plan.prefill :]
    assert engine.stats().nan_hops == 1
    assert np.all(np.isfinite(y))
    np.testing.assert_array_equal(y[4 * HOP : TONE.size], expected(TONE)[4 * HOP : TONE.size])


def test_a_stage_that_is_always_nan_gives_silence_not_nan():
    stage = make()
    stage.set_param("poison", 1.0)
    engine, y = run(TONE, stage=stage)
    assert engine.stats().nan_hops > 50
    assert np.all(np.isfinite(y))
    assert np.max(np.abs(y)) < 0.6


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [1, 2])
def test_nan_from_the_microphone_is_silence(value, channels):
    x = TONE.copy()
    x[5000:5100] = value
    engine, y = run(x, in_channels=channels)
    stats = engine.stats()
    assert stats.nan_hops == 0
    assert stats.input_db < 0
    x[5000:5100] = 0
    np.testing.assert_allclose(y[: TONE.size], expected(x)[: TONE.size], atol=1e-7)


def test_blocks_larger_than_the_working_memory_lose_nothing():
    engine = LiveEngine(make(), SimulatedDevice(NOISE, faults=Faults(flags=[6])))
    engine._words[w.MAX_FRAMES] = 100
    with engine:
        assert engine.wait(60)
    y = engine.device.output[engine.plan.prefill :]
    np.testing.assert_array_equal(y[: NOISE.size], expected(NOISE)[: NOISE.size])
    stats = engine.stats()
    assert (stats.input_overflows, stats.output_underflows, stats.ring_underflows) == (1, 1, 0)


def test_bypass_is_the_dry_sound_at_the_wet_sounds_time():
    stage = make(0.25)
    device = SimulatedDevice(TONE)
    engine = LiveEngine(stage, device)
    engine.bypass = True
    with engine:
        assert engine.wait(60)
    y = device.output[engine.plan.prefill :]
    assert engine.stats().bypass
    np.testing.assert_allclose(y[RATE : TONE.size], expected(TONE, 1.0)[RATE : TONE.size], atol=1e-7)
    assert_no_click(y[: TONE.size])


def test_a_restart_forgets_all_sound_and_counts_itself():
    stage = make()
    device = SimulatedDevice(NOISE, clock="real", duration_s=60.0)
    engine = LiveEngine(stage, device)
    with engine:
        device.unplug()
        assert not device.active
        with pytest.raises(Exception, match="unplugged"):
            engine.restart()
        device.plug_in()
        engine.restart()
        assert device.active
    assert engine.stats().restarts == 1


def test_the_real_clock_device_delivers_in_time():
    engine, y = run(NOISE[: RATE // 2], clock="real")
    stats = engine.stats()
    if stats.ring_underflows == 0:  # a busy machine may be late; then only the counters can tell
        np.testing.assert_array_equal(y[: RATE // 2], expected(NOISE[: RATE // 2])[: RATE // 2])
    else:
        assert stats.substituted_samples > 0
    assert stats.hops >= 50


@pytest.mark.parametrize(("block", "slack"), [(480, 0), (64, 64), (128, 0), (441, 7)])
def test_the_plan_is_the_delay_that_is_measured(block, slack):
    plan = plan_budget(make(), RATE, block=block)
    impulse = np.zeros(RATE // 4, np.float32)
    impulse[1000] = 1.0
    device = SimulatedDevice(impulse, block=block)
    with LiveEngine(make(), device, plan) as engine:
        assert engine.wait(60)
    delay = int(np.argmax(np.abs(device.output))) - 1000
    inner = sum(ms for name, ms in plan.parts.items() if "buffer" not in name)
    assert delay * 1000 / RATE == pytest.approx(inner)


def test_a_microphone_alone_plays_nothing_and_counts_no_trouble():
    tap = Listen(Tell((HOP,), capacity=1 << 10))
    engine = LiveEngine(tap, SimulatedDevice(NOISE, block=441, in_channels=2, out_channels=0))
    with engine:
        assert engine.wait(60)
    (teller,) = tap.children
    heard = teller.heard().ravel()
    np.testing.assert_allclose(heard[: NOISE.size], NOISE, atol=1e-7)
    stats = engine.stats()
    assert (stats.ring_overflows, stats.ring_underflows, stats.output_underflows) == (0, 0, 0)
    assert engine.heartbeat[0] == engine.heartbeat[1] > 0


def test_a_microphone_alone_hears_all_in_spite_of_a_long_stall_and_a_slow_stage():
    """Nobody waits for the sound: it is worked off, where a duplex stream would jump and bypass."""
    for faults in (stall(at_hop=50, ms=1500), Faults(hop_cost_us=[0.0] * 20 + [14000.0] * 60 + [0.0])):
        tap = Listen(Tell((HOP,), capacity=1 << 10))
        engine = LiveEngine(tap, SimulatedDevice(np.tile(NOISE, 2), out_channels=0, faults=faults))
        with engine:
            assert engine.wait(60)
        stats = engine.stats()
        assert (stats.jumps, stats.overload_level, stats.ring_overflows) == (0, 0, 0)
        assert stats.deadline_misses > 0
        np.testing.assert_array_equal(tap.children[0].heard().ravel()[: 2 * NOISE.size], np.tile(NOISE, 2))


def test_a_microphone_alone_that_is_lost_is_noticed():
    device = SimulatedDevice(NOISE, clock="real", duration_s=60.0, out_channels=0)
    engine = LiveEngine(make(), device)
    watchdog = Watchdog(engine)
    with engine:
        watchdog.check(0.0)
        device.unplug()
        watchdog.check(0.5)
        watchdog.check(2.0)
        assert watchdog.lost
        device.plug_in()
        watchdog.check(10.0)
        while engine.heartbeat[0] < 2:
            device.wait(0.01)
        watchdog.check(10.5)
        assert not watchdog.lost


def test_what_cannot_run_live_is_refused():
    device = SimulatedDevice(NOISE, block=64)
    with pytest.raises(ConfigError, match=r"480.*64"):
        LiveEngine(make(), device, plan_budget(make(), RATE, block=480))


def test_histogram_percentiles_are_those_of_the_injected_costs():
    costs = [100.0] * 98 + [700.0] * 2
    stats = run(NOISE, faults=Faults(hop_cost_us=costs * 3))[0].stats()
    assert stats.compute_us_p50 == pytest.approx(100, rel=0.03)
    assert stats.compute_us_max == pytest.approx(700)
    assert all(
        a <= b for a, b in pairwise([stats.compute_us_p50, stats.compute_us_p99, stats.compute_us_max])
    )
