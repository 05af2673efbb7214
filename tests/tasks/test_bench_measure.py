"""Measuring in turns: whatever one backend does, it is named, and all that was timed is kept."""

import os
import sys
import threading
import time

import numpy as np
import pytest

from rtaudio.kernels.paced import nothing_step
from rtaudio.stream import lost
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import NativeStage, Spec
from rtaudio.tasks.bench_backends import AheadBackend, NativeBackend, stage_backend
from rtaudio.tasks.bench_measure import ROUNDS, WARM_HOPS, Measurement
from rtaudio.tasks.cost import hop_costs
from rtaudio.tasks.energy import EnergyMeter
from tests.stuck import Stuck

HOP = 4
PERIOD_NS = 100_000
BAD_HOP = 250
"""In the third turn: each takes WARM_HOPS back to back, then 20 at pace."""


class Model:
    """Gives back what it gets, until the hop where it goes wrong in its own way."""

    in_spec = out_spec = Spec((HOP,))
    latency = 0

    def __init__(self, how=""):
        self.how, self.hops = how, 0
        self.released, self.hung = threading.Event(), threading.Event()

    def process(self, x, out):
        out[:] = x
        if self.hops == BAD_HOP:
            self.go_wrong(out)
        self.hops += 1

    def go_wrong(self, out):
        if self.how == "crash":
            raise OSError(5, "the model's own\nerror")
        if self.how == "nan":
            out[1] = np.nan
        if self.how == "shape":
            out[:] = np.zeros(HOP + 1, np.float32)
        if self.how == "hang":
            self.hung.set()
            self.released.wait()

    def reset(self):
        self.hops = 0


class LaunchedModel(Model):
    """As one on a GPU, whose hops are launched before they come; what is launched counts."""

    def __init__(self, how=""):
        super().__init__(how)
        self.launched, self.settled = 0, 0

    def prepare(self):
        self.launched = 1

    def settle(self):
        self.launched, self.settled = 0, self.settled + 1

    def process_at(self, x, out, due_ns):
        assert self.launched
        self.launched = 0
        time.sleep(max(due_ns - time.monotonic_ns(), 0) / 1e9)
        begun = time.monotonic_ns()
        self.process(x, out)
        return begun, time.monotonic_ns()


def hops():
    return np.ones((3, HOP), np.float32)


def call_backend(model):
    if isinstance(model, LaunchedModel):
        return AheadBackend("bad", model, hops())
    return stage_backend("bad", model, hops())


def native(name="native"):
    spec = Spec((HOP,))
    stage = NativeStage(nothing_step.address, Arena(()), spec, spec)
    return NativeBackend(name, ("nothing",), [stage], hops())


def given_up():
    """Threads of measurements that are still at it."""
    return [thread for thread in threading.enumerate() if "_take" in thread.name]


def counts(runs):
    return [len(times.marks) for times in runs.warm], [len(times.marks) for times in runs.paced]


def test_there_may_be_fewer_turns_of_more_hops():
    measurement = Measurement([(native(), PERIOD_NS)], 0.006, rounds=2)
    assert measurement.run()
    assert counts(measurement.runs[0]) == ([WARM_HOPS] * 2, [30] * 2)


def test_no_model_costs_nothing():
    assert hop_costs([]) == {}


def test_backends_take_turns_each_at_its_own_pace():
    measurement = Measurement([(native("one"), PERIOD_NS), (native("two"), 2 * PERIOD_NS)], 0.04)
    shares = []
    assert measurement.run(shares.append)
    one, two = measurement.runs
    assert counts(one) == ([WARM_HOPS] * ROUNDS, [20] * ROUNDS)
    assert counts(two) == ([WARM_HOPS] * ROUNDS, [10] * ROUNDS)
    begun, other = ([times.marks[0, 0] for times in runs.paced] for runs in (one, two))
    assert all(a < b for a, b in zip(begun, other, strict=True))
    assert all(b < a for a, b in zip(begun[1:], other[:-1], strict=True))
    assert all(0 <= share <= 1 for share in shares)


def test_what_cannot_keep_up_is_measured_in_its_time_all_the_same(monkeypatch):
    monkeypatch.setattr("rtaudio.tasks.bench_measure.WARM_S", 0.002)

    def spun(times):
        """As if each hop had taken 0.4 ms."""
        times.marks[:, -1] = times.marks[:, 1] + 4 * PERIOD_NS
        return times

    slow = native()
    run = slow.run
    slow.run = lambda n, period_ns: spun(run(n, period_ns))
    measurement = Measurement([(slow, PERIOD_NS)], 0.02)
    assert measurement.run()
    assert counts(measurement.runs[0]) == ([WARM_HOPS] + [5] * (ROUNDS - 1), [5] * ROUNDS)


def test_what_was_measured_before_an_interruption_is_kept():
    measurement = Measurement([(native(), PERIOD_NS)], 1000.0)
    assert not measurement.run(wanted=lambda: False)
    assert sum(counts(measurement.runs[0])[1]) < 10_000_000


FAILURES = {
    "crash": f"failed at hop {BAD_HOP}: OSError: [Errno 5] the model's own error",
    "nan": f"gave NaN or infinity at hop {BAD_HOP}",
    "shape": f"failed at hop {BAD_HOP}: ValueError: could not broadcast input array "
    "from shape (5,) into shape (4,)",
    "hang": f"hop {BAD_HOP} was not done after 0.2 s",
}


@pytest.mark.parametrize("how", FAILURES)
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("kind", [Model, LaunchedModel])
def test_one_that_goes_wrong_is_named_and_the_rest_is_kept(how, last, kind):
    model = kind(how)
    good, bad = (native(), PERIOD_NS), (call_backend(model), PERIOD_NS)
    measurement = Measurement([good, bad] if last else [bad, good], 0.04, hang_s=0.2)
    try:
        assert measurement.run()
    finally:
        model.released.set()
    for thread in given_up():
        thread.join(10)
    kept, failed = measurement.runs if last else measurement.runs[::-1]
    assert (kept.failure, failed.failure) == ("", FAILURES[how])
    assert counts(kept) == ([WARM_HOPS] * ROUNDS, [20] * ROUNDS)
    assert counts(failed) == ([WARM_HOPS, WARM_HOPS, BAD_HOP - 2 * (WARM_HOPS + 20)], [20, 20])


def test_hops_launched_ahead_are_settled_after_each_turn():
    model = LaunchedModel()
    measurement = Measurement([(call_backend(model), PERIOD_NS)], 0.04)
    assert measurement.run()
    assert counts(measurement.runs[0]) == ([WARM_HOPS] * ROUNDS, [40] * ROUNDS)
    assert (model.launched, model.settled) == (0, 2 * ROUNDS)


def test_one_that_hangs_and_comes_back_changes_nothing_any_more():
    model, threads = Model("hang"), threading.active_count()
    measurement = Measurement([(stage_backend("bad", model, hops()), PERIOD_NS)], 0.04, hang_s=0.2)
    assert measurement.run()
    before = counts(measurement.runs[0])
    (left,) = given_up()
    assert threading.active_count() == threads + 1
    model.released.set()
    left.join(10)
    assert not left.is_alive()
    assert counts(measurement.runs[0]) == before
    assert model.hops == BAD_HOP + 1


@pytest.mark.parametrize("last", [False, True])
def test_native_code_that_hangs_is_named_and_given_up(last):
    stage = Stuck(HOP, BAD_HOP)
    good, bad = (native(), PERIOD_NS), (NativeBackend("bad", ("stuck",), [stage], hops()), PERIOD_NS)
    measurement = Measurement([good, bad] if last else [bad, good], 0.04, hang_s=0.2)
    rescue = threading.Timer(20, stage.free)  # where nobody notices, the test shall fail, not hang
    rescue.start()
    try:
        assert measurement.run()
        assert lost.any_lost()
        (left,) = given_up()
        if sys.platform == "linux":
            assert os.sched_getscheduler(left.native_id) & ~os.SCHED_RESET_ON_FORK == os.SCHED_IDLE
    finally:
        rescue.cancel()
        stage.free()
    kept, failed = measurement.runs if last else measurement.runs[::-1]
    assert (kept.failure, failed.failure) == ("", FAILURES["hang"])
    expected = ([WARM_HOPS, WARM_HOPS, BAD_HOP - 2 * (WARM_HOPS + 20)], [20, 20])
    assert counts(failed) == expected
    assert counts(kept) == ([WARM_HOPS] * ROUNDS, [20] * ROUNDS)
    left.join(10)
    assert not lost.any_lost()
    assert counts(failed) == expected


def test_native_nan_is_found_where_it_began():
    x = np.ones((50, 1), np.float32)
    x[7] = np.inf
    from rtaudio.nn.layers import Dense

    stage = Dense(np.ones((1, 1), np.float32), np.zeros(1, np.float32))
    backend = NativeBackend("native", ("dense",), [stage], x)
    assert len(backend.run(5, 0).marks) == 5
    assert backend.error is None
    assert len(backend.run(30, 0).marks) == 7
    assert str(backend.error) == "gave NaN or infinity at hop 12"


def test_an_error_of_our_own_is_raised_where_one_waits():
    broken = native()
    broken.run = lambda n_hops, period_ns: 1 / 0
    with pytest.raises(ZeroDivisionError):
        Measurement([(native("one"), PERIOD_NS), (broken, PERIOD_NS)], 0.01).run()


def zone(folder, name, value, whole=1000, what="package-0"):
    place = folder / name
    place.mkdir(exist_ok=True)
    (place / "name").write_text(f"{what}\n")
    (place / "energy_uj").write_text(f"{value}\n")
    (place / "max_energy_range_uj").write_text(f"{whole}\n")


def test_energy_is_that_of_all_packages_and_counters_begin_again(tmp_path):
    zone(tmp_path, "intel-rapl:0", 900)
    zone(tmp_path, "intel-rapl:1", 10)
    zone(tmp_path, "intel-rapl:0:0", 5)  # a part of the first, and in it already
    zone(tmp_path, "intel-rapl:2", 0, what="psys")  # the whole computer, the packages too
    meter = EnergyMeter(tmp_path)
    zone(tmp_path, "intel-rapl:2", 999, what="psys")
    zone(tmp_path, "intel-rapl:0", 100)
    zone(tmp_path, "intel-rapl:1", 310)
    assert meter.joules() == pytest.approx(500e-6)
    zone(tmp_path, "intel-rapl:0", 150)
    assert meter.joules() == pytest.approx(550e-6)


def test_a_machine_that_does_not_tell_is_no_zero(tmp_path):
    assert EnergyMeter(tmp_path).joules() is None
    (tmp_path / "intel-rapl:0").mkdir()
    assert EnergyMeter(tmp_path).joules() is None


def test_energy_of_the_paced_turns_is_summed(tmp_path):
    zone(tmp_path, "intel-rapl:0", 0, 10**9)
    measurement = Measurement([(native(), PERIOD_NS)], 0.01)
    measurement._energy = EnergyMeter(tmp_path)
    given = iter(range(10**6))

    def joules():
        return float(next(given))

    measurement._energy.joules = joules
    assert measurement.run()
    assert measurement.runs[0].energy_j == ROUNDS
