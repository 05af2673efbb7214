"""Teach a word by a few recordings of it, from files or from a microphone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.devices.file import AudioReader
from rtaudio.dsp.spotter import NET_RATE, Spotter
from rtaudio.errors import ConfigError
from rtaudio.nn.embedding import WordNet
from rtaudio.nn.enrolment import CAUTION, check_clip, fit_word
from rtaudio.nn.spans import word_span
from rtaudio.nn.speech import LIVE
from rtaudio.nn.weights import Weights, digest, find_weights, load_weights
from rtaudio.stream.offline import run_offline
from rtaudio.stream.stage import Samples
from rtaudio.tasks.chunks import RateConverter
from rtaudio.tasks.spot import DEFAULT_FALSE_ACCEPTS, EMBEDDING_MODEL, Vocabulary, build_listener
from rtaudio.tasks.spotting import AFTER_S
from rtaudio.tasks.vad import speech_probabilities
from rtaudio.tasks.words import UserWord, plain_name, word_names

MOST_CLIPS, LONGEST_FILE_S = 50, 10.0

SPEECH, SPEECH_FRAMES = 0.5, 10
"""A clip is speech where 100 ms of it, though not in one piece, are at least as probably so."""

SAME = 0.999
"""Correlation from which two recordings are one: two utterances never come near it."""


@dataclass(frozen=True)
class Clip:
    """One recording of a word: float32 at NET_RATE, and what to call it."""

    name: str
    wave: Samples

    @property
    def told(self) -> str:
        """Length and level of its voice."""
        start, end = word_span(self.wave)
        voice = self.wave[start:end]
        level_db = 10 * math.log10(float(np.mean(np.square(voice))) + 1e-12)
        return f"{(end - start) / NET_RATE:.1f} s, {level_db:.0f} dBFS"


def read_clip(path: str | Path) -> Clip:
    """A recording of a word, from any audio file of up to LONGEST_FILE_S. Raises AudioFileError."""
    with AudioReader(path) as reader:
        if reader.frames > LONGEST_FILE_S * reader.sample_rate:
            raise ConfigError(f"{path}: {reader.frames / reader.sample_rate:.0f} s are too long for one word")
        converter = RateConverter(reader.sample_rate, NET_RATE, 1)
        parts = [converter.process(chunk.mean(axis=1, keepdims=True, dtype=np.float32)) for chunk in reader]
    return Clip(str(path), np.concatenate([*parts, converter.flush()])[:, 0])


def trouble_with(wave: Samples) -> str | None:
    """Why a recording can't teach a word, in a few words; None where it can."""
    wrong = check_clip(wave)
    if wrong is None:
        most_probable = np.sort(speech_probabilities(wave))[-SPEECH_FRAMES:]
        if most_probable.size < SPEECH_FRAMES or most_probable[0] < SPEECH:
            wrong = "no speech in it"
    return wrong


def check_name(name: str, *, replace: bool = False, vocabulary: Vocabulary | None = None) -> str:
    """The name a new word gets. Raises ConfigError where it is built in, or taken and not to be replaced."""
    name = plain_name(name)
    if name in (vocabulary or Vocabulary()).built_in:
        raise ConfigError(f"{name!r} is a built-in word already; give yours another name")
    if name in word_names() and not replace:
        raise ConfigError(f"you have a word {name!r} already: --replace it, or give another name")
    return name


def enrol(
    name: str, clips: Sequence[Clip], *, false_accepts: float = DEFAULT_FALSE_ACCEPTS
) -> tuple[UserWord, list[str]]:
    """A word from recordings of it, and the names of those in which it isn't recognised itself.

    `false_accepts` an hour is what its threshold is set to, by the negatives that come with the
    embedding. Nothing is written: `save_word` does. Raises ConfigError for recordings that can't
    teach a word, WeightsError where the embedding net is missing.
    """
    embedding = load_weights(find_weights(EMBEDDING_MODEL))
    check_clips(clips)
    word = fitted(name, clips, embedding, false_accepts=false_accepts, recordings=len(clips))
    return word, [clip.name for clip in clips if not recognised(word, embedding, clip.wave)]


def check_clips(clips: Sequence[Clip]) -> None:
    """Raise ConfigError for recordings that can't teach a word, together or one by one."""
    if not 1 <= len(clips) <= MOST_CLIPS:
        raise ConfigError(f"a word takes from 1 to {MOST_CLIPS} recordings, not {len(clips)}")
    for clip in clips:
        if wrong := trouble_with(clip.wave):
            raise ConfigError(f"{clip.name}: {wrong}")
    _refuse_copies(clips)


def fitted(
    name: str,
    clips: Sequence[Clip],
    embedding: Weights,
    *,
    false_accepts: float,
    shares: Sequence[float] | None = None,
    caution: float = CAUTION,
    **card: Any,
) -> UserWord:
    """A word from recordings that were checked; options as for `fit_word`, `card`: what else to note."""
    head = fit_word(
        [clip.wave for clip in clips],
        shares=shares,
        false_accepts_per_hour=false_accepts,
        caution=caution,
        weights=embedding,
    )
    made = datetime.now(UTC).isoformat(timespec="seconds")
    card = {"made": made, "false_accepts_per_hour": false_accepts, **card}
    return UserWord(name, head, digest(embedding.tensors), card)


def _refuse_copies(clips: Sequence[Clip]) -> None:
    """Raise ConfigError where two recordings are one and the same, perhaps at another level."""
    shapes = []
    for clip in clips:
        start, end = word_span(clip.wave)
        voice = clip.wave[start:end]
        shapes.append(voice / (np.linalg.norm(voice) + 1e-12))
    for i, one in enumerate(shapes):
        for k, other in enumerate(shapes[:i]):
            if one.size == other.size and float(one @ other) > SAME:
                raise ConfigError(
                    f"{clips[k].name} and {clips[i].name} are the same recording: the word must be said anew"
                )


def recognised(word: UserWord, embedding: Weights, wave: Samples) -> bool:
    """Whether a spotter with this word alone hears it in a recording, with silence around."""
    net = WordNet.from_weights(embedding, [word.head], precision=LIVE)
    spotter = Spotter([net], [word.name], threshold=word.head.threshold)
    silence = np.zeros(round(AFTER_S * NET_RATE), np.float32)
    run_offline(build_listener(spotter), np.concatenate([silence, wave, silence]))
    return bool(spotter.events())
