"""`rtaudio train vad`: speech laid over noise, so that where it is active is known without labels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rtaudio.nn.spans import FRAME, active_frames
from rtaudio.nn.torch.speech import SpeechNet
from rtaudio.nn.vad import VadNet
from rtaudio.nn.vad_config import VadConfig
from rtaudio.training.data import Clip, ClipStore
from rtaudio.training.loop import RunConfig
from rtaudio.training.measure import dynamic_db
from rtaudio.training.mixing import Picker
from rtaudio.training.speech_loop import SpeechLoop, features_of, outputs_of
from rtaudio.training.spoken import (
    SAMPLE_RATE,
    Samples,
    Scenery,
    SpokenConfig,
    at_speed,
    faded,
    normalised,
    overlay,
)

MIN_DYNAMIC_DB = 25.0
"""Of a recording whose pauses can be told from its speech by their level."""
CLOSURE = 12
"""Frames of quiet that belong to a word: the closure before a plosive takes up to 120 ms."""
MIX = SpokenConfig(n_frames=300, babble=0.0, clean=0.12, transients=0.25, snr_db=(-5.0, 25.0))


def speech_frames(x: Samples) -> NDArray[np.bool_]:
    """Which 10 ms of a clean recording are speech, short closures included."""
    active = active_frames(x)
    edges = np.flatnonzero(np.diff(active.astype(np.int8)))
    for left, right in pairwise(edges):
        if not active[left + 1] and right - left <= CLOSURE:
            active[left + 1 : right + 1] = True
    return active


class SpeechAndPauses:
    """Items in which people begin and stop speaking, and which frames they speak in."""

    SILENT = 0.25
    """Items with no voice at all: barks, music and machines must not pass for one."""

    def __init__(self, store: ClipStore, split: str, config: SpokenConfig, seed: int) -> None:
        self.store, self.config = store, config
        self.scenery = Scenery(store, split, config, seed)
        clips = [clip for clip in store.select("speech", split) if not clip.synthetic]
        self.voices = Picker(clips)
        self._labels: dict[str, NDArray[np.bool_] | None] = {}

    def batch(self, seed: tuple[int, ...], size: int) -> tuple[Tensor, Tensor]:
        """Spectra `(size, n_frames, 161, 2)`, and 1.0 in frames with speech `(size, n_frames)`."""
        waves, labels, curves = [], [], []
        for i in range(size):
            rng = np.random.default_rng((*seed, i))
            voice, active = self.voice(rng)
            waves.append(self.scenery.heard(voice, rng))
            labels.append(active)
            curves.append(self.scenery.microphone(rng))
        return self.scenery.spectra(waves, curves), torch.from_numpy(np.stack(labels).astype(np.float32))

    def voice(self, rng: np.random.Generator) -> tuple[Samples, NDArray[np.bool_]]:
        """Speech with pauses between, and its active frames."""
        c = self.config
        voice, active = np.zeros(c.n_samples, np.float32), np.zeros(c.n_frames, bool)
        if rng.random() < self.SILENT:
            return voice, active
        frame = int(rng.exponential(60))
        while frame < c.n_frames:
            clip = self._clip(rng)
            labels = self.labels(clip)
            if labels is None:
                continue
            first = int(rng.integers(0, max(1, labels.size - 50)))
            length = min(int(rng.uniform(30, 250)), labels.size - first)
            factor = float(rng.uniform(*c.speed))
            piece = faded(at_speed(self.store.read(clip, first * FRAME, length * FRAME), factor))
            overlay(voice, normalised(piece) * np.float32(10 ** (rng.normal(0, 4) / 20)), frame * FRAME)
            told = labels[first + (np.arange(piece.size // FRAME) * length * FRAME // piece.size)]
            last = min(c.n_frames, frame + told.size)
            active[frame:last] |= told[: last - frame]
            frame = last + int(rng.exponential(70))
        return voice, active

    def _clip(self, rng: np.random.Generator) -> Clip:
        clips = self.voices.group(rng)
        return clips[rng.integers(len(clips))]

    def labels(self, clip: Clip) -> NDArray[np.bool_] | None:
        """Active frames of a clip; None where its pauses are too noisy to tell."""
        if clip.path not in self._labels:
            wave = self.store.read(clip, 0, clip.length)
            clear = clip.length > SAMPLE_RATE // 2 and dynamic_db(wave) >= MIN_DYNAMIC_DB
            self._labels[clip.path] = speech_frames(wave) if clear else None
        return self._labels[clip.path]


def auc(scores: NDArray[np.float32], labels: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a frame with speech scores above one without; ties count half."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    first = np.searchsorted(ordered, ordered, "left")
    last = np.searchsorted(ordered, ordered, "right")
    ranks = (first + last + 1) / 2
    positive = labels[order]
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / max(n * m, 1))


class VadLoop(SpeechLoop):
    """Trains the voice activity net."""

    name = VadNet.net_name
    score_name = "auc_percent"

    net: SpeechNet
    average: SpeechNet

    def __init__(
        self,
        store: ClipStore,
        run: RunConfig,
        config: VadConfig | None = None,
        mix: SpokenConfig = MIX,
        validation_batches: int = 12,
    ) -> None:
        super().__init__(lambda: SpeechNet(config or VadConfig()), run)
        self.items = SpeechAndPauses(store, "train", mix, run.seed)
        valid = SpeechAndPauses(store, "valid", mix, 1)
        batches = [valid.batch((2**31, number), 32) for number in range(validation_batches)]
        self._features = torch.cat([features_of(self.net, x) for x, _ in batches])
        self._labels = torch.cat([labels for _, labels in batches])

    def _prepare(self, number: int) -> tuple[Tensor, Tensor]:
        spectra, labels = self.items.batch((self.run.seed, number), self.run.batch)
        labels = _by_stride(labels, self.net.config.stride)
        return self._training_features(self.net, spectra, number), labels.to(self.device)

    def _loss(self, features: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16):
            logits, _ = self.net.logits(features, self.net.initial_state(len(features)).past)
        return functional.binary_cross_entropy_with_logits(logits[:, :, 0].float(), labels)

    def hears(self, clip: Clip) -> bool:
        return not clip.synthetic

    def score(self) -> float:
        logits = outputs_of(self.average, self._features)[:, :, 0]
        labels = _by_stride(self._labels, self.average.config.stride)
        return 100 * auc(logits.cpu().numpy().ravel(), labels.numpy().ravel() > 0.5)


def _by_stride(labels: Tensor, stride: int) -> Tensor:
    """A label a stride `(B, T / stride)`: that of its first frame, which the newest window is centred on."""
    return labels[:, ::stride][:, : labels.shape[1] // stride].contiguous()
