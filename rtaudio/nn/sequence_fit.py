"""The states of a word from a few recordings: each a part of it, as long as the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtaudio.nn.sequence import CONTEXT, LONGEST_STAY, STATES, WordStates

Doubles = NDArray[np.float64]

HEARD_AFTER = 5
"""Strides from a sound to the embedding that tells it: 100 ms."""
STRETCH, LEAST_STRETCH = 3.5, 1.5
"""How many times as long as recorded a part may last: people who say a word slowly draw out some of it."""
LONG_PART = 14
"""Strides, 0.28 s, from where on a part is stretched less, down to LEAST_STRETCH: what looks like a word of
2 s is often one with its noise, and noise lasts. Some of those were heard 100 times an hour without this."""
SKIP = 1.0
"""What a part left out costs, in nats."""
NEAR = 0.15
"""Where a state's log likelihood ratio is 0, on the way from sound in general to the state. In the middle,
where one embedding by itself is told best, the parts that someone says otherwise take too much from the sum.
It and STRETCH were chosen on words that the net had never heard, STATES and CONTEXT on five others."""


@dataclass(frozen=True)
class Said:
    """A recording of a word as the embedding hears it: `(strides, size)`, and the strides it lies in."""

    embeddings: NDArray[np.float32]
    start: int
    end: int

    def parts(self, lag: int) -> Doubles:
        """What a state sees on average, in each part: `(STATES, CONTEXT * size)`."""
        back = lag * (CONTEXT - 1)
        count = len(self.embeddings) - back
        seen = np.hstack([self.embeddings[lag * k : lag * k + count] for k in range(CONTEXT)])
        cuts = np.linspace(self.start, self.end, STATES + 1) + (HEARD_AFTER - back)
        firsts = np.clip(cuts.astype(int), 0, count - 1)
        ends = np.maximum(firsts[1:], firsts[:-1] + 1)
        return np.array([seen[a:b].mean(0) for a, b in zip(firsts, ends, strict=False)], np.float64)


def fit_states(
    said: Sequence[Sequence[Said]], counts: ArrayLike, lag: int, mean: Doubles, spread: Doubles
) -> WordStates:
    """States of a word: each the linear discriminant of a part against sound in general.

    - said: of each recording how it is heard, at first as it was said, whose length counts.
    - counts: what each recording counts for, beside the others; lag: strides between two embeddings.
    - mean `(CONTEXT * size,)` and spread: of what a state sees of other sound, the spread regularised.
    """
    counts = np.broadcast_to(counts, len(said))
    parts = [np.mean([one.parts(lag) for one in variants], axis=0) for variants in said]
    away = np.average(parts, axis=0, weights=counts) - mean
    weight = np.linalg.solve(spread, away.T).T
    bias = -weight @ mean - NEAR * np.sum(weight * away, axis=1)
    strides = float(np.average([first.end - first.start for first, *_ in said], weights=counts))
    part = strides / STATES
    most = math.ceil(min(STRETCH * part, max(LEAST_STRETCH * part, LONG_PART)))
    return WordStates(
        weight.astype(np.float32), bias.astype(np.float32), SKIP, min(max(most, 1), LONGEST_STAY)
    )
