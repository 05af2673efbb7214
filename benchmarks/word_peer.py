"""Words of one's own over Google's frozen speech embedding, which openWakeWord's words are made of.

The package pyopen-wakeword carries the embedding: 96 numbers every 80 ms, about the 0.8 s before. A word is
fitted over it as over ours: a linear discriminant between the recordings, at some speeds and in some noise,
and other sound.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.enrolment import Heard, above_all, missed
from benchmarks.streams import HOP, SAMPLE_RATE, Floats, Samples, negative_streams, read_recordings
from rtaudio.errors import ConfigError, MissingLibraryError
from rtaudio.nn.enrolment import LEAD_S, TAIL_S, fit_discriminant
from rtaudio.nn.negatives import FITTED_SHARE, spread_of
from rtaudio.nn.spans import word_span
from rtaudio.tasks.machine import installed

Embeddings = NDArray[np.float32]

NAME = "Google's embedding"
CHUNK, MEL_SAMPLES, MEL_FRAMES, BANDS = 1280, 1760, 76, 32
"""The package's: samples a step, samples its spectra are made of, frames an embedding is made of, bands."""
FRAMES = 8
"""Spectra a chunk gives."""
FIRST = MEL_SAMPLES - CHUNK
"""Samples of a wave after which its first embedding is there; before it, the package has heard silence."""
SILENT = 9
"""Chunks of silence that the first embedding is made of, beside the one that ends at FIRST."""
MOST = 128
"""Embeddings computed at once."""

STEPS, SPHERE, AFTER_S = 16, 10.0, (0.1, 0.3)
"""Embeddings a word is judged by, which of openWakeWord's own words is the most; how much of a sphere the
spread of other sound is drawn towards; when, after a word's end, embeddings are examples of it.

Chosen on four other words (athena, computer, jarvis, smart_mirror): so, 9.0 % of other voices were missed
when taught from three clips, and 6.9 % from one. 12 steps: 10 and 9; 8: 16 and 11. A sphere of 3: 12 and 8;
of 0.4, as ours: 16 and 12. Logistic regression, as openWakeWord's verifiers have it: 12 and 16 at best; the
least distance along a path to a recording (dynamic time warping): 25 and 28; states beside the discriminant,
as ours has: 10 and 10."""

SPEEDS, SNRS_DB = (1.0, 0.75, 0.82, 0.88, 0.94, 1.07, 1.15, 1.24, 1.33), (40.0, 15.0)
"""How a recording is heard as an example: pace, pitch and throat change together. Ours has them apart, which
takes a net that hears power spectra alone."""

EVERY, PASSES = 12, 2
"""One recording in so many is other sound, as it is and then in noise and rooms: near an hour, ours has 40
minutes."""


class SpeechEmbedding:
    """Embeddings of whole waves, the same as the package's streaming gives, in a third of its time.

    For each step it runs the net over 76 frames, of which the step before had 68. The net is a
    convolution without padding, so more frames give many embeddings at once. Spectra are made chunk by chunk
    all the same: theirs end 80 dB below the loudest of the chunk.
    """

    def __init__(self) -> None:
        if not installed("pyopen_wakeword"):
            raise MissingLibraryError("pyopen-wakeword is not installed")
        from pyopen_wakeword import OpenWakeWordFeatures

        self._features = OpenWakeWordFeatures.from_builtin()
        self._mels, self._net = self._features.mel_interpreter, self._features.emb_interpreter
        self._silence = self._run(self._mels, np.zeros(MEL_SAMPLES, np.float32))

    def __call__(self, wave: Samples) -> Embeddings:
        """`(n, 96)` of samples at 16 kHz; embedding k is there after FIRST + k * CHUNK of them."""
        count = max(wave.size - FIRST, 0) // CHUNK + 1
        heard = np.zeros(CHUNK + max(wave.size, FIRST), np.float32)
        heard[CHUNK : CHUNK + wave.size] = (np.clip(wave, -1, 1) * 32767).astype(np.int16)  # as devices do
        mels = [self._run(self._mels, heard[k * CHUNK :][:MEL_SAMPLES]) for k in range(count)]
        frames = np.concatenate([*[self._silence] * SILENT, *mels]).reshape(-1, BANDS)
        scaled = (frames / 10 + 2).astype(np.float32)  # the package does so before the net
        return np.concatenate([self._embed(scaled[FRAMES * k :], count - k) for k in range(0, count, MOST)])

    def _embed(self, frames: Embeddings, count: int) -> Embeddings:
        """The first `count` embeddings of frames, or the first MOST."""
        size = MEL_FRAMES + FRAMES * (min(count, MOST) - 1)
        lite, shape = self._features.lib, (ctypes.c_int32 * 4)(1, size, BANDS, 1)
        lite.TfLiteInterpreterResizeInputTensor(self._net, ctypes.c_int32(0), shape, ctypes.c_int32(4))
        lite.TfLiteInterpreterAllocateTensors(self._net)
        return self._run(self._net, frames[:size]).reshape(-1, 96)

    def _run(self, interpreter: Any, x: Embeddings) -> Embeddings:
        """What TensorFlow Lite makes of an input, flat."""
        lite, x = self._features.lib, np.ascontiguousarray(x, np.float32)
        into = lite.TfLiteInterpreterGetInputTensor(interpreter, ctypes.c_int32(0))
        out = lite.TfLiteInterpreterGetOutputTensor(interpreter, ctypes.c_int32(0))
        lite.TfLiteTensorCopyFromBuffer(into, x.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(x.nbytes))
        lite.TfLiteInterpreterInvoke(interpreter)
        y = np.empty(lite.TfLiteTensorByteSize(out) // 4, np.float32)
        lite.TfLiteTensorCopyToBuffer(out, y.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(y.nbytes))
        return y


class WordPeer:
    """Words taught over the embedding, and judged as ours are.

    Scores aren't smoothed: each is held for longer than the detector's patience.

    - negatives: sound to teach with; streams: sound of which none may be taken for a word.
    """

    def __init__(
        self, net: SpeechEmbedding, negatives: Sequence[Samples], streams: Sequence[Samples]
    ) -> None:
        self._net = net
        seen = [windows(net(wave))[::FITTED_SHARE] for wave in negatives]
        self._spread = spread_of(np.concatenate(seen))
        self._streams = [(net(wave), wave.size // HOP) for wave in streams]
        self._heard: dict[int, Embeddings] = {}

    def missed(
        self, enrolled: Sequence[Heard], own: Sequence[Heard], rest: Sequence[Heard]
    ) -> tuple[float, float]:
        """Percent of `rest` and of `own` (NaN where there are none), with no false accept in the streams."""
        weight = self._fit([one.recording.wave for one in enrolled])
        threshold = above_all([scores(weight, *stream) for stream in self._streams])
        others, same = (
            missed([self._scores(weight, one) for one in some], some, threshold) for some in (rest, own)
        )
        return others, same if own else float("nan")

    def _fit(self, clips: Sequence[Samples]) -> Embeddings:
        """A word's weight `(STEPS * 96,)`."""
        rng = np.random.default_rng(0)  # as ours: the same recordings give the same word
        said = [examples(self._net(wave), end) for clip in clips for wave, end in versions(clip, rng)]
        weight, _ = fit_discriminant(np.concatenate(said), self._spread, sphere=SPHERE)
        return weight

    def _scores(self, weight: Embeddings, one: Heard) -> Floats:
        wave = one.wave
        if one.seed not in self._heard:
            self._heard[one.seed] = self._net(wave)
        return scores(weight, self._heard[one.seed], wave.size // HOP)


def versions(clip: Samples, rng: np.random.Generator) -> Iterator[tuple[Samples, int]]:
    """The word after a pause, and its last sample, at each of SPEEDS and SNRS_DB."""
    start, end = word_span(clip)
    level = float(np.sqrt(np.mean(np.square(clip[start:end]))))
    for speed in SPEEDS:
        times = np.arange(start, end, speed)
        word = np.interp(times, np.arange(clip.size), clip)
        wave = np.zeros(word.size + round((LEAD_S + TAIL_S) * SAMPLE_RATE))
        first = round(LEAD_S * SAMPLE_RATE)
        wave[first : first + word.size] = word
        for snr_db in SNRS_DB:
            noise = rng.standard_normal(wave.size) * level * 10 ** (-snr_db / 20)
            yield (wave + noise).astype(np.float32), first + word.size


def windows(embeddings: Embeddings) -> Embeddings:
    """The last STEPS at each step, oldest first, `(n, STEPS * 96)`: before the first, all were as it."""
    padded = np.vstack([np.repeat(embeddings[:1], STEPS - 1, axis=0), embeddings])
    return np.hstack([padded[k : k + len(embeddings)] for k in range(STEPS)])


def examples(embeddings: Embeddings, end: int) -> Embeddings:
    """Windows of a word that ends at a sample, AFTER_S later."""
    after_s = (FIRST + CHUNK * np.arange(len(embeddings)) - end) / SAMPLE_RATE
    return windows(embeddings)[(after_s >= AFTER_S[0]) & (after_s <= AFTER_S[1])]


def scores(weight: Embeddings, embeddings: Embeddings, hops: int) -> Floats:
    """A word's score at each of `hops` hops; it is held from one embedding to the next."""
    padded = np.vstack([np.repeat(embeddings[:1], STEPS - 1, axis=0), embeddings])
    by_step = padded @ weight.reshape(STEPS, -1).T  # all windows in a row would be 16 times as much
    steps = np.zeros(len(embeddings))
    for k in range(STEPS):
        steps += by_step[k : k + steps.size, k]
    before = np.full(FIRST // HOP - 1, steps[0])
    return np.concatenate([before, np.repeat(steps, CHUNK // HOP)])[:hops]


def peer_negatives(folders: Sequence[Path], rooms: Sequence[Samples]) -> list[Samples]:
    """Some of what is marked "train" in folders of speech and noise; ConfigError where nothing is."""
    known = [folder for folder in folders if (folder / "index.csv").is_file()]
    parts = {folder.name: read_recordings(folder, "train", every=EVERY) for folder in known}
    every = [one for part in parts.values() for one in part]
    noises = [one for name, part in parts.items() if "noise" in name for one in part]
    if not every or not noises:
        raise ConfigError("no speech and noise that an index.csv marks 'train' lie beside the recordings")
    return list(negative_streams(every, noises, rooms, PASSES))
