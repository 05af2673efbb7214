"""What the word embedding is trained with: streams of speech, and which phone is said when.

Phrases by synthesisers tell their phones exactly and are as many as one likes; recordings come from
people. Everything is heard at other speeds, from throats of other lengths, in other rooms and noise.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable

import numpy as np
import torch
from torch import Tensor

from rtaudio.errors import ConfigError
from rtaudio.training.data import Clip, ClipStore
from rtaudio.training.phones import Track, at_other_speed, labelled
from rtaudio.training.spoken import (
    HOP,
    SAMPLE_RATE,
    Samples,
    Scenery,
    SpokenConfig,
    at_speed,
    faded,
    normalised,
    overlay,
    said,
)

HELD_OUT = ("snowboy", "view_glass", "amelia", "dracarys", "hadouken")
"""Keywords the embedding never hears: what enrolling a new word is tested with."""
CHOSEN_ON = ("computer", "hey_computer", "jarvis", "smart_mirror", "athena", "trick_or_treat")
"""Others that it never hears: what recipes, and how words are fitted, are chosen with."""
UNHEARD = HELD_OUT + CHOSEN_ON
SHARES = {"espeak-ng": 0.27, "flite": 0.18, "running": 0.38, "keywords": 0.17}
"""How often each kind of speech is drawn, of those there are."""
MIX = SpokenConfig(n_frames=200, clean=0.2, babble=0.05, snr_db=(0.0, 25.0), speed=(0.85, 1.18))


class Kind:
    """Clips with their phones, by voice (and word); a voice weighs the root of its length."""

    def __init__(self, store: ClipStore, groups: list[list[tuple[Clip, Track]]]) -> None:
        self.store, self.groups = store, groups
        weights = np.sqrt([sum(clip.length for clip, _ in group) for group in groups])
        self._weights = weights / weights.sum()

    def draw(self, rng: np.random.Generator) -> tuple[Samples, Track]:
        """A whole clip, and its phones."""
        group = self.groups[int(rng.choice(len(self.groups), p=self._weights))]
        clip, track = group[rng.integers(len(group))]
        return self.store.read(clip, 0, clip.length), track


class Utterances:
    """Stretches of speech, and their phones.

    - phrases: the store of what synthesisers say (`rtaudio.training.phrases`), where there is one.

    Raises ConfigError where the phones of no recording or phrase are known.
    """

    def __init__(
        self,
        store: ClipStore,
        phrases: ClipStore | None,
        config: SpokenConfig,
        seed: int,
        held_out: Collection[str] = UNHEARD,
    ) -> None:
        self.config = config
        self.scenery = Scenery(store, "train", config, seed)
        self.kinds = _kinds(store, phrases, held_out)
        if not self.kinds:
            raise ConfigError(
                "nobody tells which phones are spoken: install espeak-ng, flite or the package pocketsphinx"
            )
        shares = np.array([SHARES[name] for name in self.kinds])
        self._shares = shares / shares.sum()
        self._drawn = list(self.kinds.values())

    def batch(self, seed: tuple[int, ...], size: int) -> tuple[Tensor, Tensor]:
        """Spectra `(size, n_frames, 161, 2)`, and phones `(size, n_frames)` int64."""
        waves, tracks, curves = [], [], []
        for i in range(size):
            rng = np.random.default_rng((*seed, i))
            voice, track = self.voice(rng)
            waves.append(self.scenery.heard(voice, rng))
            tracks.append(track)
            curves.append(self.scenery.microphone(rng))
        return self.scenery.spectra(waves, curves), torch.from_numpy(np.stack(tracks)).long()

    def voice(self, rng: np.random.Generator) -> tuple[Samples, Track]:
        """Clips one after the other with short pauses, from within the first one or after a pause."""
        c = self.config
        voice, track = np.zeros(c.n_samples, np.float32), np.zeros(c.n_frames, np.uint8)
        at = (
            -int(rng.uniform(0, 0.6) * c.n_samples)
            if rng.random() < 0.7
            else int(rng.uniform(0, 0.4) * c.n_samples)
        )
        while at < c.n_samples:
            wave, phones = self.draw(rng)
            speed = float(rng.uniform(*c.speed))
            wave = normalised(faded(at_speed(wave, speed)))
            if at < 0 and wave.size > c.n_samples:  # anywhere in a long one
                at = -int(rng.uniform(0, wave.size - c.n_samples))
            place(track, at_other_speed(phones, speed, wave.size // HOP), round(at / HOP))
            overlay(voice, wave, at)
            at += wave.size + int(rng.uniform(0, 0.3) * SAMPLE_RATE)
        return voice, track

    def draw(self, rng: np.random.Generator) -> tuple[Samples, Track]:
        """A clip of any kind, and its phones."""
        return self._drawn[int(rng.choice(len(self._drawn), p=self._shares))].draw(rng)


def place(track: Track, part: Track, at: int) -> None:
    """Write `part` into `track` from `at` (which may be negative); what lies outside is lost."""
    first, last = max(0, at), min(len(track), at + len(part))
    if first < last:
        track[first:last] = part[first - at : last - at]


def _kinds(store: ClipStore, phrases: ClipStore | None, held_out: Collection[str]) -> dict[str, Kind]:
    """Those of SHARES that there are."""
    kinds: dict[str, dict[Hashable, list[tuple[Clip, Track]]]] = {}
    for clip, track in labelled(store):
        if said(clip) not in held_out:
            name = "keywords" if said(clip) else "running"
            kinds.setdefault(name, {}).setdefault((said(clip), clip.group), []).append((clip, track))
    found = {name: Kind(store, list(groups.values())) for name, groups in kinds.items()}
    if phrases is not None:
        made: dict[str, list[tuple[Clip, Track]]] = {}
        for clip, track in labelled(phrases):
            made.setdefault(clip.source, []).append((clip, track))
        found |= {name: Kind(phrases, [clips]) for name, clips in made.items()}
    return found
