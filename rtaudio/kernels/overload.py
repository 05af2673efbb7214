"""The overload ladder: full net, hold the last gains, bypass; up quickly, down patiently."""

from __future__ import annotations

import numba

from rtaudio.kernels import live as w
from rtaudio.kernels.memory import JIT, f64, i64

FULL, HELD, BYPASSED = 0, 1, 2

STRIKES = 3.0  # misses, each forgotten over the next MEMORY hops, that make it climb
MEMORY = 64.0
FIRST_PATIENCE = 200  # calm hops (2 s at 10 ms) before it tries the next lower rung
MOST_PATIENCE = 6400  # after repeated failures it tries once a minute
CALM_SHARE = 0.5  # a hop is calm where it takes less than this share of its deadline


@numba.njit("boolean(int64, boolean, int64, int64)", **JIT)
def climb_or_descend(memory: int, missed: bool, compute_ns: int, deadline_ns: int) -> bool:
    """Account for one hop; True where the stage, unused for a while, must start afresh.

    Climbing again soon after a descent doubles the patience before the next one (hysteresis);
    a long calm on the lowest rung makes it forget.
    """
    words, reals = i64(memory, w.N_WORDS), f64(memory, w.N_WORDS)
    reals[w.STRIKES_F] *= 1.0 - 1.0 / MEMORY
    if missed:
        reals[w.STRIKES_F] += 1.0
    words[w.CALM] = words[w.CALM] + 1 if compute_ns < CALM_SHARE * deadline_ns and not missed else 0
    level = words[w.LEVEL]
    if reals[w.STRIKES_F] >= STRIKES and level < BYPASSED:
        if words[w.PATIENCE] == 0:
            words[w.PATIENCE] = FIRST_PATIENCE
        else:
            words[w.PATIENCE] = min(MOST_PATIENCE, 2 * words[w.PATIENCE])
        words[w.LEVEL] = HELD if level == FULL and words[w.HOLD_ENTRY] != 0 else BYPASSED
        reals[w.STRIKES_F], words[w.CALM] = 0.0, 0
    elif level > FULL and words[w.CALM] >= words[w.PATIENCE]:
        words[w.LEVEL] = HELD if level == BYPASSED and words[w.HOLD_ENTRY] != 0 else FULL
        reals[w.STRIKES_F], words[w.CALM] = 0.0, 0
        return level == BYPASSED
    elif level == FULL and words[w.CALM] >= 2 * MOST_PATIENCE:
        words[w.PATIENCE] = 0
    return False
