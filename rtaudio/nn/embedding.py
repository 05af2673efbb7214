"""The word embedding as native stages: what was just said as a direction, and words compared with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtaudio.errors import ConfigError
from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.frames import Lookback, Unit
from rtaudio.nn.layers import Dense, Layer
from rtaudio.nn.sequence import CONTEXT, WordScores, WordStates
from rtaudio.nn.speech import SpeechNet, Tensors
from rtaudio.nn.weights import Weights

TAPS, LAG = 13, 4
"""Embeddings a word is judged by, and how many strides lie between them: each 80 ms of the last second."""


class EmbeddingNet(SpeechNet):
    """Spectrum `(n_bins, 2)` at 16 kHz in, embedding `(size,)` of length 1 out, once a hop. No delay.

    Near embeddings mean that the same sounds were spoken a tenth of a second ago, whoever spoke.
    """

    net_name = "embedding"
    config_type = EmbeddingConfig
    config: EmbeddingConfig

    def _head(self, tensors: Tensors) -> list[Layer]:
        out = Dense(tensors["out.weight"], tensors["out.bias"], precisions=self._precisions)
        return [out, Unit(self.config.size)]


def average_embedding(weights: Weights) -> ArrayLike:
    """That of the negatives, as the card tells it: `(size,)`; 0 for weights whose card doesn't."""
    average: ArrayLike = weights.card.get("average", 0.0)
    return average


@dataclass(frozen=True)
class WordHead:
    """One enrolled word: a logistic function of the last `TAPS` embeddings, and of states they went through.

    - weight: `(TAPS * size,)` float32, oldest embedding first; bias: added to their product.
    - threshold: the score 0..1 to detect at, for the false-accept rate it was fitted to.
    - thresholds: the same by false accepts an hour, as far as they are known.
    - states: their score is added; words taught before there were states have none.
    """

    weight: NDArray[np.float32]
    bias: float
    threshold: float
    thresholds: Mapping[float, float] = field(default_factory=dict)
    states: WordStates | None = None

    def logits(self, embeddings: NDArray[np.float32], before: ArrayLike = 0.0) -> NDArray[np.float32]:
        """Of all `(strides, size)`, `(strides,)`, as a `WordNet` has them one by one before its sigmoid."""
        past = np.full((LAG * (TAPS - 1) + 1, embeddings.shape[1]), before, np.float32)
        padded = np.vstack([past, embeddings])
        logits: NDArray[np.float32] = _products(padded, self.weight[None])[1:, 0] + np.float32(self.bias)
        if self.states is not None:
            emissions = _products(padded, self.states.weight) + self.states.bias
            logits += self.states.scores(emissions)[1:]
        return logits


def _products(padded: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(n, rows)` of weight `(rows, taps * size)` and as many embeddings, LAG strides apart, at each stride.

    - padded `(n + LAG * (TAPS - 1), size)`. Summed by tap: all windows in a row would be 13 times that.
    """
    n = len(padded) - LAG * (TAPS - 1)
    by_tap = np.split(weight, weight.shape[1] // padded.shape[1], axis=1)
    ends = [len(padded) - LAG * back for back in range(len(by_tap) - 1, -1, -1)]
    total = np.zeros((n, len(weight)), np.float32)
    for end, tap in zip(ends, by_tap, strict=True):
        total += padded[end - n : end] @ tap.T
    return total


class WordNet(EmbeddingNet):
    """Spectrum `(n_bins, 2)` at 16 kHz in, scores `(len(heads),)` of 0..1 out, once a hop. No delay.

    All words share one run of the embedding net; each adds one row of a small matrix.

    - before: the embedding `(size,)` that stands for all before the first hop. That of average sound is
      none of a word; zeros, which no sound has, were heard as "snowboy" at every start.
    """

    def __init__(
        self,
        config: EmbeddingConfig,
        tensors: Tensors,
        heads: Sequence[WordHead],
        before: ArrayLike = 0.0,
        precision: str = "float32",
    ) -> None:
        if not heads:
            raise ConfigError("a word net needs at least one word")
        for head in heads:
            if head.weight.shape != (TAPS * config.size,):
                raise ConfigError(f"a head of shape {head.weight.shape} must have {(TAPS * config.size,)}")
            if head.states is not None:
                head.states.check(config.size)
        self.heads, self._before = tuple(heads), before
        super().__init__(config, tensors, precision)

    @classmethod
    def from_weights(
        cls, weights: Weights, heads: Sequence[WordHead] = (), *, precision: str = "float32"
    ) -> Self:
        return cls(cls.read_config(weights), weights.tensors, heads, average_embedding(weights), precision)

    def _head(self, tensors: Tensors) -> list[Layer]:
        rows = np.stack([head.weight for head in self.heads]).astype(np.float32)
        biases = np.array([head.bias for head in self.heads], np.float32)
        states = [head.states or WordStates.none(self.config.size) for head in self.heads]
        lookback = Lookback(self.config.size, TAPS, LAG, self._before)
        before = np.full((CONTEXT, self.config.size), self._before, np.float32).ravel()
        return [*super()._head(tensors), lookback, WordScores(rows, biases, states, before)]
