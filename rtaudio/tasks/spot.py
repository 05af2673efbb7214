"""Keyword spotting: which nets hear which words, and at what thresholds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rtaudio.dsp.resample import heard_at
from rtaudio.dsp.spotter import DEFAULT_PATIENCE, DEFAULT_REFRACTORY_MS, NET_RATE, Spotter
from rtaudio.dsp.stft import Analysis
from rtaudio.errors import ConfigError, WeightsError
from rtaudio.nn.embedding import WordNet
from rtaudio.nn.keywords import KeywordNet
from rtaudio.nn.speech import LIVE
from rtaudio.nn.vad import VadNet
from rtaudio.nn.weights import Weights, find_weights, load_weights
from rtaudio.stream.listen import Listen
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import NativeStage
from rtaudio.tasks.denoise import build_denoiser, denoiser_of
from rtaudio.tasks.words import UserWord, check_embedding, load_word, plain_name, word_names

KEYWORDS_MODEL, EMBEDDING_MODEL, VAD_MODEL = "keywords", "embedding", "vad"

DEFAULT_FALSE_ACCEPTS = 0.5
"""An hour, for words whose card says what threshold that takes."""

DENOISE_RATE = 48000

Thresholds = float | Mapping[str, float] | None


@dataclass(frozen=True)
class Vocabulary:
    """What can be spotted: the words of a model, and the user's own.

    - model: a shipped model's name, or the path of a weights file.
    """

    model: str | Path = KEYWORDS_MODEL

    @cached_property
    def weights(self) -> Weights:
        return load_weights(find_weights(self.model))

    @cached_property
    def built_in(self) -> tuple[str, ...]:
        return tuple(KeywordNet.read_config(self.weights).words)

    def own(self) -> tuple[str, ...]:
        """The user's words; one named as a built-in word can't be meant."""
        return tuple(name for name in word_names() if name not in self.built_in)

    def choose(self, keywords: Sequence[str] | None) -> tuple[str, ...]:
        """The words asked for, as they are written; all there are where none are named.

        A string is a word, or several with commas between, as on the command line. Raises ConfigError
        for a word that is neither built in nor the user's own.
        """
        known = (*self.built_in, *self.own())
        if keywords is None:
            return known
        if isinstance(keywords, str):
            keywords = keywords.split(",")
        chosen = tuple(dict.fromkeys(plain_name(word) for word in keywords))
        for word in chosen:
            if word not in known:
                raise ConfigError(
                    f"no word {word!r}; there are: {', '.join(known)}; `rtaudio enroll {word}` teaches it"
                )
        if not chosen:
            raise ConfigError("no words were named")
        return chosen


def build_spotter(
    keywords: Sequence[str] | None = None,
    sample_rate: int = NET_RATE,
    *,
    threshold: Thresholds = None,
    false_accepts: float | None = None,
    patience: int = DEFAULT_PATIENCE,
    refractory_ms: float = DEFAULT_REFRACTORY_MS,
    gate: bool = False,
    vocabulary: Vocabulary | None = None,
    warn: Callable[[str], object] = warnings.warn,
) -> Spotter:
    """A spotter of built-in and of one's own words, in spectra of sound at `sample_rate`.

    - keywords: words to spot; None for all there are.
    - threshold: for all words, or by word; others are at their own.
    - false_accepts: most false accepts an hour that a word's own threshold was measured at.
    - gate: run the nets only where there is speech.
    - warn: told which of one's own words no threshold is known of for `false_accepts`; theirs stays.

    Raises ConfigError for unknown words and values out of range, WeightsError for damaged files.
    """
    vocabulary = vocabulary or Vocabulary()
    chosen = vocabulary.choose(keywords)
    asked = _asked(threshold, chosen)
    nets: list[NativeStage] = []
    names: list[str] = []
    thresholds: dict[str, float] = {}
    if built_in := [word for word in chosen if word in vocabulary.built_in]:
        nets.append(KeywordNet.from_weights(vocabulary.weights, precision=LIVE))
        names += vocabulary.built_in
        thresholds |= {word: _own_threshold(vocabulary.weights, word, false_accepts) for word in built_in}
    if own := [load_word(word) for word in chosen if word not in vocabulary.built_in]:
        nets.append(_word_net(own))
        names += [word.name for word in own]
        thresholds |= {word.name: word.head.threshold for word in own}
        if false_accepts is not None:
            theirs = {word.name: _within(word.head.thresholds, false_accepts) for word in own}
            thresholds |= {name: told for name, told in theirs.items() if told is not None}
            _warn_of(
                [name for name in theirs if theirs[name] is None and name not in asked], false_accepts, warn
            )
    thresholds |= asked
    spotter = Spotter(
        nets,
        names,
        sample_rate,
        gate=live_vad_net() if gate else None,
        threshold=thresholds,
        patience=patience,
        refractory_ms=refractory_ms,
    )
    for word in names:
        spotter.enable(word, word in chosen)
    return spotter


def _asked(threshold: Thresholds, chosen: Sequence[str]) -> dict[str, float]:
    if threshold is None:
        return {}
    if not isinstance(threshold, Mapping):
        return dict.fromkeys(chosen, threshold)
    asked = {plain_name(word): value for word, value in threshold.items()}
    for word in asked:
        if word not in chosen:
            raise ConfigError(f"a threshold for {word!r}, which is not spotted; {', '.join(chosen)} are")
    return asked


def _own_threshold(weights: Weights, word: str, false_accepts: float | None) -> float:
    """What the model's card says: its thresholds by word, each by false accepts an hour."""
    measured = {float(k): float(v) for k, v in weights.card.get("thresholds", {}).get(word, {}).items()}
    if not measured:
        if false_accepts is not None:
            raise ConfigError(f"the model doesn't say what threshold keeps {word!r} to so few false accepts")
        return 0.5
    threshold = _within(measured, false_accepts or DEFAULT_FALSE_ACCEPTS)
    if threshold is None:
        rates = ", ".join(f"{rate:g}" for rate in sorted(measured))
        raise ConfigError(f"{word!r} was measured at {rates} false accepts an hour, not at {false_accepts:g}")
    return threshold


def _within(measured: Mapping[float, float], false_accepts: float) -> float | None:
    """The threshold of the highest rate up to `false_accepts`; None where none is that low."""
    rates = [rate for rate in measured if rate <= false_accepts]
    return measured[max(rates)] if rates else None


def _warn_of(names: Sequence[str], false_accepts: float, warn: Callable[[str], object]) -> None:
    """Say of which words no threshold is known for a rate, if of any."""
    if names:
        warn(
            f"no threshold for {false_accepts:g} false accepts an hour is known of {', '.join(names)}, "
            f"which stay at their own; `rtaudio enroll --false-accepts {false_accepts:g}` teaches them anew"
        )


def live_vad_net(model: str | Path = VAD_MODEL) -> VadNet:
    """A voice activity net as it runs live. Raises WeightsError where it is missing, or another kind."""
    return VadNet.from_weights(load_weights(find_weights(model)), precision=LIVE)


def _word_net(words: Sequence[UserWord]) -> WordNet:
    try:
        embedding = load_weights(find_weights(EMBEDDING_MODEL))
    except WeightsError as error:
        raise WeightsError(f"your own words need the embedding net: {error}") from None
    for word in words:
        check_embedding(word, embedding)
    try:
        return WordNet.from_weights(embedding, [word.head for word in words], precision=LIVE)
    except ConfigError as error:
        raise WeightsError(f"a word doesn't fit the embedding net: {error}") from None


def spotter_rate(sample_rate: int, *, denoise: bool = False) -> int:
    """The rate a spotter of sound at `sample_rate` runs at: the same where it can, else the nets'."""
    if denoise or sample_rate == DENOISE_RATE:
        return DENOISE_RATE
    return NET_RATE


def build_listener(spotter: Spotter, sample_rate: int | None = None, *, denoise: bool = False) -> Listen:
    """Sound at `sample_rate`, unchanged, with the spotter listening; after a denoiser if asked.

    Without `sample_rate` it is the spotter's own, in hops of 10 ms; from another one sound is resampled on
    the side. Raises ConfigError where the denoiser has another rate, or hops are no whole number of samples.
    """
    hop = spotter.sample_rate // 100
    side: list[NativeStage] = [Analysis(2 * hop, hop)]
    if denoise:
        denoiser = denoiser_of(build_denoiser())
        if denoiser.in_spec != spotter.in_spec:
            raise ConfigError(
                f"the denoiser runs at {DENOISE_RATE} Hz, this spotter at {spotter.sample_rate}"
            )
        side.append(denoiser)
    listener = Listen(Pipeline([*side, spotter]))  # samples in and out, as several hops at once must be
    if sample_rate is None or sample_rate == spotter.sample_rate:
        return listener
    return Listen(heard_at(listener, spotter.sample_rate, sample_rate))
