"""Words enrolled from three clips and from one: found when others say them, and when the same voice does.

Part of `benchmarks.keywords`. Only words that the embedding was not trained on; who enrols is drawn anew
several times, and "others" are all other voices of that word. A peer hears the same recordings and streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.report import Report
from benchmarks.streams import HOP, SAMPLE_RATE, Detector, Floats, Recording, Samples, read_recordings
from rtaudio.errors import WeightsError
from rtaudio.nn.embedding import EmbeddingNet, WordHead, average_embedding
from rtaudio.nn.enrolment import CAUTION, check_clip, embed, fit_word
from rtaudio.nn.negatives import Negatives, load_negatives
from rtaudio.nn.spans import word_span
from rtaudio.nn.speech import LIVE
from rtaudio.nn.weights import Weights, find_weights, load_weights

DRAWS, QUICK_DRAWS = 12, 1
MOST_TESTS = 60  # clips of others a draw is tested with
MOST_HOURS, QUICK_HOURS = 1.2, 0.5
LEAD_S, TAIL_S = 1.2, 0.7
GOALS = {3: 4.0, 1: 8.0}
FALSE_ACCEPTS_PER_HOUR = 0.5


@dataclass(frozen=True)
class Heard:
    """One recording after a pause, as the embedding hears it; not before somebody asks."""

    net: EmbeddingNet
    recording: Recording
    seed: int

    @property
    def wave(self) -> Samples:
        """The recording after a pause, over a little noise."""
        lead, tail = (np.zeros(round(s * SAMPLE_RATE)) for s in (LEAD_S, TAIL_S))
        wave = np.concatenate([lead, self.recording.wave, tail])
        noise = np.random.default_rng(self.seed).standard_normal(wave.size)
        return (wave + 1e-4 * noise).astype(np.float32)

    @cached_property
    def embeddings(self) -> NDArray[np.float32]:
        """`(strides, size)`."""
        return embed(self.net, self.wave)

    @property
    def end_hop(self) -> int:
        """Where the word ends."""
        return (round(LEAD_S * SAMPLE_RATE) + word_span(self.recording.wave)[1]) // HOP


Peer = Callable[[Sequence[Heard], Sequence[Heard], Sequence[Heard]], tuple[float, float]]
"""Whoever else is taught: recordings to enrol, others of the same voice, and some of other voices; missed %
of others and of the same voice, with no false accept in the streams."""


def head_scores(
    head: WordHead, embeddings: NDArray[np.float32], stride: int, before: ArrayLike
) -> NDArray[np.float32]:
    """Scores a hop, as `WordNet` gives them."""
    scores = 1 / (1 + np.exp(-np.clip(head.logits(embeddings, before), -60, 60)))
    return np.repeat(scores, stride).astype(np.float32)


def voices(heard: Sequence[Heard]) -> dict[str, list[Heard]]:
    groups: dict[str, list[Heard]] = {}
    for one in heard:
        groups.setdefault(one.recording.group, []).append(one)
    return groups


@dataclass(frozen=True)
class Ground:
    """What enrolled words are tried on: held-out words `heard`, and `hours` of streams without them."""

    weights: Weights
    negatives: Negatives
    net: EmbeddingNet
    heard: dict[str, list[Heard]]
    streams: list[NDArray[np.float32]]
    hours: float

    def fit(
        self, clips: Sequence[Samples], shares: Sequence[float] | None = None, caution: float = CAUTION
    ) -> WordHead:
        return fit_word(
            clips,
            shares=shares,
            caution=caution,
            false_accepts_per_hour=FALSE_ACCEPTS_PER_HOUR,
            weights=self.weights,
            negatives=self.negatives,
        )

    def judge(self, head: WordHead) -> tuple[float, float]:
        """The threshold above all that is in the streams, and false accepts an hour at the head's own."""
        smooths = [self._smooth(head, x) for x in self.streams]
        false = sum(Detector().events(s, head.threshold).size for s in smooths) / self.hours
        return above_all(smooths), false

    def missed(self, head: WordHead, heard: Sequence[Heard], threshold: float) -> float:
        """Percent of clips that a head misses."""
        return missed([self._smooth(head, one.embeddings) for one in heard], heard, threshold)

    def _smooth(self, head: WordHead, embeddings: NDArray[np.float32]) -> Floats:
        before = average_embedding(self.weights)
        return Detector().smooth(head_scores(head, embeddings, self.net.config.stride, before))


def above_all(smooths: Sequence[Floats]) -> float:
    """The threshold that no stream reaches."""
    return max(float(smooth.max()) for smooth in smooths) + 1e-9


def missed(smooths: Sequence[Floats], heard: Sequence[Heard], threshold: float) -> float:
    """Percent of clips in which the smoothed score stays below the threshold about the word's end."""
    misses = 0
    for smooth, one in zip(smooths, heard, strict=True):
        about = smooth[one.end_hop - 40 : one.end_hop + 80]
        misses += about.max(initial=-np.inf) < threshold
    return 100 * misses / max(len(heard), 1)


def untaught(data: Path) -> set[str]:
    """Words in a folder that the embedding was not trained on; none where there is no embedding."""
    try:
        weights = load_weights(find_weights("embedding"))
    except WeightsError:
        return set()
    folders = {path.name for path in data.iterdir() if path.is_dir()} if data.is_dir() else set()
    return folders - _taught(weights)


def _taught(weights: Weights) -> set[str]:
    """Folders of what the embedding was trained on, or of what is no word."""
    return {*weights.card.get("words", ()), "_negative"}


def read_ground(data: Path, others: Sequence[Samples], quick: bool) -> Ground:
    """Held-out words of a folder, and about MOST_HOURS of sound. Raises WeightsError without weights."""
    weights = load_weights(find_weights("embedding"))
    negatives, net = load_negatives(weights), EmbeddingNet.from_weights(weights, precision=LIVE)
    heard: dict[str, list[Heard]] = {}
    for seed, recording in enumerate(read_recordings(data, "all", skip=_taught(weights))):
        if check_clip(recording.wave) is None:
            heard.setdefault(recording.word, []).append(Heard(net, recording, seed))
    waves = some_hours(others, quick)
    hours = sum(wave.size for wave in waves) / SAMPLE_RATE / 3600
    return Ground(weights, negatives, net, heard, [embed(net, wave) for wave in waves], hours)


def some_hours(others: Sequence[Samples], quick: bool) -> list[Samples]:
    """The first streams, until there are about MOST_HOURS."""
    most = (QUICK_HOURS if quick else MOST_HOURS) * 3600 * SAMPLE_RATE
    before = np.cumsum([0, *(wave.size for wave in others)])
    return [wave for wave, size in zip(others, before, strict=False) if size < most]


def run_enrolment(report: Report, ground: Ground, quick: bool, peers: Mapping[str, Peer]) -> None:
    """The table, and its goals; each peer's two columns come last."""
    rng = np.random.default_rng(0)
    columns = ["word", "clips", "voices", "missed %, others", "own voice", "own threshold, others", "false/h"]
    columns += [f"{name}, {whose}" for name in peers for whose in ("others", "own voice")]
    for n_clips, goal in GOALS.items():
        title = f"enrolled from {n_clips} clip{'s' * (n_clips > 1)}: no false accept in {ground.hours:.1f} h"
        table = report.table(title, columns)
        for word, said in sorted(ground.heard.items()):
            if sum(len(v) >= n_clips for v in voices(said).values()) < 2:
                continue
            rows = [
                _draw(ground, said, n_clips, rng, peers.values())
                for _ in range(QUICK_DRAWS if quick else DRAWS)
            ]
            table.row(word, len(said), len(voices(said)), *(_mean(x) for x in zip(*rows, strict=True)))
        if not table.rows:
            report.note("no word here that the embedding was not trained on and that two voices say")
            return
        means = [_mean([row[k] for row in table.rows]) for k in range(3, len(columns))]
        table.row("mean", None, None, *means)
        report.show(table)
        report.goal(f"{n_clips} clip{'s' * (n_clips > 1)}: missed %, other voices", means[0], goal)


def _mean(values: Sequence[float]) -> float:
    """Of those that are numbers; NaN where none is (a voice that has no other clips)."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def draw(
    said: Sequence[Heard], n_clips: int, rng: np.random.Generator
) -> tuple[list[Heard], list[Heard], list[Heard]]:
    """Someone enrols: his recordings, others of the same voice, and some of other voices."""
    groups = voices(said)
    able = sorted(name for name, clips in groups.items() if len(clips) >= n_clips)
    mine = able[rng.integers(len(able))]
    order = rng.permutation(len(groups[mine]))
    enrolled = [groups[mine][k] for k in order[:n_clips]]
    own = [groups[mine][k] for k in order[n_clips:]]
    rest = [one for name, clips in groups.items() if name != mine for one in clips]
    return enrolled, own, [rest[k] for k in rng.permutation(len(rest))[:MOST_TESTS]]


def _draw(
    ground: Ground, said: Sequence[Heard], n_clips: int, rng: np.random.Generator, peers: Iterable[Peer]
) -> tuple[float, ...]:
    """Missed % of others and of the same voice with no false accept, then, at the head's own threshold,
    missed % of others and false accepts an hour; then what each peer misses of others and of the voice."""
    enrolled, own, rest = draw(said, n_clips, rng)
    head = ground.fit([one.recording.wave for one in enrolled])
    above, false = ground.judge(head)
    return (
        ground.missed(head, rest, above),
        ground.missed(head, own, above) if own else float("nan"),
        ground.missed(head, rest, head.threshold),
        false,
        *(share for peer in peers for share in peer(enrolled, own, rest)),
    )
