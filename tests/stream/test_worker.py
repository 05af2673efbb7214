"""Python stages behind a deadline."""

import ctypes
import threading
from fractions import Fraction

import numpy as np
import pytest

from rtaudio.devices.servers import eventually
from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.dsp.delay import Delay
from rtaudio.dsp.resample import AtRate, heard_at
from rtaudio.engine.budget import plan_budget
from rtaudio.engine.live import LiveEngine
from rtaudio.errors import ConfigError
from rtaudio.kernels.ring import WRITE
from rtaudio.kernels.worker import AWAKE_HOPS, TAGS, WARM_HOPS
from rtaudio.stream.listen import Listen
from rtaudio.stream.lost import any_lost
from rtaudio.stream.native import native_stage
from rtaudio.stream.offline import run_offline
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import NativeStage, Spec
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


class Hang(Negate):
    """Is held up at once, and says so."""

    def __init__(self):
        super().__init__()
        self.gate, self.reached = threading.Event(), threading.Event()

    def process(self, x, out):
        self.reached.set()
        super().process(x, out)


def delayed(x, hops, sign=-1):
    return np.concatenate([np.zeros(hops * HOP, np.float32), sign * x])


@pytest.mark.parametrize("delay_hops", [1, 3])
def test_offline_it_is_the_stage_itself_later(delay_hops):
    stage = WorkerStage(Negate(), delay_hops)
    out = run_offline(stage, NOISE)
    assert stage.latency == delay_hops * HOP
    np.testing.assert_array_equal(out, delayed(NOISE, delay_hops))
    assert stage.late_hops == 0


def test_offline_in_a_pipeline_it_does_its_work_too():
    nested = Pipeline([Pipeline([Delay(HOP, 7), WorkerStage(Negate())]), Delay(HOP, 5)])
    expected = np.concatenate([np.zeros(12, np.float32), delayed(NOISE, 1)])
    np.testing.assert_array_equal(run_offline(nested, NOISE), expected)


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


class Sum(Negate):
    """The sum of all input: one NaN stays for ever, unless the stage is reset."""

    def __init__(self):
        super().__init__()
        self.total = 0.0

    def process(self, x, out):
        self.total += float(x.sum())
        out[:] = self.total

    def reset(self):
        self.total = 0.0


@pytest.mark.parametrize("delay_hops", [1, 2])
def test_the_engines_reset_reaches_the_stage_and_later_results_are_heard(delay_hops):
    """What the engine does with a hop that is NaN: it puts back the initial state, in native code."""
    stage = WorkerStage(Sum(), delay_hops)
    x, out = np.ones(HOP, np.float32), np.empty(HOP, np.float32)
    heard = []
    for hop in range(20):
        stage.process(x * np.nan if hop == 10 else x, out)
        heard.append(out[-1])
        if not np.isfinite(out).all():
            stage.arena.reset()
    # hop 10 comes out delay_hops later, and so do those that were on their way behind it
    assert np.isnan(heard[10 + delay_hops : 11 + 2 * delay_hops]).all()
    first = 11 + 2 * delay_hops
    assert heard[first] == HOP  # new, and one hop old
    resets = delay_hops  # the NaNs behind the first reset it again
    assert heard[first + resets + 1] == 2 * HOP
    assert stage.late_hops == 0


def test_hops_are_numbered_modulo_what_a_float_counts():
    stage = WorkerStage(Negate(), 2)
    stage.arena["counts"][0] = TAGS - 5
    out = run_offline(stage, NOISE)
    np.testing.assert_array_equal(out[3 * HOP :], delayed(NOISE, 2)[3 * HOP :])
    assert stage.late_hops == 2  # the two that were never handed over


class Numbered(Negate):
    """Notes the number of each hop it gets."""

    hop = 0

    def __init__(self):
        super().__init__()
        self.numbers = []

    def process(self, x, out):
        super().process(x, out)
        self.numbers.append(self.hop)


def test_hops_keep_their_numbers_over_those_left_out_and_the_engines_reset():
    inner = Numbered()
    worker, out = WorkerStage(inner), np.empty(HOP, np.float32)

    def hear(n, worked_off=True):
        for _ in range(n):
            NativeStage.process(worker, NOISE[:HOP], out)
            if worked_off:
                worker.work_off()

    hear(3)
    worker.arena.reset()  # as the engine does
    hear(2)
    hear(40, worked_off=False)
    worker.work_off()
    assert inner.numbers[:5] == list(range(5))
    waited = inner.numbers[5:]
    assert waited == list(range(5, 5 + len(waited)))
    assert 0 < len(waited) < 40
    hear(1)
    assert inner.numbers[-1] == 45
    worker.reset()
    hear(1)
    assert inner.numbers[-1] == 0


def test_late_results_leave_no_step_in_short_hops():
    """16 samples are too short for the step from wet to dry to fade: it goes on in the next hop."""
    short = Negate()
    short.in_spec = short.out_spec = Spec((16,))
    stage = WorkerStage(short)
    tone = np.sin(2 * np.pi * 50 * np.arange(200 * 16) / RATE).astype(np.float32)
    out = np.empty_like(tone)
    for i in range(200):
        hop = slice(16 * i, 16 * (i + 1))
        super(WorkerStage, stage).process(tone[hop], out[hop])
        if not 80 <= i < 120:
            stage._work_off()
    assert stage.late_hops == 41  # with one for which the queue had no room
    assert np.max(np.abs(np.diff(out))) < 0.15


def test_a_native_stage_in_a_worker_is_cloned_and_saved_with_its_queues():
    stage = WorkerStage(Delay(HOP, 700), 2)
    out, other = np.empty((2, HOP), np.float32)
    for hop in NOISE.reshape(-1, HOP)[:5]:
        stage.process(hop, out)
    twin, loaded = stage.clone(), WorkerStage(Delay(HOP, 700), 2)
    loaded.load_state(stage.save_state())
    for hop in NOISE.reshape(-1, HOP)[5:]:
        stage.process(hop, out)
        for copy in (twin, loaded):
            copy.process(hop, other)
            np.testing.assert_array_equal(out, other)
    with pytest.raises(ConfigError, match="Negate"):
        Pipeline([WorkerStage(Negate())]).save_state()


@native_stage(state={"hops": 0.0})
def negate(state, x, out):
    """What `Negate` does; its state, too."""
    for i in range(x.size):
        out[i] = -x[i]
    state.hops += 1


def late_in(stage, x, late):
    """Run only the native step, as the engine does; in the hops `late` the worker gets nothing done."""
    out = np.empty_like(x)
    for i in range(x.size // HOP):
        hop = slice(i * HOP, (i + 1) * HOP)
        super(WorkerStage, stage).process(x[hop], out[hop])
        if i not in late:
            stage._work_off()
    return out


def test_a_spare_wakes_with_trouble_and_stands_in_once_it_is_warm():
    spare = negate(HOP)
    stage = WorkerStage(Negate(), 2, spare)
    tone = np.sin(2 * np.pi * 300 * np.arange(120 * HOP) / RATE).astype(np.float32)
    out = late_in(stage, tone, range(10, 100))
    wet = delayed(tone, 2)[: out.size]
    warm = 12 + WARM_HOPS  # results are wanted two hops later
    dry = slice(15 * HOP, warm * HOP)
    np.testing.assert_allclose(out[dry], -wet[dry], atol=1e-4)
    rest = slice((warm + 1) * HOP, None)
    np.testing.assert_allclose(out[rest], wet[rest], atol=1e-6)  # as if nothing were late
    assert stage.late_hops - stage.spare_hops == WARM_HOPS
    assert np.max(np.abs(np.diff(out))) < 0.15
    assert spare.arena["hops"] == 120 - 12


def test_a_spare_sleeps_until_then_and_again_when_all_is_well_and_wakes_up_new():
    spare = negate(HOP)
    stage = WorkerStage(Negate(), 1, spare)
    silence = np.zeros((AWAKE_HOPS + 100) * HOP, np.float32)
    late_in(stage, silence[: 50 * HOP], ())
    assert spare.arena["hops"] == 0
    late_in(stage, silence, [0, 1])
    assert (stage.late_hops, stage.spare_hops) == (2, 0)
    assert spare.arena["hops"] == AWAKE_HOPS + 1
    late_in(stage, silence[: 50 * HOP], range(50))
    assert spare.arena["hops"] == 49  # the first result wanted was there already
    assert stage.spare_hops == 49 - WARM_HOPS


def test_a_lone_late_hop_while_the_spare_is_warm_cannot_be_heard():
    stage = WorkerStage(Negate(), 1, negate(HOP))
    x = np.random.default_rng(1).standard_normal(80 * HOP).astype(np.float32)
    out = late_in(stage, x, [10, 50, 60])
    wet = delayed(x, 1)[: out.size]
    np.testing.assert_allclose(out[13 * HOP :], wet[13 * HOP :], atol=1e-6)
    assert (stage.late_hops, stage.spare_hops) == (3, 2)


def test_the_engines_reset_puts_the_spare_to_sleep():
    stage = Pipeline([WorkerStage(Negate(), 1, negate(HOP))])
    (worker,) = stage.stages
    late_in(worker, np.zeros(40 * HOP, np.float32), range(30))
    assert worker.children[0].arena["hops"] > 0
    for arena in stage.arenas():
        arena.reset()
    late_in(worker, np.zeros(40 * HOP, np.float32), ())
    assert worker.children[0].arena["hops"] == 0


def test_live_the_spare_is_heard_while_the_worker_is_stuck():
    inner = Negate()
    inner.gate = threading.Event()
    stage = Pipeline([WorkerStage(inner, spare=negate(HOP))])
    x = np.tile(NOISE, 8)
    device = SimulatedDevice(x, clock="real")
    with LiveEngine(stage, device) as engine:
        assert engine.wait(30)
        stats = engine.stats()
        inner.gate.set()
    assert 0 < stats.spare_worker_hops <= stats.late_worker_hops
    end = slice(100 * HOP, 150 * HOP)
    heard = device.output[engine.plan.prefill + HOP :][end]
    assert np.dot(heard, x[end]) < 0  # negated; the dry sound is not


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


def test_a_worker_that_hangs_is_given_up_and_a_new_one_works(monkeypatch):
    monkeypatch.setattr("rtaudio.stream.worker.GIVE_UP_S", 0.05)
    inner = Hang()
    worker = WorkerStage(inner)
    worker.start()
    NativeStage.process(worker, NOISE[:HOP], np.empty(HOP, np.float32))
    assert inner.reached.wait(10)
    (hung,) = [thread for thread in threading.enumerate() if thread.name == "rtaudio-worker"]
    worker.stop()
    assert any_lost()
    worker.start()
    worker.stop()
    inner.gate.set()
    hung.join(10)
    assert not any_lost()


class Bursts:
    """A microphone that hands over two hops at once, when it is told to."""

    sample_rate, block = RATE, HOP
    in_channels, out_channels = 1, 0
    duplex = one_clock = active = True
    capture_latency_s = playback_latency_s = 0.0

    def open(self, callbacks):
        word, size = ctypes.c_int64, ctypes.c_uint64
        kind = ctypes.CFUNCTYPE(ctypes.c_int32, word, word, size, word, size, word)
        self._capture, self._memory = kind(callbacks.capture), callbacks.memory

    def hand_over(self, x):
        self._capture(x.ctypes.data, 0, x.size, 0, 0, self._memory)

    def start(self):
        pass

    stop = close = start


def late_in_bursts(burst, stage, worker_of):
    """Hops that are late of the 20 in NOISE, two at once; the worker works between the bursts alone."""
    inner = worker_of(stage).inner
    inner.gate = threading.Event()
    device = Bursts()
    with LiveEngine(stage, device, plan_budget(stage, RATE, block=HOP, burst=burst)) as engine:
        given_back = worker_of(engine.stage)._out
        for at in range(0, NOISE.size, 2 * HOP):
            hops = at // HOP + 2
            inner.gate.clear()
            device.hand_over(NOISE[at : at + 2 * HOP])
            eventually(lambda hops=hops: engine.stats().hops == hops, "both hops")
            inner.gate.set()
            eventually(lambda hops=hops: given_back.words[WRITE] == hops * (HOP + 1), "the worker's results")
        return engine.stats().late_worker_hops


@pytest.mark.parametrize(("burst", "late"), [(1, 10), (2, 0)])
def test_a_hop_of_each_burst_is_late_unless_the_plan_knows_of_bursts(burst, late):
    stage = Pipeline([WorkerStage(Negate())])
    assert late_in_bursts(burst, stage, lambda stage: stage.stages[0]) == late


def test_so_it_is_for_what_listens():
    stage = Listen(Pipeline([WorkerStage(Negate())]))
    assert late_in_bursts(2, stage, lambda stage: stage.children[0].stages[0]) == 0


def test_the_time_for_bursts_is_the_same_stage_later():
    stage = WorkerStage(Negate(), 2, negate(HOP))
    patient = stage.in_bursts(3)
    assert (patient.delay_hops, patient.hops_at_once, patient.worker_latency) == (4, 3, 4 * HOP)
    assert (patient.inner, patient.children) == (stage.inner, stage.children)
    assert patient.in_bursts(3) is patient.in_bursts(1) is patient
    assert patient.clone().in_bursts(4).delay_hops == 5
    np.testing.assert_array_equal(run_offline(patient, NOISE), delayed(NOISE, 4))
    native = Pipeline([negate(HOP), Listen(negate(HOP))])
    assert native.in_bursts(3) is native


@pytest.mark.parametrize(("rate", "hops"), [(48000, 1), (44100, 5)])
def test_bursts_are_of_hops_of_the_device_at_whatever_rate(rate, hops):
    """At 44.1 kHz five hops of 256 at 16 kHz are one, and two of those ten."""
    for made in (AtRate, heard_at):
        stage = made(WorkerStage(Delay(256, 7)), 16000, rate)
        patient = stage.in_bursts(2)
        (worker,) = [part for part in patient.walk() if isinstance(part, WorkerStage)]
        assert (worker.delay_hops, worker.hops_at_once) == (2 * hops, 2 * hops)
        assert patient.latency - stage.latency == round(hops * 256 * rate / 16000)
        assert patient.worker_latency == Fraction(2 * hops * 256 * rate, 16000)
        assert (patient.in_spec, patient.out_spec) == (stage.in_spec, stage.out_spec)


def test_misuse_is_named():
    class Odd(Negate):
        def __init__(self):
            super().__init__()
            self.out_spec = Spec((2 * HOP,))

    with pytest.raises(ConfigError, match="960"):
        WorkerStage(Odd())
    with pytest.raises(ConfigError, match="a spare of hop 480 and latency 7"):
        WorkerStage(Negate(), spare=Delay(HOP, 7))
    with pytest.raises(ConfigError, match="delay_hops=0"):
        WorkerStage(Negate(), 0)
    with pytest.raises(ConfigError, match="hops_at_once=2 must be from 1 to delay_hops=1"):
        WorkerStage(Negate(), hops_at_once=2)
    with pytest.raises(ConfigError, match="real clock"):
        LiveEngine(WorkerStage(Negate()), SimulatedDevice(NOISE))
