"""The best way through the states of a word, one after the other: a Viterbi step a stride."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from rtaudio.kernels.activations import SIGMOID, activate
from rtaudio.kernels.dense import product
from rtaudio.kernels.memory import JIT, STEP, f32, i64

Floats = NDArray[np.float32]


@numba.njit(**JIT)
def advance(
    emissions: int, paths: int, best: int, slot: int, states: int, most: int, skip: np.float32
) -> np.float32:
    """Go on by one stride; returns the score of the best path that is in the last state now.

    A path begins in the first state, at any time and at no cost, goes on to the next state or, for
    `skip`, to the one after it, and stays in none for more than `most` strides.

    - emissions: `(states,)` float32, what being in a state now adds to a score.
    - paths: `(states, most)`, scores by the state a path is in and, as a ring, when it came there.
    - best: `(states,)`, the highest of each row; slot: where in the rings paths that come now go.
    """
    here, tops = f32(emissions, states), f32(best, states)
    for state in range(states - 1, -1, -1):  # the last first: states before it are as they were
        entered = tops[state - 1] if state else np.float32(0)
        if state > 1:
            entered = max(entered, tops[state - 2] - skip)
        row, emission = f32(paths + 4 * most * state, most), here[state]
        row[slot] = entered
        top = np.float32(-np.inf)
        for stride in range(most):
            row[stride] += emission
            top = max(top, row[stride])
        tops[state] = top
    return tops[states - 1]


@numba.njit("void(float32[:,::1], float32, float32[:,::1], float32[::1], float32[::1])", **JIT)
def scan_states(emissions: Floats, skip: np.float32, paths: Floats, best: Floats, out: Floats) -> None:
    """`advance` over all of `emissions` `(n, states)`, from slot 0; what it returns goes to `out` `(n,)`."""
    states, most = paths.shape
    for at in range(len(emissions)):
        row = emissions[at]
        out[at] = advance(row.ctypes.data, paths.ctypes.data, best.ctypes.data, at % most, states, most, skip)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def words_step(state: int, x: int, out: int) -> None:
    """Scores of words: a product of all that is seen, and the best way through states that see its end.

    Words: words, states, where in x (in bytes) states begin to see, floats of a word's paths; calls;
    most strides in a state, cost of a skip; logits, emissions, paths, best, slots.
    """
    words = i64(state, 12)
    count, states, begin, room = words[0], words[1], words[2], words[3]
    calls, most, skip = state + words[4], i64(state + words[5], count), f32(state + words[6], count)
    sums, emissions, paths, best = state + words[7], state + words[8], state + words[9], state + words[10]
    logits, slots = f32(sums, count), i64(state + words[11], count)
    product(calls, 0, x, sums)
    product(calls, 1, x + begin, emissions)
    for word in range(count):
        here, tops = emissions + 4 * states * word, best + 4 * states * word
        rings = paths + 4 * room * word
        logits[word] += advance(here, rings, tops, slots[word], states, most[word], skip[word])
        slots[word] = (slots[word] + 1) % most[word]
    activate(sums, out, count, SIGMOID)
