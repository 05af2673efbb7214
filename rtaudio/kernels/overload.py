"""The overload ladder: full net, cheaper kernels, hold the last gains, bypass; up quickly, down patiently."""

from __future__ import annotations

import numba

from rtaudio.kernels import live as w
from rtaudio.kernels.memory import JIT, f64, i64

FULL, CHEAPER, HELD, BYPASSED = 0, 1, 2, 3

STRIKES = 3.0  # misses, each forgotten over the next MEMORY hops, that make it climb
MEMORY = 64.0
HOLD_HOPS = 50  # gains of half a second ago may mute a voice that has begun since
FIRST_PATIENCE = 200  # calm hops (2 s at 10 ms) before it tries more again
MOST_PATIENCE = 6400  # after repeated failures it tries once a minute
CALM_SHARE = 0.5  # a hop is calm where it takes less than this share of its deadline


@numba.njit(**JIT)
def _exists(memory: int, level: int) -> bool:
    """Whether the stage has a step for this rung: where it has none, it is the rung before's."""
    if level in (FULL, BYPASSED):
        return True
    steps = i64(memory + 8 * w.STEPS, 6)
    return steps[2 * level] != steps[2 * level - 2] or steps[2 * level + 1] != steps[2 * level - 1]


@numba.njit(**JIT)
def _above(memory: int, level: int) -> int:
    """The next rung up. Gains are held once: trouble that comes back is too long for them."""
    patience = i64(memory + 8 * w.PATIENCE, 4)
    level += 1
    while not _exists(memory, level) or (level == HELD and patience[HELD] > 0):
        level += 1
    return level


@numba.njit(**JIT)
def _below(memory: int, level: int) -> int:
    """The next rung down that makes new decisions."""
    return CHEAPER if level > CHEAPER and _exists(memory, CHEAPER) else FULL


@numba.njit(**JIT)
def climb_or_descend(memory: int, missed: bool, compute_ns: int, deadline_ns: int) -> bool:
    """Account for one hop; True where the stage, unused for a while, must start afresh.

    Each climb to a rung doubles the patience it is left with (hysteresis); after a long time
    without change, that of the rungs above is forgotten.
    """
    words, reals = i64(memory, w.N_WORDS), f64(memory, w.N_WORDS)
    patience = i64(memory + 8 * w.PATIENCE, 4)
    reals[w.STRIKES_F] *= 1.0 - 1.0 / MEMORY
    if missed:
        reals[w.STRIKES_F] += 1.0
    words[w.CALM] = words[w.CALM] + 1 if compute_ns < CALM_SHARE * deadline_ns and not missed else 0
    words[w.STEADY] += 1
    before = words[w.LEVEL]
    if reals[w.STRIKES_F] >= STRIKES and before < BYPASSED:
        level = _above(memory, before)
        first = HOLD_HOPS if level == HELD else FIRST_PATIENCE
        patience[level] = min(MOST_PATIENCE, max(first, 2 * patience[level]))
    elif before > FULL and words[w.CALM] >= patience[before]:
        level = _below(memory, before)
    else:
        if words[w.STEADY] >= 2 * MOST_PATIENCE:
            for level in range(before + 1, BYPASSED + 1):
                patience[level] = 0
        return False
    words[w.LEVEL], words[w.STEADY], words[w.CALM] = level, 0, 0
    reals[w.STRIKES_F] = 0.0
    return before == BYPASSED
