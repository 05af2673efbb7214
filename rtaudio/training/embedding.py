"""`rtaudio train embedding`: one word in many voices becomes one direction, different words different ones.

Four kinds of classes: keywords of the data; words heard in its running speech, alone and two in a row; words
that nobody says; and stretches of running speech that are each a class of their own. All but the last
are spoken by synthesisers too, so that recorded and made voices of a word are one. Everything is heard at
other speeds, from throats of other lengths, in other rooms and noise.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rtaudio.nn.embedding import EmbeddingNet
from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.enrolment import NEGATIVES, embed, save_negatives
from rtaudio.nn.spans import active_frames
from rtaudio.nn.speech_torch import SpeechNet
from rtaudio.training.data import Clip, ClipStore
from rtaudio.training.heard import Heard, heard_words, transcribe
from rtaudio.training.loop import RunConfig
from rtaudio.training.speech_loop import SpeechLoop, features_of, outputs_of
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
from rtaudio.training.voices import vocabulary

HELD_OUT = ("snowboy", "view_glass", "amelia", "dracarys", "hadouken")
"""Keywords the embedding never hears: what enrolling a new word is tested with."""
SEGMENTS = 2500
SHARES = (0.25, 0.3, 0.25, 0.2)
"""Of items that are keywords, words heard in running speech, made-up words, stretches of running speech."""
RECORDED_SHARE = 0.6
"""Of items of heard words that are recordings; the others are synthesised."""
MADE_WORDS = 2000
THROAT = 0.15
"""Frequencies are stretched by up to so much, as throats of other lengths do (Jaitly & Hinton 2013, VTLP)."""
MIX = SpokenConfig(n_frames=170, clean=0.2, babble=0.05, snr_db=(0.0, 25.0), speed=(0.85, 1.18))
NEGATIVE_STREAMS, NEGATIVE_S = 25, 100.0
"""Stretches of sound without the user's word that come with the weights: 40 minutes, 2 MB."""
SCALE, MARGIN = 16.0, 0.15
"""Of the cosines before the softmax, and what the right class must lead by (CosFace, Wang et al. 2018)."""
AFTER = (0, 2, 4, 6)
"""Strides of 20 ms after a word's end at which its embedding must stand for it."""


class Utterances:
    """Items that end in a word or a stretch of speech, and which one."""

    def __init__(self, store: ClipStore, config: SpokenConfig, seed: int) -> None:
        self.store, self.config = store, config
        self.scenery = Scenery(store, "train", config, seed)
        clips = [clip for clip in store.select("speech", "train") if said(clip)]
        clips = [clip for clip in clips if said(clip) not in (*HELD_OUT, "_negative")]
        self.bank = Words(store, clips)
        self.heard = by_text(heard_words(store))
        recorded = {said(clip) for clip in clips if not clip.path.startswith("synthetic/")}
        self.kinds = [
            sorted(recorded),
            sorted(self.heard.keys() - recorded),
            sorted(self.bank.groups.keys() - recorded - self.heard.keys()),
        ]
        words = (word for kind in self.kinds for word in kind)
        self.classes = {word: number for number, word in enumerate(words)}
        self.segments = self._segments(np.random.default_rng((seed, 1 << 42)))
        self.n_classes = len(self.classes) + len(self.segments)
        shares = np.array(SHARES) * [bool(kind) for kind in (*self.kinds, self.segments)]
        self._shares = shares / shares.sum()
        self._weights = [self._by_takes(kind) for kind in self.kinds]

    def _by_takes(self, words: list[str]) -> NDArray[np.float64]:
        """Chance of each word: by the root of how often it was heard, for most were once."""
        weights = np.sqrt([len(self.heard.get(word, "-")) for word in words])
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


def by_text(heard: list[Heard]) -> dict[str, list[Heard]]:
    """Takes of each text, but for words that are held out."""
    texts: dict[str, list[Heard]] = {}
    for take in heard:
        if take.text.replace("_", "") not in {word.replace("_", "") for word in HELD_OUT}:
            texts.setdefault(take.text, []).append(take)
    return texts


def other_throats(spectra: Tensor, seed: tuple[int, ...]) -> Tensor:
    """Spectra `(B, T, n_bins, 2)` with each item's frequencies stretched by up to THROAT."""
    rng, bins = np.random.default_rng(seed), spectra.shape[2]
    factors = torch.from_numpy(np.exp(rng.uniform(-THROAT, THROAT, len(spectra)))).float()
    places = (torch.arange(bins) * factors[:, None]).round().long().clamp_max(bins - 1)
    return spectra.gather(2, places[:, None, :, None].expand_as(spectra))


class Classifier(nn.Module):
    """The embedding net, and a direction for each class it is trained with."""

    def __init__(self, config: EmbeddingConfig, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.trunk = SpeechNet(config)
        self.directions = nn.Embedding(n_classes, config.size)

    def loss(self, logits: Tensor, places: Tensor) -> Tensor:
        """Softmax over cosines, the right one less a margin, at a few strides after each word's end."""
        number, end = places.unbind(1)
        at = (end // self.config.stride)[:, None] + torch.tensor(AFTER)
        at = at.clamp_max(logits.shape[1] - 1)
        chosen = functional.normalize(
            logits.gather(1, at[:, :, None].expand(-1, -1, logits.shape[2])), dim=-1
        )
        cosines = (
            functional.normalize(chosen, dim=-1) @ functional.normalize(self.directions.weight, dim=-1).T
        )
        cosines = cosines - MARGIN * functional.one_hot(number, cosines.shape[-1])[:, None]
        classes = number[:, None].expand(-1, len(AFTER))
        return functional.cross_entropy(SCALE * cosines.flatten(0, 1), classes.flatten())


class EmbeddingLoop(SpeechLoop):
    """Trains the word embedding."""

    name = EmbeddingNet.net_name
    score_name = "found_percent"  # held-out words, from three clips of one voice, with no false accept

    net: Classifier
    average: Classifier

    def __init__(
        self,
        store: ClipStore,
        run: RunConfig,
        config: EmbeddingConfig | None = None,
        mix: SpokenConfig = MIX,
    ) -> None:
        self.items = Utterances(store, mix, run.seed)
        super().__init__(lambda: Classifier(config or EmbeddingConfig(), self.items.n_classes), run)
        self._tests, self._groups, self._others = held_out_items(store, self.average.trunk)

    @property
    def speech_net(self) -> SpeechNet:
        return self.average.trunk

    @classmethod
    def spoken_words(cls, store: ClipStore, on_progress: Callable[[int, int], None]) -> list[str]:
        """Keywords, words heard in running speech, words that nobody says; none of those held out.

        Of two words in a row only what was said twice: the others are classes of one recording each.
        """
        transcribe(store, on_progress)
        keywords = {said(clip) for clip in store.clips if clip.path.startswith("keywords/")}
        texts = by_text(heard_words(store))
        heard = {text for text, takes in texts.items() if "_" not in text or len(takes) > 1}
        return [
            *sorted(keywords - {*HELD_OUT, "_negative"}),
            *sorted(heard - keywords),
            *vocabulary(MADE_WORDS),
        ]

    def _prepare(self, number: int) -> tuple[Tensor, Tensor]:
        spectra, places = self.items.batch((self.run.seed, number), self.run.batch)
        spectra = other_throats(spectra, (self.run.seed, number, 1 << 43))
        return self._masked(features_of(self.net.trunk, spectra), number), places

    def _loss(self, features: Tensor, places: Tensor) -> Tensor:
        trunk = self.net.trunk
        with torch.autocast(self.device.type, torch.bfloat16):
            logits, _ = trunk.logits(features, trunk.initial_state(len(features)).past)
        return self.net.loss(logits.float(), places)

    def score(self) -> float:
        """Mean over held-out words and draws of who enrols: words of other voices above any other sound."""
        embed = [
            functional.normalize(outputs_of(self.speech_net, x), dim=-1) for x in (self._tests, self._others)
        ]
        last = embed[0][:, -2]
        others = embed[1].flatten(0, 1)
        rng, found = np.random.default_rng(0), []
        for word in dict.fromkeys(word for word, _ in self._groups):
            groups = sorted({group for w, group in self._groups if w == word})
            for _ in range(6):
                mine = groups[rng.integers(len(groups))]
                own = [k for k, place in enumerate(self._groups) if place == (word, mine)]
                rest = [k for k, (w, group) in enumerate(self._groups) if w == word and group != mine]
                prototype = last[rng.permutation(own)[:3].tolist()].mean(0)
                found.append(float((last[rest] @ prototype > (others @ prototype).max()).float().mean()))
        return 100 * float(np.mean(found))

    def finish(self, folder: Path) -> dict[str, Any]:
        """The bundled negatives, and what the net was trained on."""
        net = self.speech_net
        tensors = {name: tensor.float().numpy() for name, tensor in net.state_dict().items()}
        native = EmbeddingNet(net.config, tensors)
        streams = []
        for number in range(NEGATIVE_STREAMS):
            rng = np.random.default_rng((23, number))
            wave = np.concatenate(
                [self._other(rng) for _ in range(round(NEGATIVE_S / MIX.n_samples * SAMPLE_RATE))]
            )
            streams.append(embed(native, wave))
        digest = save_negatives(folder / NEGATIVES.name, streams)
        return {"negatives_sha256": digest, "words": self.items.kinds[0]}

    def _other(self, rng: np.random.Generator) -> Samples:
        """Speech, made-up words or noise as an item is heard; no keyword, or nobody could enrol that."""
        u, items = rng.random(), self.items
        length = items.config.n_samples
        wave = np.zeros(length, np.float32)
        if u < 0.65:
            wave = items.scenery.running(rng, length)
        elif u < 0.9 and items.kinds[2]:
            word = items.kinds[2][rng.integers(len(items.kinds[2]))]
            overlay(
                wave, normalised(items.bank.cut(items.bank.draw(word, rng), rng, items.config.speed)[0]), 0
            )
        return items.scenery.heard(wave, rng)


def held_out_items(store: ClipStore, net: SpeechNet) -> tuple[Tensor, list[tuple[str, str]], Tensor]:
    """Features of held-out words, each ending 0.1 s before its item; whose each is; and other speech."""
    clips = [clip for clip in store.clips if said(clip) in HELD_OUT]
    bank, waves, rng = Words(store, clips), [], np.random.default_rng(3)
    length = MIX.n_samples
    for clip in clips:
        _, end = bank.span(clip)
        wave = np.zeros(length, np.float32)
        last = min(clip.length, end + SAMPLE_RATE // 10)
        part = normalised(store.read(clip, max(0, last - length), min(last, length)))
        overlay(wave, part, length - part.size)
        waves.append(wave + np.float32(1e-4) * rng.standard_normal(length, np.float32))
    scenery = Scenery(store, "valid", MIX, 1)
    others = [scenery.running(np.random.default_rng((5, k)), 4 * length, changed=False) for k in range(80)]
    flat = np.ones(net.config.n_bins, np.float32)
    parts = [features_of(net, scenery.spectra(w, [flat] * len(w))) for w in (waves, others)]
    return parts[0], [(said(clip), clip.group) for clip in clips], parts[1]
