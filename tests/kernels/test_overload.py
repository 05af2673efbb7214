"""The overload ladder, hop by hop."""

import numpy as np
import pytest

from rtaudio.kernels import live as w
from rtaudio.kernels.overload import (
    BYPASSED,
    FIRST_PATIENCE,
    FULL,
    HELD,
    HOLD_HOPS,
    MOST_PATIENCE,
    climb_or_descend,
)

DEADLINE = 10_000_000


class Ladder:
    def __init__(self, hold_entry):
        self.words = np.zeros(w.N_WORDS, np.int64)
        self.words[w.HOLD_ENTRY] = hold_entry

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


@pytest.mark.parametrize(("hold_entry", "rungs"), [(1, [HELD, BYPASSED]), (0, [BYPASSED])])
def test_it_climbs_after_a_few_misses_in_a_row_and_no_further_than_bypass(hold_entry, rungs):
    ladder = Ladder(hold_entry)
    for rung in rungs:
        assert ladder.climb() == 4  # the first is a little forgotten by the third
        assert ladder.level == rung
    for _ in range(20):
        ladder.hop(missed=True)
    assert ladder.level == BYPASSED


def test_misses_now_and_then_are_forgotten():
    ladder = Ladder(0)
    for hop in range(2000):
        ladder.hop(missed=hop % 50 == 0)
    assert ladder.level == FULL


def test_hops_that_are_not_late_but_heavy_are_not_calm():
    ladder = Ladder(0)
    ladder.climb()
    for _ in range(3 * FIRST_PATIENCE):
        ladder.hop(compute=DEADLINE // 2)
    assert ladder.level == BYPASSED


def test_each_return_doubles_the_patience_up_to_a_minute_and_a_long_calm_forgets():
    ladder, waits = Ladder(0), []
    for _ in range(8):
        ladder.climb()
        waits.append(ladder.calm_hops_until_descent())
    assert waits == [min(FIRST_PATIENCE * 2**n, MOST_PATIENCE) for n in range(8)]
    for _ in range(2 * MOST_PATIENCE):
        ladder.hop()
    ladder.climb()
    assert ladder.calm_hops_until_descent() == FIRST_PATIENCE


def test_held_gains_last_half_a_second_and_trouble_that_returns_meets_bypass():
    ladder = Ladder(1)
    ladder.climb()
    assert ladder.level == HELD
    assert ladder.calm_hops_until_descent() == HOLD_HOPS
    assert ladder.level == FULL
    ladder.climb()
    assert ladder.level == BYPASSED
    assert ladder.calm_hops_until_descent() == FIRST_PATIENCE
    assert ladder.level == FULL
