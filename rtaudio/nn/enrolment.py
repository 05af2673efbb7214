"""A word of one's own from a few recordings: a linear discriminant over the embedding, fitted in numpy.

The recordings are heard as others might say them (`nn.speakers`), and with a little noise; what the embedding
then says at the word's end are the positive examples. Beside it are states that the word goes through
(`nn.sequence`), fitted to the same without the noise. Against both stand the embeddings of three quarters of
an hour of other speech and noise, which come with the weights. The threshold is where the tail of their
scores, and the CAUTION that sound of other people asks for, give the asked rate of false accepts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rtaudio.errors import ConfigError
from rtaudio.kernels.window import make_window
from rtaudio.nn.embedding import LAG, TAPS, EmbeddingNet, WordHead, average_embedding
from rtaudio.nn.negatives import SPACING, Negatives, Spread, load_negatives, tail_threshold
from rtaudio.nn.sequence import CONTEXT, STATES
from rtaudio.nn.sequence_fit import Said, fit_states
from rtaudio.nn.spans import word_span
from rtaudio.nn.speakers import at_pace, from_throat
from rtaudio.nn.speech import LIVE
from rtaudio.nn.weights import Weights, find_weights, load_weights
from rtaudio.stream.offline import run_frames

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]

SAMPLE_RATE = 16000
PACES, THROATS = (1.0, 0.75, 1.33, 0.62, 1.6), (1.0, 0.87, 1.15)
"""How others say a word, each with each: times as fast, and their frequencies times as high. Paces of 0.5 and
2, too, did harm; throats of 0.78 and 1.28 no good."""
CLEAR_DB, NOISY_DB = 40.0, 15.0
"""Speech over noise: of all of these, and of the paces once more, which only heads hear."""
SPHERE, STATE_SPHERE = 0.4, 0.07
"""Of a sphere that is added to the spread of the negatives, for heads and for states."""
STATE_WEIGHT = 1.4
"""Of the states' score, beside that of the head, each by its spread among the negatives."""
AFTER = (3, 4, 5, 6, 7)
"""Strides of 20 ms after a word's end that are examples of it: its last sound is told 100 ms later."""
LEAD_S, TAIL_S = 1.2, 0.3
CAUTION = 6
"""False accepts in sound that the net was not trained with, for each in the negatives. Asked for 0.5 an hour,
four words that no table tests came to 0.3 from three clips and 0.7 from one, in 1.7 h; with 4, 0.5 and 0.9;
with 8, 0.2 and 0.5. Two of them had nearly none, the others up to 1.5."""
RATES = (0.5, 2.0)
"""False accepts an hour whose thresholds are told beside that of the rate asked for, as of built-in words."""
SURE = 4.0
"""Logit the median example of a word is scaled to; the threshold lies at 0."""

SHORTEST_S, LONGEST_S, QUIETEST_DB, CLIPPED_SHARE = 0.2, 3.0, -60.0, 0.01


def check_clip(wave: Samples) -> str | None:
    """What is wrong with a recording of a word at 16 kHz, in a few words; None where nothing is."""
    if not wave.size or not np.isfinite(wave).all():
        return "empty, or not a number in it"
    start, end = word_span(wave)
    voice = wave[start:end]
    checks = (
        (10 * math.log10(float(np.mean(np.square(voice))) + 1e-12) < QUIETEST_DB, "too quiet"),
        (end - start < SHORTEST_S * SAMPLE_RATE, "too short"),
        (end - start > LONGEST_S * SAMPLE_RATE, "too long"),
        (float(np.mean(np.abs(wave) > 0.99)) > CLIPPED_SHARE, "clipped"),
    )
    return next((text for wrong, text in checks if wrong), None)


def fit_word(
    clips: Sequence[Samples],
    *,
    shares: Sequence[float] | None = None,
    false_accepts_per_hour: float = 0.5,
    caution: float = CAUTION,
    weights: Weights | None = None,
    negatives: Negatives | None = None,
) -> WordHead:
    """A head for the word that the recordings (float32 at 16 kHz) say.

    - shares: what each recording counts for, beside the others; all the same unless given.
    - caution: false accepts in other sound than the negatives for each that those have.
    - weights, negatives: of the embedding; the shipped ones unless given.

    Raises ConfigError where there is no recording, or one that `check_clip` objects to.
    """
    if not clips:
        raise ConfigError("a word needs at least one recording")
    for number, clip in enumerate(clips, 1):
        if wrong := check_clip(clip):
            raise ConfigError(f"recording {number} of {len(clips)}: {wrong}")
    if not false_accepts_per_hour > 0:
        raise ConfigError(f"false_accepts_per_hour={false_accepts_per_hour} must be above 0")
    weights = weights or load_weights(find_weights("embedding"))
    net = EmbeddingNet.from_weights(weights, precision=LIVE)
    negatives = negatives or load_negatives(weights)
    rng = np.random.default_rng(0)  # the same recordings give the same head
    heard = [hear(net, clip, rng) for clip in clips]
    head = _unscaled(heard, np.ones(len(clips)) if shares is None else shares, negatives.spread)
    head = _evened(head, negatives)
    scores = negative_scores(head, negatives)
    limits = {
        rate: tail_threshold(scores, negatives.hours, rate / caution)
        for rate in (*RATES, false_accepts_per_hour)
    }
    before = average_embedding(weights)
    said = [one.clear[0] for one in heard]
    logits = [head.logits(one.embeddings, before)[_ends(one)] for one in said]
    return _scaled(head, float(np.median(logits)), limits, false_accepts_per_hour)


def _unscaled(heard: Sequence[Heard], shares: ArrayLike, spread: Spread) -> WordHead:
    """A head of the recordings, and their states."""
    found = [word_windows(one.all) for one in heard]
    counts = np.repeat(np.asarray(shares), [len(one) for one in found])
    weight, bias = fit_discriminant(np.concatenate(found), spread, counts)
    seen = weight.size // TAPS * CONTEXT
    covariance = _regularised(spread.covariance[-seen:, -seen:], STATE_SPHERE)
    states = fit_states([one.clear for one in heard], shares, LAG, spread.mean[-seen:], covariance)
    return WordHead(weight, bias, 1.0, states=states)


def _evened(head: WordHead, negatives: Negatives) -> WordHead:
    """The head with its states at STATE_WEIGHT times the spread of its linear part among the negatives, 1."""
    assert head.states is not None
    scores = np.concatenate([_state_scores(head, windows) for windows in negatives.windows()])
    return replace(head, states=head.states.times(STATE_WEIGHT / max(float(np.std(scores)), 1e-9)))


def negative_scores(head: WordHead, negatives: Negatives) -> list[NDArray[np.float32]]:
    """Logits in each stretch of the negatives, SPACING strides apart."""
    return [
        windows @ head.weight + np.float32(head.bias) + _state_scores(head, windows)
        for windows in negatives.windows()
    ]


def _state_scores(head: WordHead, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of windows SPACING strides apart; states go on every stride, so what is between is drawn straight."""
    if head.states is None:
        return np.zeros(len(windows), np.float32)
    emissions = head.states.emissions(windows)
    steps = np.arange(SPACING, dtype=np.float32)[:, None] / SPACING
    between = emissions[:-1, None] + steps * np.diff(emissions, axis=0)[:, None]
    every = np.vstack([between.reshape(-1, STATES), emissions[-1:]])
    return head.states.scores(every)[::SPACING]


def _scaled(head: WordHead, median: float, limits: dict[float, float], asked: float) -> WordHead:
    """The head with its limit for the rate `asked` at 0, and the median example at SURE."""
    assert head.states is not None
    ahead = median - limits[asked]
    scale = SURE / ahead if ahead > SURE / 40 else 40.0 / max(float(np.linalg.norm(head.weight)), 1e-9)
    thresholds = {rate: _score(scale * (limit - limits[asked])) for rate, limit in limits.items()}
    weight, bias = (scale * head.weight).astype(np.float32), float(scale * (head.bias - limits[asked]))
    return WordHead(weight, bias, thresholds[asked], thresholds, head.states.times(scale))


def _score(logit: float) -> float:
    """The sigmoid; never 0, which is no threshold."""
    return max(0.5 + 0.5 * math.tanh(logit / 2), 1e-6)


def alike(
    clips: Sequence[Samples],
    others: Sequence[Samples],
    *,
    weights: Weights | None = None,
    negatives: Negatives | None = None,
) -> tuple[float, Floats]:
    """How alike recordings and others, then each of the others, sound as words: -1 to 1.

    That is the cosine of their discriminants.

    From three recordings, five words that the net had never heard came to 0.51 to 0.79 (median 0.60) of
    synthesisers that say the same, and to 0.15 to 0.52 (median 0.39) of those that say another word.
    """
    weights = weights or load_weights(find_weights("embedding"))
    net = EmbeddingNet.from_weights(weights, precision=LIVE)
    negatives = negatives or load_negatives(weights)
    rng = np.random.default_rng(0)
    a, b = (
        np.array([word_windows(hear(net, clip, rng).all).mean(0, dtype=np.float64) for clip in some])
        - negatives.spread.mean
        for some in (clips, others)
    )
    word, rows = a.mean(0), np.vstack([b.mean(0), b])
    towards = np.linalg.solve(_regularised(negatives.spread.covariance, SPHERE), np.vstack([word, rows]).T).T
    lengths = np.sqrt(np.sum(rows * towards[1:], axis=1) * (word @ towards[0]))
    cosines = rows @ towards[0] / lengths
    return float(cosines[0]), cosines[1:]


@dataclass(frozen=True)
class Heard:
    """A recording as others might say it, the first of `clear` as it is; and some of that in noise."""

    clear: list[Said]
    noisy: list[Said]

    @property
    def all(self) -> list[Said]:
        return self.clear + self.noisy


def hear(net: EmbeddingNet, clip: Samples, rng: np.random.Generator) -> Heard:
    """A recording at PACES and from THROATS, then at PACES in noise."""
    start, end = word_span(clip)
    first = round(LEAD_S * SAMPLE_RATE)
    wave = np.zeros(end - start + round((LEAD_S + TAIL_S) * SAMPLE_RATE), np.float32)
    wave[first : first + end - start] = clip[start:end]
    noise = rng.standard_normal(wave.size) * float(np.sqrt(np.mean(np.square(clip[start:end]))))
    clear, noisy = (
        np.square(np.abs(spectra_of(net, wave + noise * 10 ** (-snr_db / 20))))
        for snr_db in (CLEAR_DB, NOISY_DB)
    )
    hop = net.config.hop_length
    span = first // hop, (first + end - start) // hop
    manners = [(pace, throat) for pace in PACES for throat in THROATS]
    return Heard(
        [_said(net, clear, span, *manner) for manner in manners],
        [_said(net, noisy, span, pace, 1.0) for pace in PACES],
    )


def _said(net: EmbeddingNet, powers: Floats, span: tuple[int, int], pace: float, throat: float) -> Said:
    """The word in a span of powers `(frames, bins)`, said otherwise."""
    changed, end = at_pace(powers, *span, pace)
    embeddings = embed_spectra(net, np.sqrt(from_throat(changed, throat)))
    return Said(embeddings, span[0] // net.config.stride, end // net.config.stride)


def word_windows(said: Sequence[Said]) -> NDArray[np.float32]:
    """What a head sees about the word's end: `(n, TAPS * size)`."""
    found = [
        one.embeddings[[now - LAG * (TAPS - 1 - tap) for tap in range(TAPS)]].ravel()
        for one in said
        for now in _ends(one)
    ]
    return np.array(found)


def _ends(said: Said) -> list[int]:
    """Strides about a word's end."""
    return [min(said.end + after, len(said.embeddings) - 1) for after in AFTER]


def embed(net: EmbeddingNet, wave: Samples) -> NDArray[np.float32]:
    """Embeddings `(strides, size)` of samples at 16 kHz, from a fresh state: one each stride."""
    return embed_spectra(net, spectra_of(net, wave))


def spectra_of(net: EmbeddingNet, wave: ArrayLike) -> NDArray[np.complex128]:
    """`(frames, bins)`, one a hop, of samples at 16 kHz after silence."""
    config = net.config
    padded = np.concatenate([np.zeros(config.n_fft - config.hop_length, np.float32), wave])
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.n_fft)[:: config.hop_length]
    spectra: NDArray[np.complex128] = np.fft.rfft(frames * make_window(config.window, config.n_fft))
    return spectra


def embed_spectra(net: EmbeddingNet, spectra: ArrayLike) -> NDArray[np.float32]:
    """Embeddings `(strides, size)` of spectra `(frames, bins)`, or of what is as large as they are."""
    x = np.stack([np.real(spectra), np.imag(spectra)], -1).astype(np.float32)
    net.reset()
    return run_frames(net, x)[net.config.stride - 1 :: net.config.stride]


def fit_discriminant(
    positives: NDArray[np.float32], negatives: Spread, counts: ArrayLike = 1.0, sphere: float = SPHERE
) -> tuple[NDArray[np.float32], float]:
    """Weight and bias of Fisher's linear discriminant; negatives have a spread of 1 along it.

    - counts: what each positive counts for among them; sphere: how much of one the spread is drawn towards.

    Few recordings of one voice tell where a word lies, and nothing of how it varies: the spread is that
    of the negatives alone, drawn towards a sphere (Friedman 1989, regularised discriminant analysis).
    0 lies in the middle between word and negatives.
    """
    word = np.average(positives, axis=0, weights=np.broadcast_to(counts, len(positives)))
    weight = np.linalg.solve(_regularised(negatives.covariance, sphere), word - negatives.mean)
    weight /= max(float(np.sqrt(weight @ negatives.covariance @ weight)), 1e-9)
    return weight.astype(np.float32), -float(weight @ (word + negatives.mean)) / 2


def _regularised(spread: Floats, share: float) -> Floats:
    """A covariance and a share of a sphere of the same trace."""
    sphere: Floats = np.eye(len(spread)) * (np.trace(spread) / len(spread) + 1e-12)
    return spread + share * sphere
