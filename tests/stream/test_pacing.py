"""Pacing and its numbers on a clock that obeys: exact where a real clock could only be near.

Both loops, the native one in its Python form, get the same clock. It moves only when a stage works
or the loop sleeps, and sleep ends late by a known time.
"""

import ctypes

import numpy as np
import pytest

from rtaudio.kernels import clock as kernel_clock
from rtaudio.kernels import paced
from rtaudio.stream import timing
from rtaudio.stream.timing import HopTimes
from rtaudio.tasks.bench_summary import Runs, percentiles, summarise

MS, US = 1_000_000, 1000
PERIOD_NS = 10 * MS
START_NS, LATE_NS = 123_456_789, 70 * US


class Clock:
    def __init__(self):
        self.ns, self.sleeps = START_NS, 0

    def monotonic_ns(self):
        return self.ns

    def monotonic(self):
        return self.ns / 1e9

    def sleep(self, seconds):
        if seconds > 0:
            self.ns += round(seconds * 1e9) + LATE_NS
            self.sleeps += 1


def words_at(address, size):
    return np.ctypeslib.as_array((ctypes.c_int64 * size).from_address(address))


def python_loop(monkeypatch, clock, costs_ns):
    """Two calls a hop that take 1/4 and 3/4 of its cost."""
    monkeypatch.setattr(timing, "time", clock)

    def work(share):
        def call(k):
            clock.ns += int(costs_ns[k] * share)

        return call

    return timing.time_calls([work(0.25), work(0.75)], len(costs_ns), PERIOD_NS)


def native_loop(monkeypatch, clock, costs_ns):
    """The kernel's own lines, run by Python: only what they call is replaced."""
    calls = iter(np.repeat(costs_ns, 2))

    def step(entry, state, x, out):
        clock.ns += int(next(calls) * (0.25, 0.75)[entry])

    replaced = {
        "now_ns": lambda scratch: clock.ns,
        "sleep_us": lambda us: clock.sleep(us / 1e6),
        "call_step": step,
        "i64": words_at,
        "load_acquire": lambda address: words_at(address, 1)[0],
        "flush_denormals": lambda: 0,
        "restore_denormals": lambda control: None,
        "wait_until": kernel_clock.wait_until.py_func,
        "_time_hop": paced._time_hop.py_func,
    }
    for name, value in replaced.items():
        for module in (paced, kernel_clock):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(timing, "time_hops", paced.time_hops.py_func)
    table = np.array([(0, 0, 0, 0), (1, 0, 0, 0)], np.int64)
    sound = np.zeros((1, 1), np.float32)
    scratch = np.zeros(paced.SCRATCH_WORDS, np.int64)
    return timing._run(table, sound, sound, timing._no_marks(len(costs_ns), len(table)), PERIOD_NS, scratch)


def due_loop(monkeypatch, clock, costs_ns):
    """A call that sleeps and tells the time by itself."""
    monkeypatch.setattr(timing, "time", clock)

    def call(k, due_ns):
        clock.sleep((due_ns - clock.ns) / 1e9)
        begun = clock.ns
        clock.ns += int(costs_ns[k])
        return begun, clock.ns

    return timing.finished(timing.DueTimer(call), len(costs_ns), PERIOD_NS)


LOOPS = {"python": python_loop, "native": native_loop, "due": due_loop}
SPIKES = {300: 12 * MS, 700: 25 * MS, 1999: 11 * MS}
"""In ns: each misses its own deadline, and the longest those of the next two hops as well."""


@pytest.fixture(params=LOOPS)
def times(request, monkeypatch) -> HopTimes:
    costs_ns = np.full(2000, 400 * US)
    for hop, cost in SPIKES.items():
        costs_ns[hop] = cost
    with monkeypatch.context() as patches:  # undone at once: pytest needs the time too
        return LOOPS[request.param](patches, Clock(), costs_ns)


def test_hops_are_due_on_a_grid_that_nothing_shifts(times):
    np.testing.assert_array_equal(times.marks[:, 0], START_NS + PERIOD_NS * (1 + np.arange(2000)))


def test_a_hop_begins_when_its_sleep_ends_or_when_the_hop_before_does(times):
    late = times.marks[:, 1] - times.marks[:, 0]
    expected = np.full(2000, LATE_NS)
    # 12 ms: done 2.07 ms after the next was due. 25 ms: 15.07 ms; that one is done after 15.47, 5.47 over.
    expected[[301, 701, 702]] = [2 * MS + LATE_NS, 15 * MS + LATE_NS, 5 * MS + 400 * US + LATE_NS]
    np.testing.assert_array_equal(late, expected)
    np.testing.assert_allclose(times.wake_us, LATE_NS / US)  # those three did not sleep
    assert len(times.wake_us) == 1997


def test_injected_spikes_are_found_counted_and_placed(times):
    whole = times.marks.shape[1] == 3  # told as one stage
    told = summarise(Runs("fake", True, ("a",) if whole else ("a", "b"), PERIOD_NS, [times]))
    assert told["missed_hops"] == [300, 700, 701, 1999]
    assert told["deadline_misses"] == 4
    assert told["hops"] == 2000
    np.testing.assert_array_equal(np.flatnonzero(times.compute_us > 400), list(SPIKES))
    assert told["compute_us"] == {
        "p50": 400,
        "p95": 400,
        "p99": 400,
        "p99.9": pytest.approx(11001),
        "max": 25000,
    }
    assert told["response_us"]["p50"] == 470
    assert told["response_us"]["max"] == 25070
    assert told["stage_us"]["a"]["p50"] == (400 if whole else 100)
    assert whole or told["stage_us"]["b"]["max"] == 18750
    assert told["rtf"] == pytest.approx((1997 * 400 + 48000) / 2000 / 10000)


def test_percentiles_of_costs_drawn_from_a_known_distribution(monkeypatch):
    """Costs 1, 2, …, 10000 µs in any order: each percentile is its own number."""
    costs_us = 1 + np.random.default_rng(0).permutation(10_000)
    with monkeypatch.context() as patches:
        times = python_loop(patches, Clock(), 4 * US * (costs_us // 4))
    told = percentiles(times.compute_us)
    expected = {"p50": 5000, "p95": 9500, "p99": 9900, "p99.9": 9990, "max": 10000}
    assert told == pytest.approx(expected, abs=4)
