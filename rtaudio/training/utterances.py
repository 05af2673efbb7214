"""What the word embedding is trained with: items that end in a word or a stretch of speech, and which one.

Four kinds of classes: keywords of the data; words heard in its running speech, alone and two in a row; words
that nobody says; and stretches of running speech that are each a class of their own. All but the last
are spoken by synthesisers too, so that recorded and made voices of a word are one. Everything is heard at
other speeds, from throats of other lengths, in other rooms and noise.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtaudio.nn.spans import active_frames
from rtaudio.training.data import Clip, ClipStore
from rtaudio.training.heard import Heard, heard_words
from rtaudio.training.spoken import (
    HOP,
    SAMPLE_RATE,
    Samples,
    Scenery,
    SpokenConfig,
    Words,
    at_speed,
    cut_at,
    faded,
    normalised,
    overlay,
    said,
)

HELD_OUT = ("snowboy", "view_glass", "amelia", "dracarys", "hadouken")
"""Keywords the embedding never hears: what enrolling a new word is tested with."""
SEGMENTS = 2500
SHARES = (0.25, 0.3, 0.25, 0.2)
"""Of items that are keywords, words heard in running speech, made-up words, stretches of running speech."""
RECORDED_SHARE = 0.6
"""Of items of heard words that are recordings; the others are synthesised."""
MIX = SpokenConfig(n_frames=170, clean=0.2, babble=0.05, snr_db=(0.0, 25.0), speed=(0.85, 1.18))


class Utterances:
    """Items that end in a word or a stretch of speech, and which one."""

    def __init__(
        self, store: ClipStore, config: SpokenConfig, seed: int, held_out: Collection[str] = HELD_OUT
    ) -> None:
        self.store, self.config = store, config
        self.scenery = Scenery(store, "train", config, seed)
        clips = [clip for clip in store.select("speech", "train") if said(clip)]
        clips = [clip for clip in clips if said(clip) not in {*held_out, "_negative"}]
        self.bank = Words(store, clips)
        self.heard = by_text(heard_words(store), held_out)
        recorded = {said(clip) for clip in clips if not clip.synthetic}
        self.keywords = sorted(recorded)
        self.texts = sorted(self.heard.keys() - recorded)
        self.made = sorted(self.bank.groups.keys() - recorded - self.heard.keys())
        self.kinds = (self.keywords, self.texts, self.made)
        words = (word for kind in self.kinds for word in kind)
        self.classes = {word: number for number, word in enumerate(words)}
        self.segments = self._segments(np.random.default_rng((seed, 1 << 42)))
        self.n_classes = len(self.classes) + len(self.segments)
        shares = np.array(SHARES) * [bool(kind) for kind in (*self.kinds, self.segments)]
        self._shares = shares / shares.sum()
        self._weights = [self._by_takes(kind) for kind in self.kinds]

    def _by_takes(self, words: list[str]) -> NDArray[np.float64]:
        """Chance of each word: by the root of how often it was heard, for most were once."""
        weights = np.sqrt([max(len(self.heard.get(word, ())), 1) for word in words])
        return weights / max(weights.sum(), 1.0)

    def _segments(self, rng: np.random.Generator) -> list[tuple[Clip, int, int]]:
        """Stretches of 0.5 to 1 s of speech, from as many speakers as there are."""
        segments: list[tuple[Clip, int, int]] = []
        for _ in range(4 * SEGMENTS):
            clips = self.scenery.speech.group(rng)
            clip, length = clips[rng.integers(len(clips))], int(rng.uniform(0.5, 1.0) * SAMPLE_RATE)
            if clip.length < 2 * length:
                continue
            start = int(rng.integers(0, clip.length - length))
            if active_frames(self.store.read(clip, start, length)).mean() > 0.7:
                segments.append((clip, start, length))
            if len(segments) == SEGMENTS:
                break
        return segments

    def batch(self, seed: tuple[int, ...], size: int) -> tuple[Tensor, Tensor]:
        """Spectra `(size, n_frames, 161, 2)`, and class and end frame of each item `(size, 2)`."""
        waves, places, curves = [], [], []
        for i in range(size):
            rng = np.random.default_rng((*seed, i))
            voice, number, end = self.voice(rng)
            waves.append(self.scenery.heard(voice, rng))
            places.append((number, end // HOP))
            curves.append(self.scenery.microphone(rng))
        return self.scenery.spectra(waves, curves), torch.tensor(places)

    def voice(self, rng: np.random.Generator) -> tuple[Samples, int, int]:
        """Perhaps other speech, then the word: samples, class, last sample of the word."""
        c = self.config
        wave, number, start, end = self._take(rng)
        voice, last = np.zeros(c.n_samples, np.float32), c.n_samples - round(0.15 * SAMPLE_RATE)
        at = int(rng.uniform(max(min(end, last), last - 0.4 * SAMPLE_RATE), last + 1)) - end
        overlay(voice, normalised(wave), at)
        before = at + start - int(rng.uniform(0.03, 0.4) * SAMPLE_RATE)
        if rng.random() < c.speech_before and before > SAMPLE_RATE // 8:
            overlay(voice, faded(self.scenery.running(rng, before)), 0)
        return voice, number, at + end

    def _take(self, rng: np.random.Generator) -> tuple[Samples, int, int, int]:
        """One word or stretch: samples, class, first and last sample of what counts."""
        kind = int(rng.choice(len(SHARES), p=self._shares))
        if kind == len(self.kinds):
            at = int(rng.integers(len(self.segments)))
            clip, start, length = self.segments[at]
            factor = float(rng.uniform(*self.config.speed))
            wave = faded(at_speed(self.store.read(clip, start, length), factor))
            return wave, len(self.classes) + at, 0, wave.size
        word = self.kinds[kind][rng.choice(len(self.kinds[kind]), p=self._weights[kind])]
        wave, start, end = self._said(word, rng)
        return wave, self.classes[word], start, end

    def _said(self, word: str, rng: np.random.Generator) -> tuple[Samples, int, int]:
        speed, takes = self.config.speed, self.heard.get(word)
        if takes and (word not in self.bank.groups or rng.random() < RECORDED_SHARE):
            take = takes[rng.integers(len(takes))]
            return cut_at(self.store, take.clip, (take.start, take.end), rng, speed)
        return self.bank.cut(self.bank.draw(word, rng), rng, speed)


def by_text(heard: list[Heard], held_out: Collection[str] = HELD_OUT) -> dict[str, list[Heard]]:
    """Takes of each text, but for words that are held out."""
    texts: dict[str, list[Heard]] = {}
    for take in heard:
        if take.text.replace("_", "") not in {word.replace("_", "") for word in held_out}:
            texts.setdefault(take.text, []).append(take)
    return texts
