"""Python stages behind a deadline."""

import threading

import numpy as np
import pytest

from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.live import LiveEngine
from rtaudio.errors import ConfigError
from rtaudio.stream.offline import run_offline
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import Spec
from rtaudio.stream.worker import WorkerStage

HOP, RATE = 480, 48000
NOISE = np.random.default_rng(0).standard_normal(20 * HOP).astype(np.float32)


class Negate:
    """A stage in numpy, with state enough to see a lost hop; `gate` holds it up."""

    latency = 0

    def __init__(self):
        self.in_spec = self.out_spec = Spec((HOP,))
        self.gate = None
        self.hops = 0

    def process(self, x, out):
        if self.gate is not None:
            self.gate.wait(10)
        np.negative(x, out=out)
        self.hops += 1

    def reset(self):
        self.hops = 0


def delayed(x, hops, sign=-1):
    return np.concatenate([np.zeros(hops * HOP, np.float32), sign * x])


@pytest.mark.parametrize("delay_hops", [1, 3])
def test_offline_it_is_the_stage_itself_later(delay_hops):
    stage = WorkerStage(Negate(), delay_hops)
    out = run_offline(stage, NOISE)
    assert stage.latency == delay_hops * HOP
    np.testing.assert_array_equal(out, delayed(NOISE, delay_hops))
    assert stage.late_hops == 0


def test_reset_equals_new_and_a_clone_goes_on():
    stage = WorkerStage(Negate())
    out = np.empty(HOP, np.float32)
    for hop in NOISE.reshape(-1, HOP)[:5]:
        stage.process(hop, out)
    twin, other = stage.clone(), np.empty(HOP, np.float32)
    for hop in NOISE.reshape(-1, HOP)[5:]:
        stage.process(hop, out)
        twin.process(hop, other)
        np.testing.assert_array_equal(out, other)
    stage.reset()
    np.testing.assert_array_equal(run_offline(stage, NOISE), delayed(NOISE, 1))


def test_late_results_are_replaced_by_dry_sound_of_the_same_time_and_dropped():
    inner = Negate()
    stage = WorkerStage(inner)
    tone = np.sin(2 * np.pi * 300 * np.arange(40 * HOP) / RATE).astype(np.float32)
    out = np.empty_like(tone)

    def native_step(i):  # what the engine does: the native step alone, no Python stage inside it
        hop = slice(i * HOP, (i + 1) * HOP)
        super(WorkerStage, stage).process(tone[hop], out[hop])

    for i in range(40):
        native_step(i)
        if not 10 <= i < 15:  # five hops during which the worker gets nothing done
            stage._work_off()
    expected = delayed(tone, 1)[: out.size]
    np.testing.assert_array_equal(out[: 10 * HOP], expected[: 10 * HOP])
    np.testing.assert_array_equal(out[17 * HOP :], expected[17 * HOP :])
    middle = slice(12 * HOP, 15 * HOP)
    np.testing.assert_allclose(out[middle], -expected[middle], atol=1e-4)  # dry: not negated
    assert stage.late_hops == 5
    assert np.max(np.abs(np.diff(out))) < 0.15  # dry and wet differ by up to 2; a click would too


def test_live_a_stuck_worker_costs_hops_and_never_the_stream():
    inner = Negate()
    inner.gate = threading.Event()
    stage = Pipeline([WorkerStage(inner)])
    device = SimulatedDevice(NOISE, clock="real")
    with LiveEngine(stage, device) as engine:
        assert not engine.gil_free
        assert engine.wait(30)
        stats = engine.stats()
        inner.gate.set()
    assert stats.hops >= 20
    assert stats.late_worker_hops >= 15
    assert stats.ring_overflows == 0


def test_misuse_is_named():
    class Odd(Negate):
        def __init__(self):
            super().__init__()
            self.out_spec = Spec((2 * HOP,))

    with pytest.raises(ConfigError, match="960"):
        WorkerStage(Odd())
    with pytest.raises(ConfigError, match="delay_hops=0"):
        WorkerStage(Negate(), 0)
    with pytest.raises(ConfigError, match="real clock"):
        LiveEngine(WorkerStage(Negate()), SimulatedDevice(NOISE))
