"""`rtaudio train keywords`: streams in which words are said, and a net that says when."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rtaudio.nn.keywords import KeywordNet
from rtaudio.nn.keywords_config import KeywordConfig
from rtaudio.nn.spans import word_span
from rtaudio.nn.torch.speech import SpeechNet
from rtaudio.training.data import Clip, ClipStore
from rtaudio.training.loop import RunConfig
from rtaudio.training.speech_loop import SpeechLoop, features_of, outputs_of
from rtaudio.training.spoken import (
    HOP,
    SAMPLE_RATE,
    Samples,
    Scenery,
    SpokenConfig,
    Track,
    Words,
    faded,
    normalised,
    other_paces,
    other_throats,
    overlay,
    said,
)  # fmt: skip
from rtaudio.training.voices import NEAR_WORDS, VOICES_EACH, vocabulary

WORDS = ("computer", "jarvis", "snowboy", "smart_mirror", "view_glass", "alexa", "athena", "amelia")
"""What the shipped net knows: every keyword of the data with enough voices to hold some out."""
CONTAIN = {"hey_computer": "computer"}
"""Phrases that end in one of the words, and so are it."""

OTHERS = frozenset(vocabulary())
"""Words that synthesisers say, none of which is a keyword."""
SYNTHETIC_VOICES = 64
"""In which synthesisers say each keyword."""
SYNTHETIC_WEIGHT = 0.3
"""A synthesised voice is drawn so often, to a recorded one: a seventh of what is heard of a keyword where
many people recorded it, a quarter or a third where few did. With 1 (a third, and half to two thirds), and
noise stretched with the voices, a net was worse in noise."""

EARLY, LATE, REST = 2, 7, 30
"""Strides of 20 ms around a word's end in which it must be found, and after which it must be over."""
TENTATIVE = 14
"""Strides before its end in which a word may already be heard coming."""
PLATEAU = 4
"""Strides a word's score should stay up: one frame alone would not survive smoothing."""


class SpokenStreams:
    """Items with one of the words in them, or with everything else people say and things sound like."""

    POSITIVE, RUNNING, PIECES = 0.45, 0.25, 0.26  # the rest has no voice at all

    def __init__(
        self, store: ClipStore, split: str, words: tuple[str, ...], config: SpokenConfig, seed: int
    ) -> None:
        self.words, self.config = words, config
        self.scenery = Scenery(store, split, config, seed)
        clips = [clip for clip in store.select("speech", split) if wanted(clip, words)]
        self.bank = Words(store, clips, word_span, SYNTHETIC_WEIGHT)
        names = self.bank.groups.keys()
        self.folders = [
            [name for name in names if CONTAIN.get(name, name) == word] for word in words
        ]  # of clips that are each word
        taken = {name for folders in self.folders for name in folders}
        others = [name for name in names if name not in taken and name not in CONTAIN]
        made = {said(clip) for clip in store.clips if clip.synthetic}
        kinds = (
            [name for name in others if name not in made],
            [name for name in others if name in NEAR_WORDS],
            [name for name in others if name in made and name not in NEAR_WORDS],
        )
        self.others = [kind for kind in kinds if kind]

    def batch(self, seed: tuple[int, ...], size: int) -> tuple[Tensor, Tensor]:
        """Spectra `(size, n_frames, 161, 2)`, and word, start and end frame of each item `(size, 3)`."""
        voices, rest, places = self._parts(seed, size)
        return voices + rest, places

    def other_voices(self, seed: tuple[int, ...], size: int) -> tuple[Tensor, Tensor]:
        """A batch whose voices, and not what is heard with them, have other throats and another pace."""
        voices, rest, places = self._parts(seed, size)
        voices, places = other_paces(voices, places, (*seed, 1 << 42))
        return other_throats(voices, (*seed, 1 << 43)) + rest, places

    def _parts(self, seed: tuple[int, ...], size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Spectra of a batch's voices, and of all else in it, and where its words are."""
        tracks, voices, rest, curves = [], [], [], []
        for i in range(size):
            rng = np.random.default_rng((*seed, i))
            tracks.append(self.track(rng))
            voice, noise = self.scenery.heard_apart(tracks[-1].wave, rng)
            voices.append(voice)
            rest.append(noise)
            curves.append(self.scenery.microphone(rng))
        places = torch.tensor([(track.word, track.start // HOP, track.end // HOP) for track in tracks])
        return self.scenery.spectra(voices, curves), self.scenery.spectra(rest, curves), places

    def track(self, rng: np.random.Generator) -> Track:
        """The voices of one item."""
        u, length = rng.random(), self.config.n_samples
        if u < self.POSITIVE:
            return self._positive(rng)
        if u < self.POSITIVE + self.RUNNING:
            return Track(self.scenery.running(rng, length))
        if u < self.POSITIVE + self.RUNNING + self.PIECES:
            return Track(self._pieces(rng, length))
        return Track(np.zeros(length, np.float32))

    def _positive(self, rng: np.random.Generator) -> Track:
        c, word = self.config, int(rng.integers(len(self.words)))
        folders = self.folders[word]
        sizes = np.array([sum(map(len, self.bank.groups[name])) for name in folders], float)
        name = folders[rng.choice(len(folders), p=sizes / sizes.sum())]
        wave, start, end = self.bank.cut(self.bank.draw(name, rng), rng, c.speed)
        at = (
            int(rng.uniform(min(0.35 * c.n_samples, c.n_samples - end), c.n_samples - 0.3 * SAMPLE_RATE))
            - end
        )
        voice = np.zeros(c.n_samples, np.float32)
        overlay(voice, normalised(wave), at)
        if rng.random() < c.speech_before:
            gap = int(rng.uniform(0.0, 0.4) * SAMPLE_RATE)
            self._fill(voice, rng, 0, at + start - gap)
        if rng.random() < c.speech_after:
            self._fill(voice, rng, at + end + int(rng.uniform(0.02, 0.4) * SAMPLE_RATE), voice.size)
        return Track(voice, word, at + start, at + end)

    def _fill(self, voice: Samples, rng: np.random.Generator, first: int, last: int) -> None:
        """Other speech between two places, a little louder or quieter."""
        if last - first > SAMPLE_RATE // 10:
            make = self.scenery.running if rng.random() < 0.7 else self._other
            part = (lambda n: make(rng, n))(last - first)
            overlay(voice, faded(part) * np.float32(10 ** (rng.normal(0, 4) / 20)), first)

    def _other(self, rng: np.random.Generator, length: int) -> Samples:
        return self._pieces(rng, length)

    def _pieces(self, rng: np.random.Generator, length: int) -> Samples:
        """Single words that are none of ours, and parts of ours: what a careless net takes for them."""
        voice, at = np.zeros(length, np.float32), int(rng.uniform(0, 0.3) * SAMPLE_RATE)
        while at < length:
            whole = self.others and rng.random() < 0.6
            part = self._other_word(rng) if whole else self._part(rng)
            overlay(voice, normalised(part) * np.float32(10 ** (rng.normal(0, 3) / 20)), at)
            at += part.size + int(rng.uniform(0, 0.3) * SAMPLE_RATE)
        return voice

    def _other_word(self, rng: np.random.Generator) -> Samples:
        kind = self.others[min(int(rng.choice(3, p=(0.5, 0.3, 0.2))), len(self.others) - 1)]
        sizes = np.sqrt([sum(map(len, self.bank.groups[name])) for name in kind])
        name = kind[rng.choice(len(kind), p=sizes / sizes.sum())]
        return self.bank.cut(self.bank.draw(name, rng), rng, self.config.speed)[0]

    def _part(self, rng: np.random.Generator) -> Samples:
        """The first or the last 30 to 70 % of one of the words."""
        folders = self.folders[rng.integers(len(self.words))]
        wave, start, end = self.bank.cut(self.bank.draw(folders[0], rng), rng, self.config.speed)
        middle = start + int(rng.uniform(0.3, 0.7) * (end - start))
        return faded(wave[:middle] if rng.random() < 0.6 else wave[middle:])


def wanted(clip: Clip, words: Collection[str] = WORDS) -> bool:
    """A recorded word, or a synthetic one of this net's: a store may hold what is made for other nets."""
    word = said(clip)
    return bool(word) and (not clip.synthetic or word in OTHERS or word in words)


def keyword_loss(logits: Tensor, places: Tensor, stride: int) -> Tensor:
    """Loss of logits `(B, T, W)`: each word found once about its end, and nowhere else.

    Elsewhere a word costs log(1 + sum of exp(logit)), the expected number of false accepts while
    those are rare; about its end the `PLATEAU` best frames count.
    """
    word, _, end = places.unbind(1)
    t = torch.arange(logits.shape[1], device=logits.device)
    since = t[None] - (end // stride)[:, None]
    within = (since >= -EARLY) & (since < LATE)
    spare = (since >= -TENTATIVE) & (since < REST)
    own = functional.one_hot(word.clamp_min(0), logits.shape[2]).bool() & (word >= 0)[:, None]
    elsewhere = logits.masked_fill(own[:, None] & spare[:, :, None], -1e4)
    false = functional.softplus(torch.logsumexp(elsewhere, 1)).sum(1)
    said_logits = logits.gather(2, word.clamp_min(0)[:, None, None].expand(-1, logits.shape[1], 1))[:, :, 0]
    best = said_logits.masked_fill(~within, -1e4).topk(PLATEAU, 1).values.clamp_min(-50).mean(1)
    missed = functional.softplus(-best) * (word >= 0)
    return (false + missed).mean()


class KeywordLoop(SpeechLoop):
    """Trains the keyword net."""

    name = KeywordNet.net_name
    score_name = "found_percent"  # of words said, over all conditions, at 2 false accepts an hour
    VALIDATION_ITEMS = 960

    net: SpeechNet
    average: SpeechNet

    @classmethod
    def spoken_words(cls, store: ClipStore, on_progress: Callable[[int, int], None]) -> dict[str, int]:
        """Near misses and made-up words, and the keywords themselves in many voices."""
        return dict.fromkeys(vocabulary(), VOICES_EACH) | dict.fromkeys(WORDS, SYNTHETIC_VOICES)

    def __init__(
        self, store: ClipStore, run: RunConfig, config: KeywordConfig | None = None,
        spoken: SpokenConfig | None = None, validation_items: int = VALIDATION_ITEMS,
    ) -> None:  # fmt: skip
        config, spoken = config or KeywordConfig(words=WORDS), spoken or SpokenConfig()
        super().__init__(lambda: _cautious(SpeechNet(config)), run)
        self.streams = SpokenStreams(store, "train", config.words, spoken, run.seed)
        self._valid: tuple[Tensor, Tensor] | None = None
        self._make_valid: Callable[[], tuple[Tensor, Tensor]] = lambda: self._validation(
            store, spoken, validation_items
        )

    def _prepare(self, number: int) -> tuple[Tensor, Tensor]:
        spectra, places = self.streams.other_voices((self.run.seed, number), self.run.batch)
        return self._masked(features_of(self.net, spectra), number), places.to(self.device)

    def _loss(self, features: Tensor, places: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16):
            logits, _ = self.net.logits(features, self.net.initial_state(len(features)).past)
        return keyword_loss(logits.float(), places, self.net.config.stride)

    def _validation(self, store: ClipStore, spoken: SpokenConfig, items: int) -> tuple[Tensor, Tensor]:
        streams = SpokenStreams(store, "valid", self.net.config.words, spoken, 1)  # type: ignore[attr-defined]
        batches = [streams.batch((2**31, number), 48) for number in range(items // 48)]
        features = torch.cat([features_of(self.net, x) for x, _ in batches])
        return features, torch.cat([places for _, places in batches]).to(self.device)

    def hears(self, clip: Clip) -> bool:
        return not clip.synthetic or wanted(clip, self.net.config.words)  # type: ignore[attr-defined]

    def score(self) -> float:
        if self._valid is None:
            self._valid = self._make_valid()
        features, places = self._valid
        return found_percent(outputs_of(self.average, features), places, self.average.config.stride)


def found_percent(logits: Tensor, places: Tensor, stride: int, per_hour: float = 2.0) -> float:
    """Words found, in percent, each word's threshold at `per_hour` false accepts of its own."""
    smooth = functional.avg_pool1d(logits.transpose(1, 2), 3, 1).transpose(1, 2)
    word, _, end = places.unbind(1)
    since = torch.arange(smooth.shape[1], device=smooth.device)[None] + 2 - (end // stride)[:, None]
    found: list[Any] = []
    for k in range(logits.shape[2]):
        said_here = word == k
        hours = int((~said_here).sum()) * logits.shape[1] * stride * HOP / SAMPLE_RATE / 3600
        highest = smooth[~said_here, :, k].amax(1).sort(descending=True).values
        threshold = highest[min(int(per_hour * hours), len(highest) - 1)]
        near = (since[said_here] >= -TENTATIVE) & (since[said_here] < REST)
        peak = smooth[said_here, :, k].masked_fill(~near, -1e4).amax(1)
        found.append((peak > threshold).float().mean())
    return 100 * float(torch.stack(found).mean())


def _cautious(net: SpeechNet) -> SpeechNet:
    """Start from "nothing was said", which is nearly always so."""
    torch.nn.init.constant_(net.out.bias, -6.0)
    return net
