"""Timing finds what was injected: where, how often, how much."""

import threading

import numba
import numpy as np
import pytest

from rtaudio.kernels.clock import now_ns
from rtaudio.kernels.memory import STEP, f32, i64
from rtaudio.nn.layers import Dense
from rtaudio.stream.arena import Arena
from rtaudio.stream.offline import run_frames
from rtaudio.stream.stage import NativeStage, Spec
from rtaudio.stream.timing import (
    CallTimer,
    HopTimes,
    NativeTimer,
    call_overhead_ns,
    overhead_ns,
    time_calls,
    time_python,
    time_stage,
)

MS = 1_000_000


@numba.cfunc(STEP, error_model="numpy")
def spin_step(state, x, out):
    """Words: offset of the clock's scratch. Busy for x[0] ns; what came in goes out."""
    scratch, cost = state + i64(state, 1)[0], np.int64(f32(x, 1)[0])
    end = now_ns(scratch) + cost
    while now_ns(scratch) < end:
        pass
    f32(out, 1)[0] = f32(x, 1)[0]


class Spin(NativeStage):
    """Takes as many ns as its input says."""

    def __init__(self):
        arena = Arena((), state={"scratch": np.zeros(2, np.int64)})
        super().__init__(spin_step.address, arena, Spec((1,)), Spec((1,)))


SPIKES = [3, 17, 18, 39]


def injected(cost_ns, hops=40):
    x = np.zeros((hops, 1), np.float32)
    x[SPIKES] = cost_ns
    return x


def least_of(runs, what):
    """Per hop the least over some runs: what else the machine did meanwhile is gone."""
    return np.min([getattr(times, what) for times in runs], axis=0)


@pytest.mark.parametrize("period_ns", [0, MS])
def test_spikes_are_found_counted_and_placed(period_ns):
    cost_us = 400.0
    runs = [NativeTimer([Spin()]).run(injected(1000 * cost_us), 40, period_ns) for _ in range(5)]
    for times in runs:
        assert (times.compute_us[SPIKES] >= cost_us).all()
    np.testing.assert_array_equal(np.flatnonzero(least_of(runs, "compute_us") >= cost_us), SPIKES)


def test_a_spike_belongs_to_its_stage():
    timer = NativeTimer([Spin(), Dense(np.zeros((1, 1), np.float32), np.zeros(1, np.float32)), Spin()])
    runs = [timer.run(injected(300e3), 40) for _ in range(5)]
    stages = least_of(runs, "stage_us")
    assert (stages[SPIKES, 0] >= 300).all()
    assert (stages[:, 2] < 300).all()  # the last stage's input is 0: the stages are chained
    np.testing.assert_allclose(runs[0].stage_us.sum(1), runs[0].compute_us)


def test_hops_longer_than_the_period_are_missed_and_the_schedule_stays():
    times = NativeTimer([Spin()]).run(injected(5 * MS), 40, MS)
    assert times.missed[SPIKES].all()
    assert times.missed[4:8].all()  # held up by hop 3, which took five periods
    np.testing.assert_array_equal(np.diff(times.marks[:, 0]), MS)
    assert (times.marks[:, 1] >= times.marks[:, 0]).all()  # never early


def marks(due, begun, end):
    return np.stack([due, begun, end], axis=1).astype(np.int64)


def test_wake_up_response_and_misses_of_known_times():
    due = np.arange(5) * 10 * MS
    begun = due + np.array([50, 100, 0, 0, 60]) * 1000
    end = begun + 2 * MS
    end[1] = due[2] + 3 * MS  # a stall: done 3 ms after the next hop was due
    begun[2], end[2] = end[1], end[1] + MS
    times = HopTimes(marks(due, begun, end), 10 * MS)
    np.testing.assert_array_equal(times.missed, [False, True, False, False, False])
    np.testing.assert_allclose(times.wake_us, [50, 100, 0, 60])  # hop 2 didn't sleep
    np.testing.assert_allclose(times.response_us, [2050, 13000, 4000, 2000, 2060])
    np.testing.assert_allclose(times.compute_us, [2000, 12900, 1000, 2000, 2000])


def test_inputs_are_used_again_and_state_goes_on():
    x = np.arange(1, 4, dtype=np.float32)[:, None]
    out = np.zeros_like(x)
    assert len(NativeTimer([Spin()]).run(x, 7, 0, out).marks) == 7
    np.testing.assert_array_equal(out, x)


def test_a_run_can_be_stopped():
    timer = NativeTimer([Spin()])
    runs = []
    thread = threading.Thread(target=lambda: runs.append(timer.run(injected(0), 100_000, MS)))
    thread.start()
    timer.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert len(runs[0].marks) < 100_000


def test_timing_a_stage_runs_it():
    rng = np.random.default_rng(0)
    stage = Dense(rng.standard_normal((3, 2)).astype(np.float32), np.ones(3, np.float32))
    x = rng.standard_normal((20, 2)).astype(np.float32)
    for period_ns in (0, 1000):
        spent, out = time_stage(stage, x, period_ns)
        np.testing.assert_array_equal(out, run_frames(stage, x))
        assert spent.shape == (20,)
        assert (spent >= 0).all()


def test_python_calls_are_made_once_each_in_turn():
    seen = []
    assert time_python(seen.append, 3).shape == (3,)
    assert seen == [0, 1, 2]
    times = time_calls([lambda k: seen.append(k), lambda k: seen.append(-k)], 3, 1000)
    assert seen[3:] == [0, 0, 1, -1, 2, -2]
    assert times.stage_us.shape == (3, 2)


def test_a_call_that_raises_ends_the_run_and_what_was_timed_is_kept():
    def call(k):
        if k == 3:
            raise KeyError("three")

    timer = CallTimer([call])
    assert len(timer.run(5).marks) == len(timer.so_far().marks) == 3
    assert isinstance(timer.error, KeyError)
    assert timer.busy_since == 0
    assert len(timer.run(2).marks) == 2
    assert timer.error is None
    with pytest.raises(KeyError):
        time_calls([call], 5)


def test_results_are_checked_after_each_hop_and_threads_made_ready_before():
    told = []

    def check(k):
        told.append(f"check {k}")
        if k == 1:
            raise ValueError

    timer = CallTimer([lambda k: told.append(f"call {k}")], check, lambda: told.append("begin"))
    assert len(timer.run(5).marks) == 1
    assert told == ["begin", "call 0", "check 0", "call 1", "check 1"]
    assert isinstance(timer.error, ValueError)


def test_calls_can_be_stopped_and_say_while_they_are_busy():
    busy = []
    timer = CallTimer([lambda k: busy.append(timer.busy_since), lambda k: k == 2 and timer.stop()])
    assert len(timer.run(5).marks) == 3
    assert all(since > 0 for since in busy)


def test_overhead_is_told():  # what it may cost is judged where it is measured: by `rtaudio bench`
    assert overhead_ns(3) > 0
    assert call_overhead_ns(3) > 0
