"""The overload ladder, hop by hop."""

import numpy as np
import pytest

from rtaudio.kernels import live as w
from rtaudio.kernels.overload import (
    BYPASSED,
    CHEAPER,
    FIRST_PATIENCE,
    FULL,
    HELD,
    HOLD_HOPS,
    MOST_PATIENCE,
    climb_or_descend,
)

DEADLINE = 10_000_000
RUNGS = {"": [BYPASSED], "c": [CHEAPER, BYPASSED], "h": [HELD, BYPASSED], "ch": [CHEAPER, HELD, BYPASSED]}


class Ladder:
    """One whose stage has a cheaper step ("c"), a step that holds ("h"), both or neither."""

    def __init__(self, steps):
        self.words = np.zeros(w.N_WORDS, np.int64)
        cheaper = 11 if "c" in steps else 10
        self.words[w.STEPS : w.STEPS + 6] = 10, 1, cheaper, 1, 12 if "h" in steps else cheaper, 1

    @property
    def level(self):
        return self.words[w.LEVEL]

    def hop(self, missed=False, compute=0):
        return climb_or_descend(self.words.ctypes.data, missed, compute, DEADLINE)

    def climb(self):
        """Miss until it climbs; returns how many misses that took."""
        before, misses = self.level, 0
        while self.level == before:
            assert not self.hop(missed=True)
            misses += 1
        return misses

    def calm_hops_until_descent(self):
        before, hops = self.level, 0
        while self.level == before:
            afresh, hops = self.hop(), hops + 1
        assert afresh == (before == BYPASSED)  # where the stage did not run, its state is old
        return hops


@pytest.mark.parametrize("steps", RUNGS)
def test_it_climbs_after_a_few_misses_in_a_row_and_no_further_than_bypass(steps):
    ladder = Ladder(steps)
    for rung in RUNGS[steps]:
        assert ladder.climb() == 4  # the first is a little forgotten by the third
        assert ladder.level == rung
    for _ in range(20):
        ladder.hop(missed=True)
    assert ladder.level == BYPASSED


def test_a_view_of_the_same_step_is_a_rung_too():
    ladder = Ladder("")
    ladder.words[w.STEPS + 3] = ladder.words[w.STEPS + 5] = 2  # the same entry on other constants
    ladder.climb()
    assert ladder.level == CHEAPER
    ladder.climb()
    assert ladder.level == BYPASSED


def test_misses_now_and_then_are_forgotten():
    ladder = Ladder("")
    for hop in range(2000):
        ladder.hop(missed=hop % 50 == 0)
    assert ladder.level == FULL


@pytest.mark.parametrize("steps", ["", "c"])
def test_hops_that_are_not_late_but_heavy_are_not_calm(steps):
    ladder = Ladder(steps)
    ladder.climb()
    for _ in range(3 * FIRST_PATIENCE):
        ladder.hop(compute=DEADLINE // 2)
    assert ladder.level == RUNGS[steps][0]


@pytest.mark.parametrize("steps", ["", "c"])
def test_each_return_doubles_the_patience_up_to_a_minute_and_a_long_calm_forgets(steps):
    ladder, waits = Ladder(steps), []
    for _ in range(8):
        ladder.climb()
        waits.append(ladder.calm_hops_until_descent())
        assert ladder.level == FULL
    assert waits == [min(FIRST_PATIENCE * 2**n, MOST_PATIENCE) for n in range(8)]
    for _ in range(2 * MOST_PATIENCE):
        ladder.hop()
    ladder.climb()
    assert ladder.calm_hops_until_descent() == FIRST_PATIENCE


def test_held_gains_last_half_a_second_and_trouble_that_returns_meets_bypass():
    ladder = Ladder("h")
    ladder.climb()
    assert ladder.level == HELD
    assert ladder.calm_hops_until_descent() == HOLD_HOPS
    assert ladder.level == FULL
    ladder.climb()
    assert ladder.level == BYPASSED
    assert ladder.calm_hops_until_descent() == FIRST_PATIENCE
    assert ladder.level == FULL


def test_the_way_down_is_by_the_cheaper_kernels():
    ladder, path = Ladder("ch"), []
    for _ in range(3):
        ladder.climb()
    while ladder.level != FULL:
        path.append((ladder.level, ladder.calm_hops_until_descent()))
    assert path == [(BYPASSED, FIRST_PATIENCE), (CHEAPER, FIRST_PATIENCE)]
    ladder.climb()
    ladder.climb()
    assert ladder.level == BYPASSED  # gains were held once


def test_a_machine_that_only_manages_the_cheaper_kernels_stays_there_and_forgets_what_was_above():
    ladder = Ladder("ch")
    ladder.climb()
    ladder.climb()
    assert ladder.level == HELD
    assert ladder.calm_hops_until_descent() == HOLD_HOPS
    for _ in range(2 * MOST_PATIENCE):
        assert ladder.level == CHEAPER
        ladder.hop(compute=int(0.6 * DEADLINE))
    ladder.climb()
    assert ladder.level == HELD
