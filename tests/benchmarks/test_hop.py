"""What the goals of `benchmarks.hop` ask, on costs that are made up."""

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.hop import CNN, LOW_LATENCY, RNNOISE, STANDARD, Row, goals, time_rows
from benchmarks.report import Report

PAID = {STANDARD: 200.0, LOW_LATENCY: 100.0, CNN: 390.0, RNNOISE: 510.0}
"""µs a hop, every goal met."""


def costing(us):
    return lambda hops, period_ns: np.full(hops, us)


def judged(**paid):
    """Goals by the word before the colon, at these paced costs."""
    rows = {name: Row(costing(1.0), 1e-7) for name in PAID}
    rows[LOW_LATENCY] = Row(costing(1.0), 1e-7, 4_000_000)
    report = Report("hop")
    goals(report, rows, {"warm": PAID, "paced": {**PAID, **paid}})
    assert len(report.goals) == 7
    return [goal.name.split(":")[0] for goal in report.goals if not goal.met]


def test_each_costs_at_most_its_share():
    assert judged() == []
    assert judged(**{RNNOISE: 490.0}) == [STANDARD]
    assert judged(**{LOW_LATENCY: 121.0}) == [LOW_LATENCY]
    assert judged(**{CNN: 401.0}) == [CNN]


def test_a_dearer_standard_excuses_no_other():
    assert judged(**{STANDARD: 210.0}) == [STANDARD]


def test_rows_take_turns():
    asked = []

    def timer(name):
        def run(hops, period_ns):
            asked.append((name, period_ns))
            return np.full(hops, 1.0)

        return run

    times = time_rows({"a": Row(timer("a")), "b": Row(timer("b"), None, 4_000_000)}, 300)
    assert {pace: {name: t.size for name, t in by.items()} for pace, by in times.items()} == {
        "warm": {"a": 300, "b": 300},
        "paced": {"a": 300, "b": 300},
    }
    paced = [ask for ask in asked if ask[1]]
    assert paced == [("a", 10_000_000), ("b", 4_000_000)] * 3
