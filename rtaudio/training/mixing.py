"""Noisy speech made on the fly: no two items are the same, and each is settled by its seed and number.

What an item is drawn from, and how often, is `MixConfig`; sources come from a `ClipStore`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtaudio.errors import ConfigError
from rtaudio.kernels.window import window_pair
from rtaudio.training.data import SAMPLE_RATE, Clip, ClipStore
from rtaudio.training.formants import move_formants
from rtaudio.training.measure import active_power, power
from rtaudio.training.rooms import simulate_room
from rtaudio.training.synthetic import GENERATORS, coloured, knocks

Samples = NDArray[np.float32]

THROAT = 0.22
"""Formants are moved by up to exp(±0.22), a fifth either way: from a child's to a large man's."""

SHARES = (
    "noise_only", "clean_only", "leading_pause", "other_throat", "two_noises", "synthetic_noise", "babble",
    "transients", "reverberant", "equalised", "band_limited", "wide_share",
)  # fmt: skip
"""What of a `MixConfig` says how often."""


@dataclass(frozen=True)
class MixConfig:
    """How often each thing happens to an item (probabilities), and over which ranges.

    The shares were measured to matter in this order: noise variety, leading pauses (live streams
    start in one), rooms, band limits. Sizes of the STFT are the net's (`mix_for`). `without` names sources
    of recordings that are left out.
    """

    n_fft: int = 960
    hop_length: int = 480
    window: str = "sqrt_hann"
    seconds: float = 2.0
    noise_only: float = 0.06
    clean_only: float = 0.06
    leading_pause: float = 0.25
    other_throat: float = 0.7
    two_noises: float = 0.30
    synthetic_noise: float = 0.10
    babble: float = 0.04
    transients: float = 0.18
    reverberant: float = 0.20
    equalised: float = 0.5
    band_limited: float = 0.12
    snr_mean_db: float = 5.0
    snr_spread_db: float = 6.0
    snr_wide_db: tuple[float, float] = (-8.0, 20.0)
    wide_share: float = 0.4
    transient_snr_db: tuple[float, float] = (-10.0, 5.0)
    level_db: tuple[float, float] = (-48.0, -14.0)
    n_rooms: int = 300
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "without", tuple(self.without))
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be from 0 to 1")
        for name in ("seconds", "n_rooms"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be above 0")

    @property
    def n_frames(self) -> int:
        return round(self.seconds * SAMPLE_RATE / self.hop_length)

    @property
    def n_samples(self) -> int:
        return self.n_fft + (self.n_frames - 1) * self.hop_length


@dataclass
class Item:
    """One mix before its transform: waves `(n_samples,)` float32, tone curves `(n_bins,)`, bandwidth."""

    speech: Samples
    target: Samples
    noise: Samples
    speech_curve: Samples
    noise_curve: Samples
    level: float
    bandwidth_hz: float


@dataclass
class Batch:
    """Spectra of `B` items: noisy, target `(B, T, n_bins, 2)`; mask `(B, 1, n_bins)`, 1 where the
    clean recording says something about the bin."""

    noisy: Tensor
    target: Tensor
    mask: Tensor


class Picker:
    """Draws clips by speaker or class, not by file: a long recording is not a loud vote.

    A source weighs √(variety × minutes), a group the same within it. Variety is speakers for speech,
    recordings for noise: an hour of one rain is one rain. Speech that ends under 12 kHz weighs 0.3: it
    teaches voices, but nothing about the highs.
    """

    NARROW_HZ, NARROW_WEIGHT = 12000.0, 0.3

    def __init__(self, clips: list[Clip]) -> None:
        sources: dict[str, dict[str, list[Clip]]] = {}
        for clip in clips:
            sources.setdefault(clip.source, {}).setdefault(clip.group, []).append(clip)
        self.groups = [group for source in sources.values() for group in source.values()]
        weights = np.array(
            [self._weight(source) / len(source) for source in sources.values() for _ in source]
        )
        self._cumulative = np.cumsum(weights / weights.sum())

    def _weight(self, groups: dict[str, list[Clip]]) -> float:
        clips = [clip for group in groups.values() for clip in group if clip.speed == 1.0]
        minutes = sum(clip.length for clip in clips) / SAMPLE_RATE / 60
        narrow = clips[0].kind == "speech" and np.median([c.bandwidth_hz for c in clips]) < self.NARROW_HZ
        variety = len(groups) if clips[0].kind == "speech" else len(clips)
        return float(np.sqrt(variety * minutes)) * (self.NARROW_WEIGHT if narrow else 1.0)

    def group(self, rng: np.random.Generator) -> list[Clip]:
        """Clips of one speaker or class, all at one speed."""
        at = min(int(np.searchsorted(self._cumulative, rng.random())), len(self.groups) - 1)
        clips = self.groups[at]
        speed = clips[rng.integers(len(clips))].speed
        return [clip for clip in clips if clip.speed == speed]


def drawn(store: ClipStore, kind: str, split: str, config: MixConfig) -> list[Clip]:
    """Clips that are mixed. Raises ConfigError where none are left, or no source has a name left out."""
    known = sorted({clip.source for clip in store.clips})
    if unknown := set(config.without) - set(known):
        raise ConfigError(f"without={min(unknown)!r}: must be of {', '.join(known)}")
    clips = [clip for clip in store.select(kind, split) if clip.source not in config.without]
    if config.without and not clips:
        raise ConfigError(f"without={list(config.without)} leaves no {kind}")
    return clips


class Mixer:
    """Batches of noisy and clean spectra; batch `number` is the same whoever asks, and when."""

    def __init__(self, store: ClipStore, split: str, config: MixConfig, seed: int) -> None:
        self.store, self.config, self.seed = store, config, seed
        self.speech, self.noise = (Picker(drawn(store, kind, split, config)) for kind in ("speech", "noise"))
        rooms_rng = np.random.default_rng((seed, 1 << 40))
        self.rooms = [simulate_room(rooms_rng, SAMPLE_RATE) for _ in range(config.n_rooms)]
        self._room_size = fft_size(config.n_samples + max(room.full.size for room in self.rooms))
        self._responses: dict[int, Tensor] = {}
        self.frequency = np.arange(config.n_fft // 2 + 1) * SAMPLE_RATE / config.n_fft
        window, _ = window_pair(config.window, config.n_fft, config.hop_length)
        self._window = torch.from_numpy(window.astype(np.float32))

    def batch(self, number: int, size: int) -> Batch:
        """Batch `number` of `size` items."""
        return self.transform([self.item(np.random.default_rng((self.seed, number, i))) for i in range(size)])

    def item(self, rng: np.random.Generator) -> Item:
        """One item: sources, then the room, then the ratio of the two, then their colour."""
        c, u = self.config, rng.random()
        voice, bandwidth = self._voice(rng)
        if rng.random() < c.other_throat:
            factor = float(np.exp(rng.uniform(-THROAT, THROAT)))
            voice = move_formants(voice, factor, bandwidth, SAMPLE_RATE)
        noise = self._noise(rng)
        if u < c.noise_only:
            voice, bandwidth = np.zeros_like(voice), SAMPLE_RATE / 2
        elif u < c.noise_only + c.clean_only:
            noise = np.zeros_like(noise)
        speech, target = self._in_a_room(voice, rng) if rng.random() < c.reverberant else (voice, voice)
        noise = at_snr(speech, noise, self._snr_db(rng))
        if rng.random() < c.transients:
            bang = knocks(rng, c.n_samples, SAMPLE_RATE)
            noise = noise + at_snr(speech, bang, rng.uniform(*c.transient_snr_db))
        limit_hz = self._band_limit_hz(bandwidth, rng)
        curves = [self._curve(spread_db, limit_hz, rng) for spread_db in (3.0, 5.0)]
        level = 10 ** (rng.uniform(*c.level_db) / 20) / np.sqrt(power(speech + noise) + 1e-12)
        return Item(speech, target, noise, curves[0], curves[1], float(level), min(bandwidth, 1.1 * limit_hz))

    def _voice(self, rng: np.random.Generator) -> tuple[Samples, float]:
        """Speech of one speaker that fills the item, after a pause if it begins with one."""
        clips = self.speech.group(rng)
        voice = np.zeros(self.config.n_samples, np.float32)
        pause = rng.random() < self.config.leading_pause
        at = int(rng.uniform(0.2, 1.2) * SAMPLE_RATE) if pause else 0
        clip = clips[rng.integers(len(clips))]
        start = 0 if pause else int(rng.integers(0, max(1, clip.length - voice.size // 2)))
        bandwidth = clip.bandwidth_hz
        while at < voice.size:
            part = self.store.read(clip, start, voice.size - at)
            voice[at : at + part.size] = part
            at += part.size + int(rng.uniform(0.1, 0.4) * SAMPLE_RATE)
            clip, start = clips[rng.integers(len(clips))], 0
            bandwidth = min(bandwidth, clip.bandwidth_hz)
        return voice, bandwidth

    def _noise(self, rng: np.random.Generator) -> Samples:
        """One noise, or two of which the second is up to 10 dB quieter or louder."""
        noise = self._one_noise(rng)
        if rng.random() < self.config.two_noises:
            noise = noise + at_snr(noise, self._one_noise(rng), rng.uniform(-10, 10))
        return noise

    def _one_noise(self, rng: np.random.Generator) -> Samples:
        length = self.config.n_samples
        if rng.random() < self.config.synthetic_noise:
            return GENERATORS[rng.integers(len(GENERATORS))](rng, length, SAMPLE_RATE)
        if rng.random() < self.config.babble:
            return np.sum([self._voice(rng)[0] for _ in range(rng.integers(5, 9))], axis=0)
        for _ in range(4):  # a stretch of digital silence is no noise: draw again
            clips = self.noise.group(rng)
            clip = clips[rng.integers(len(clips))]
            noise = self.store.read(clip, int(rng.integers(0, max(1, clip.length - length))), length)
            if power(noise) > 1e-8:
                return np.resize(noise, length)
        return coloured(rng, length, SAMPLE_RATE)

    def _in_a_room(self, voice: Samples, rng: np.random.Generator) -> tuple[Samples, Samples]:
        response = self._response(int(rng.integers(len(self.rooms))))
        spectrum = torch.fft.rfft(torch.from_numpy(voice), self._room_size)
        wet = torch.fft.irfft(spectrum * response, self._room_size)[:, : voice.size]
        return wet[0].numpy(), wet[1].numpy()

    def _response(self, number: int) -> Tensor:
        """Spectra `(2, n)` of a room's full response and of its target, kept once made (1 MB a room)."""
        if number not in self._responses:
            responses, room = np.zeros((2, self._room_size), np.float32), self.rooms[number]
            responses[0, : room.full.size], responses[1, : room.target.size] = room.full, room.target
            self._responses[number] = torch.fft.rfft(torch.from_numpy(responses))
        return self._responses[number]

    def _snr_db(self, rng: np.random.Generator) -> float:
        c = self.config
        wide = rng.random() < c.wide_share
        return float(rng.uniform(*c.snr_wide_db) if wide else rng.normal(c.snr_mean_db, c.snr_spread_db))

    def _band_limit_hz(self, bandwidth: float, rng: np.random.Generator) -> float:
        """Low-pass of the whole item: a narrow microphone. Narrow speech gets narrow noise half the time."""
        if rng.random() < self.config.band_limited:
            return float(np.exp(rng.uniform(np.log(3400), np.log(12000))))
        narrow = bandwidth < Picker.NARROW_HZ and rng.random() < 0.5
        return bandwidth if narrow else float(SAMPLE_RATE)

    def _curve(self, spread_db: float, limit_hz: float, rng: np.random.Generator) -> Samples:
        """Smooth tone curve, five points two octaves apart, with a steep fall from `limit_hz` on."""
        points = rng.normal(0, spread_db, 5) if rng.random() < self.config.equalised else np.zeros(5)
        octave = np.log2(np.maximum(self.frequency, 94) / 94)
        gain_db = np.interp(octave, 2 * np.arange(5), points)
        return (10 ** (gain_db / 20) / np.sqrt(1 + (self.frequency / limit_hz) ** 24)).astype(np.float32)

    def transform(self, items: list[Item]) -> Batch:
        """Spectra of the items, coloured, mixed and scaled."""
        curves = [np.stack([item.speech_curve * item.level for item in items]),
                  np.stack([item.noise_curve * item.level for item in items])]  # fmt: skip
        speech = self._stft([item.speech for item in items], curves[0])
        noise = self._stft([item.noise for item in items], curves[1])
        wet = [i for i, item in enumerate(items) if item.target is not item.speech]
        target = speech.clone() if wet else speech
        if wet:
            target[wet] = self._stft([items[i].target for i in wet], curves[0][wet])
        band = np.array([item.bandwidth_hz for item in items])[:, None, None]
        mask = torch.from_numpy((self.frequency < band).astype(np.float32))
        return Batch(speech + noise, target, mask)

    def _stft(self, waves: list[Samples], curves: Samples) -> Tensor:
        x = torch.from_numpy(np.stack(waves)).unfold(1, self.config.n_fft, self.config.hop_length)
        return torch.view_as_real(torch.fft.rfft(x * self._window) * torch.from_numpy(curves)[:, None])


def at_snr(speech: Samples, noise: Samples, snr_db: float) -> Samples:
    """`noise` scaled so that active speech over noise is `snr_db`; as it is where either is silent."""
    signal, disturbance = active_power(speech), power(noise)
    if signal < 1e-10 or disturbance < 1e-12:
        return noise
    return noise * np.float32(np.sqrt(signal / disturbance / 10 ** (snr_db / 10)))


def fft_size(length: int) -> int:
    """Smallest 2^k or 3·2^k that holds `length`: fast to transform, and no more than a third too long."""
    two = 1 << (length - 1).bit_length()
    return 3 * two // 4 if 3 * two // 4 >= length else two
