"""Streams in which words are said: what the nets over speech at 16 kHz are trained on.

An item is a stretch of a stream: perhaps other speech, perhaps a word, perhaps more speech, in a
room, with noise, through a microphone. No two are the same, and each is settled by its seed and number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtaudio.nn.spans import FRAME, spoken_span
from rtaudio.training.data import Clip, ClipStore, StoreRecipe
from rtaudio.training.measure import active_power, power
from rtaudio.training.mixing import Picker, at_snr, fft_size
from rtaudio.training.rooms import simulate_room
from rtaudio.training.synthetic import GENERATORS, knocks

Samples = NDArray[np.float32]

SAMPLE_RATE, N_FFT, HOP = 16000, 320, 160
RECIPE = StoreRecipe(SAMPLE_RATE, speeds={"speech": (1.0,), "noise": (1.0,)}, min_dynamic_db={})
"""Speeds are made on the fly, and noisy recordings are what words are said in: both are left to items."""

THROAT = 0.15
"""Frequencies are stretched by up to so much, as throats of other lengths do (Jaitly & Hinton 2013, VTLP)."""

PACE = (-0.15, 0.25)
"""Logarithm of how many times as fast words are made to be said, pitch and throat left as they are: most of
those who recorded the keywords took their time, and who spoke 30 % faster than they was not heard."""


@dataclass(frozen=True)
class SpokenConfig:
    """How often each thing happens to an item (probabilities), and over which ranges."""

    n_frames: int = 240
    speed: tuple[float, float] = (0.85, 1.18)
    speech_before: float = 0.5
    speech_after: float = 0.4
    reverberant: float = 0.35
    clean: float = 0.15
    synthetic_noise: float = 0.15
    babble: float = 0.12
    transients: float = 0.1
    snr_db: tuple[float, float] = (-3.0, 22.0)
    equalised: float = 0.6
    narrow: float = 0.08
    hiss: float = 0.8
    level_db: tuple[float, float] = (-50.0, -14.0)
    n_rooms: int = 150

    @property
    def n_samples(self) -> int:
        return self.n_frames * HOP


@dataclass
class Track:
    """Voices of one item `(n_samples,)` before noise, and the word in it (-1: none): its place in samples."""

    wave: Samples
    word: int = -1
    start: int = 0
    end: int = 0


def at_speed(x: Samples, speed: float) -> Samples:
    """Played about `speed` times as fast, pitch and all: the spectrum cut or padded, so nothing aliases.

    Within 2 %, since lengths are rounded to those an FFT is fast for.
    """
    if x.size < FRAME or speed == 1.0:
        return x
    whole = _smooth(x.size)
    size = _smooth(round(whole / speed))
    spectrum, wanted = np.fft.rfft(x, whole), size // 2 + 1
    spectrum = spectrum[:wanted] if wanted <= spectrum.size else np.pad(spectrum, (0, wanted - spectrum.size))
    wave = np.fft.irfft(spectrum, size)[: x.size * size // whole]
    return (wave * np.float32(size / whole)).astype(np.float32)


SMOOTH = np.array(sorted({2**a * 3**b * 5**c for a in range(1, 18) for b in range(6) for c in range(5)}))


def _smooth(size: int) -> int:
    """The least even product of 2, 3 and 5 that is not under `size`."""
    return int(SMOOTH[np.searchsorted(SMOOTH, size)])


def faded(x: Samples, fade: int = HOP) -> Samples:
    """A cut with soft ends, or the cuts would be clicks that give the word away."""
    x, fade = x.copy(), min(fade, x.size // 2)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    x[:fade] *= ramp
    x[x.size - fade :] *= ramp[::-1]
    return x


class Words:
    """Clips of words by what is said: draws a word's clip by group of voices, not by file.

    - find: from a recording's samples to the first and last of what is said in it.
    - synthetic_weight: how often a synthesised voice is drawn, to a recorded one with as many clips.
    """

    def __init__(
        self,
        store: ClipStore,
        clips: list[Clip],
        find: Callable[[Samples], tuple[int, int]] = spoken_span,
        synthetic_weight: float = 1.0,
    ) -> None:
        self.store, self._find, self._synthetic_weight = store, find, synthetic_weight
        self.groups: dict[str, list[list[Clip]]] = {}
        by_group: dict[tuple[str, str], list[Clip]] = {}
        for clip in clips:
            by_group.setdefault((said(clip), clip.group), []).append(clip)
        for (word, _), group in sorted(by_group.items()):
            self.groups.setdefault(word, []).append(group)
        self._spans: dict[str, tuple[int, int]] = {}

    def draw(self, word: str, rng: np.random.Generator) -> Clip:
        """A clip of a word, from a group drawn by the root of its size."""
        groups = self.groups[word]
        made = np.array([group[0].synthetic for group in groups])
        weights = np.sqrt([len(group) for group in groups]) * np.where(made, self._synthetic_weight, 1.0)
        group = groups[rng.choice(len(groups), p=weights / weights.sum())]
        return group[rng.integers(len(group))]

    def span(self, clip: Clip) -> tuple[int, int]:
        if clip.path not in self._spans:
            self._spans[clip.path] = self._find(self.store.read(clip, 0, clip.length))
        return self._spans[clip.path]

    def cut(
        self, clip: Clip, rng: np.random.Generator, speed: tuple[float, float]
    ) -> tuple[Samples, int, int]:
        """A word with a little around it, at some speed, and where in that it starts and ends."""
        return cut_at(self.store, clip, self.span(clip), rng, speed)


def cut_at(
    store: ClipStore, clip: Clip, span: tuple[int, int], rng: np.random.Generator, speed: tuple[float, float]
) -> tuple[Samples, int, int]:
    """A stretch of a clip with a little around it, at some speed, and where in that it starts and ends."""
    start, end = span
    before, after = (int(rng.uniform(0.02, 0.25) * SAMPLE_RATE) for _ in range(2))
    first, last = max(0, start - before), min(clip.length, end + after)
    factor = float(rng.uniform(*speed))
    wave = faded(at_speed(store.read(clip, first, last - first), factor))
    return wave, round((start - first) / factor), min(round((end - first) / factor), wave.size)


def said(clip: Clip) -> str:
    """The keyword folder a clip lies in ("hey_computer", "_negative"); "" for running speech."""
    folder, *rest = clip.path.split("/")
    return rest[0] if folder in ("keywords", "synthetic") and len(rest) > 1 else ""


def normalised(x: Samples) -> Samples:
    """At -20 dBFS of active power."""
    return x * np.float32(0.1 / np.sqrt(active_power(x) + 1e-10))


def overlay(target: Samples, x: Samples, at: int) -> None:
    """Add `x` to `target` from `at` (which may be negative); what lies outside is lost."""
    first, last = max(0, at), min(target.size, at + x.size)
    if first < last:
        target[first:last] += x[first - at : last - at]


class Scenery:
    """What a voice is heard through: rooms, noise, a microphone. Only recordings of one split."""

    def __init__(self, store: ClipStore, split: str, config: SpokenConfig, seed: int) -> None:
        self.store, self.config, self.seed = store, config, seed
        self.speech = Picker([clip for clip in store.select("speech", split) if not said(clip)])
        self.noise = Picker(store.select("noise", split))
        rng = np.random.default_rng((seed, 1 << 40))
        self.rooms = [simulate_room(rng, SAMPLE_RATE).full for _ in range(config.n_rooms)]
        self._size = fft_size(config.n_samples + max(room.size for room in self.rooms))
        self._responses: dict[int, Tensor] = {}
        self._window = torch.from_numpy(np.sqrt(np.hanning(N_FFT + 1)[:-1]).astype(np.float32))
        self._octave = np.log2(np.maximum(np.arange(N_FFT // 2 + 1) * SAMPLE_RATE / N_FFT, 60) / 60)

    def running(self, rng: np.random.Generator, length: int, *, changed: bool = True) -> Samples:
        """`length` samples of one speaker's running speech, from anywhere in it, pauses included.

        At some speed where it is to be `changed`.
        """
        clips, voice = self.speech.group(rng), np.zeros(length, np.float32)
        at, factor = 0, float(rng.uniform(*self.config.speed)) if changed else 1.0
        while at < length:
            clip = clips[rng.integers(len(clips))]
            wanted = round((length - at) * factor)
            start = int(rng.integers(0, max(1, clip.length - min(wanted, SAMPLE_RATE))))
            part = normalised(faded(at_speed(self.store.read(clip, start, wanted), factor)))
            overlay(voice, part, at)
            at += part.size + int(rng.uniform(0.05, 0.4) * SAMPLE_RATE)
        return voice

    def background(self, rng: np.random.Generator) -> Samples:
        """Noise of an item: a recording, something made, or several people at once."""
        c, u = self.config, rng.random()
        if u < c.synthetic_noise:
            return GENERATORS[rng.integers(len(GENERATORS))](rng, c.n_samples, SAMPLE_RATE)
        if u < c.synthetic_noise + c.babble:
            people = [self.running(rng, c.n_samples, changed=False) for _ in range(rng.integers(3, 6))]
            return np.sum(people, axis=0)
        clips = self.noise.group(rng)
        clip = clips[rng.integers(len(clips))]
        part = self.store.read(clip, int(rng.integers(0, max(1, clip.length - c.n_samples))), c.n_samples)
        return np.resize(part, c.n_samples) if power(part) > 1e-8 else np.zeros(c.n_samples, np.float32)

    def in_a_room(self, wave: Samples, rng: np.random.Generator) -> Samples:
        number = int(rng.integers(len(self.rooms)))
        if number not in self._responses:
            self._responses[number] = torch.fft.rfft(torch.from_numpy(self.rooms[number]), self._size)
        spectrum = torch.fft.rfft(torch.from_numpy(wave), self._size)
        return torch.fft.irfft(spectrum * self._responses[number], self._size)[: wave.size].numpy()

    def heard(self, wave: Samples, rng: np.random.Generator) -> Samples:
        """The wave in a room, with noise, at some level."""
        voice, rest = self.heard_apart(wave, rng)
        return voice + rest

    def heard_apart(self, wave: Samples, rng: np.random.Generator) -> tuple[Samples, Samples]:
        """The wave in a room, and the noise that is heard with it, at some level of their sum."""
        c = self.config
        if rng.random() < c.reverberant:
            wave = self.in_a_room(wave, rng)
        noise = np.zeros_like(wave)
        if rng.random() >= c.clean:
            noise = at_snr(wave, self.background(rng), rng.uniform(*c.snr_db))
        if rng.random() < c.transients:
            noise = noise + at_snr(wave, knocks(rng, wave.size, SAMPLE_RATE), rng.uniform(-5, 10))
        gain = 10 ** (rng.uniform(*c.level_db) / 20) / np.sqrt(power(wave + noise) + 1e-12)
        wave, noise = wave * np.float32(gain), noise * np.float32(gain)
        if rng.random() < c.hiss:
            hiss = np.float32(10 ** (rng.uniform(-95, -70) / 20))
            noise += hiss * rng.standard_normal(noise.size, np.float32)
        return wave, noise

    def microphone(self, rng: np.random.Generator) -> Samples:
        """Gain of each bin `(161,)`: a smooth curve, now and then a telephone's band."""
        c = self.config
        points = rng.normal(0, 4.0, 5) if rng.random() < c.equalised else np.zeros(5)
        curve = 10 ** (np.interp(self._octave, np.linspace(0, self._octave[-1], 5), points) / 20)
        if rng.random() < c.narrow:
            limit = np.log2(rng.uniform(3000, 6000) / 60)
            curve = curve / np.sqrt(1 + 2.0 ** (24 * (self._octave - limit)))
        return curve.astype(np.float32)

    def spectra(self, waves: list[Samples], curves: list[Samples]) -> Tensor:
        """`(B, n_frames, 161, 2)` as the live STFT gives them, through each item's microphone."""
        x = torch.from_numpy(np.pad(np.stack(waves), ((0, 0), (N_FFT - HOP, 0))))
        framed = torch.fft.rfft(x.unfold(1, N_FFT, HOP) * self._window)
        return torch.view_as_real(framed * torch.from_numpy(np.stack(curves))[:, None])


def other_throats(spectra: Tensor, seed: tuple[int, ...]) -> Tensor:
    """Spectra `(B, T, n_bins, 2)` with each item's frequencies stretched by up to THROAT."""
    rng, bins = np.random.default_rng(seed), spectra.shape[2]
    factors = torch.from_numpy(np.exp(rng.uniform(-THROAT, THROAT, len(spectra)))).float()
    places = (torch.arange(bins) * factors[:, None]).round().long().clamp_max(bins - 1)
    return spectra.gather(2, places[:, None, :, None].expand_as(spectra))


def other_paces(spectra: Tensor, places: Tensor, seed: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Spectra `(B, T, n_bins, 2)` of voices said at another pace, and where their words are then.

    Frames are repeated or left out, each item's about the end of its word `(B, 3)`, which stays where it is.
    What a faster one leaves empty, at either end, is filled with what is next to it, backwards.
    """
    rng, (batch, frames) = np.random.default_rng(seed), spectra.shape[:2]
    factors = torch.from_numpy(np.exp(rng.uniform(*PACE, batch))).float()[:, None]
    word, start, end = places.unbind(1)
    fixed = torch.where(word >= 0, end, frames // 2)[:, None]
    at = (fixed + (torch.arange(frames) - fixed) * factors).round().long().abs()
    at = torch.where(at < frames, at, 2 * (frames - 1) - at)
    start = torch.where(word >= 0, end - ((end - start) / factors[:, 0]).round().long(), start)
    moved = spectra.gather(1, at[:, :, None, None].expand_as(spectra))
    return moved, torch.stack([word, start, end], 1)
