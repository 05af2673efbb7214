"""The overload ladder: full net, hold the last gains, bypass; up quickly, down patiently."""

from __future__ import annotations

import numba

from rtaudio.kernels import live as w
from rtaudio.kernels.memory import JIT, f64, i64

FULL, HELD, BYPASSED = 0, 1, 2

STRIKES = 3.0  # misses, each forgotten over the next MEMORY hops, that make it climb
MEMORY = 64.0
HOLD_HOPS = 50  # gains of half a second ago may mute a voice that has begun since
FIRST_PATIENCE = 200  # calm hops (2 s at 10 ms) in bypass before it tries the full net again
MOST_PATIENCE = 6400  # after repeated failures it tries once a minute
CALM_SHARE = 0.5  # a hop is calm where it takes less than this share of its deadline


@numba.njit(**JIT)
def climb_or_descend(memory: int, missed: bool, compute_ns: int, deadline_ns: int) -> bool:
    """Account for one hop; True where the stage, unused for a while, must start afresh.

    Trouble after a long calm first meets held gains, for HOLD_HOPS; if that was not enough, or
    trouble comes back soon, bypass, with twice the patience each time (hysteresis).
    """
    words, reals = i64(memory, w.N_WORDS), f64(memory, w.N_WORDS)
    reals[w.STRIKES_F] *= 1.0 - 1.0 / MEMORY
    if missed:
        reals[w.STRIKES_F] += 1.0
    words[w.CALM] = words[w.CALM] + 1 if compute_ns < CALM_SHARE * deadline_ns and not missed else 0
    level, patience = words[w.LEVEL], words[w.PATIENCE]
    wait = HOLD_HOPS if level == HELD else patience
    if reals[w.STRIKES_F] >= STRIKES and level < BYPASSED:
        if level == FULL and patience == 0 and words[w.HOLD_ENTRY] != 0:
            words[w.LEVEL], words[w.PATIENCE] = HELD, FIRST_PATIENCE // 2
        else:
            words[w.LEVEL] = BYPASSED
            words[w.PATIENCE] = min(MOST_PATIENCE, max(FIRST_PATIENCE, 2 * patience))
        reals[w.STRIKES_F], words[w.CALM] = 0.0, 0
    elif level > FULL and words[w.CALM] >= wait:
        words[w.LEVEL] = FULL
        reals[w.STRIKES_F], words[w.CALM] = 0.0, 0
        return level == BYPASSED
    elif level == FULL and words[w.CALM] >= 2 * MOST_PATIENCE:
        words[w.PATIENCE] = 0
    return False
