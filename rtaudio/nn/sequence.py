"""A word as sounds in their order: a left-to-right hidden Markov model over the embedding, beside its head.

A linear head hears all parts of a word at fixed times before its end. The states let each part last from
nothing to twice as long as it was recorded, as people do who say it faster, slower or otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import ConfigError
from rtaudio.kernels.dense import padded
from rtaudio.kernels.sequence import scan_states, words_step
from rtaudio.nn.layers import Compound
from rtaudio.nn.product import Product

Floats = NDArray[np.float32]

STATES, CONTEXT = 12, 5
"""Parts of a word, and the embeddings each is told by, as far apart as a head's."""
LONGEST_STAY = 64
"""Strides in a state at most: more than words of 3 s need."""


@dataclass(frozen=True)
class WordStates:
    """The states of a word, in their order.

    - weight `(STATES, CONTEXT * size)`, bias `(STATES,)`: a state's log likelihood ratio to sound in
      general is their product with the last CONTEXT embeddings, oldest first.
    - skip: what leaving out a state costs; most: strides in one at most.
    """

    weight: Floats
    bias: Floats
    skip: float
    most: int

    @classmethod
    def none(cls, size: int) -> Self:
        """States that add 0 to any score."""
        return cls(np.zeros((STATES, CONTEXT * size), np.float32), np.zeros(STATES, np.float32), 0.0, 1)

    def check(self, size: int) -> None:
        """Raise ConfigError unless these are states over embeddings of `size`."""
        shapes, needed = (self.weight.shape, self.bias.shape), ((STATES, CONTEXT * size), (STATES,))
        if shapes != needed:
            raise ConfigError(f"states of shapes {shapes} must have {needed}")
        if not 1 <= self.most <= LONGEST_STAY or not 0 <= self.skip < np.inf:
            raise ConfigError(f"most={self.most} must be from 1 to {LONGEST_STAY}, skip={self.skip} positive")

    def times(self, factor: float) -> Self:
        """States whose scores are `factor` times these."""
        weight, bias = ((factor * array).astype(np.float32) for array in (self.weight, self.bias))
        return replace(self, weight=weight, bias=bias, skip=factor * self.skip)

    def emissions(self, windows: Floats) -> Floats:
        """`(n, STATES)` of windows `(n, CONTEXT * size)`, or of longer ones that end with these."""
        product: Floats = windows[:, -self.weight.shape[1] :] @ self.weight.T + self.bias
        return product

    def scores(self, emissions: Floats) -> Floats:
        """Of the best path through the states to each stride, `(n,)`; before, all was as in the first."""
        paths, best = self.settled(emissions[0])
        out = np.empty(len(emissions), np.float32)
        scan_states(np.ascontiguousarray(emissions, np.float32), np.float32(self.skip), paths, best, out)
        return out

    def settled(self, emission: Floats) -> tuple[Floats, Floats]:
        """Paths `(STATES, most)` and the best `(STATES,)` when the same `(STATES,)` has come long enough."""
        paths = np.full((STATES, self.most), -np.inf, np.float32)
        best = np.full(STATES, -np.inf, np.float32)
        n = STATES * self.most  # no path is longer, and it ends at the rings' slot 0
        same = np.ascontiguousarray(np.broadcast_to(emission, (n, STATES)), np.float32)
        scan_states(same, np.float32(self.skip), paths, best, np.empty(n, np.float32))
        return paths, best


class WordScores(Compound):
    """sigmoid(weight @ x + bias + score of the states) of each word: `(taps * size,)` in, `(words,)` out.

    - weight `(words, taps * size)`, bias `(words,)`: the heads; states: one for each.
    - before: the `(CONTEXT * size,)` that states have seen before the first.
    """

    def __init__(self, weight: Floats, bias: Floats, states: Sequence[WordStates], before: Floats) -> None:
        count, columns = weight.shape
        parts = np.concatenate([one.weight for one in states]), np.concatenate([one.bias for one in states])
        seen, widest = parts[0].shape[1], max(one.most for one in states)
        paths = np.zeros((count, STATES * widest), np.float32)
        best = np.zeros((count, STATES), np.float32)
        for k, one in enumerate(states):
            path, best[k] = one.settled(one.emissions(before[None])[0])
            paths[k, : path.size] = path.ravel()
        super().__init__(
            words_step.address,
            (count, STATES, 4 * (columns - seen), STATES * widest),
            columns,
            count,
            [Product(weight, bias), Product(*parts)],
            constants={
                "most": np.array([one.most for one in states], np.int64),
                "skip": np.array([one.skip for one in states], np.float32),
            },
            state={
                "logits": np.zeros(padded(count), np.float32),
                "emissions": np.zeros(padded(count * STATES), np.float32),
                "paths": paths,
                "best": best,
                "slots": np.zeros(count, np.int64),
            },
        )
