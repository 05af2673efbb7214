"""Enrolment on made-up words: sounds that a net of random weights can tell apart."""

import numpy as np
import pytest

from rtaudio.errors import ConfigError, WeightsError
from rtaudio.nn.embedding import LAG, TAPS, EmbeddingNet, WordNet
from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.enrolment import (
    CAUTION,
    PACES,
    THROATS,
    alike,
    check_clip,
    embed,
    fit_discriminant,
    fit_word,
    hear,
    negative_scores,
)
from rtaudio.nn.negatives import Negatives, load_negatives, save_negatives, spread_of, tail_threshold
from rtaudio.nn.spans import word_span
from rtaudio.nn.speech import tensor_shapes
from rtaudio.nn.weights import Weights
from rtaudio.stream.offline import run_frames

CONFIG = EmbeddingConfig(channels=40, dilations=(1, 2, 4), size=16)
RATE = 16000


def net_weights(card=None):
    rng = np.random.default_rng(2)
    tensors = {
        name: (rng.standard_normal(shape) * 0.7 / np.sqrt(np.prod(shape[1:]) or 4)).astype(np.float32)
        for name, shape in tensor_shapes(CONFIG).items()
    }
    return Weights("embedding", vars(CONFIG), tensors, card or {})


def word(pitches, seed=0, seconds=0.5, level=0.1):
    """Tones one after the other, with silence around: a word if pitches were letters."""
    rng, t = np.random.default_rng(seed), np.arange(int(seconds * RATE / len(pitches))) / RATE
    off = rng.uniform(0.97, 1.03)
    tones = [sum(np.sin(2 * np.pi * k * p * off * t) / k for k in (1, 2, 3)) for p in pitches]
    wave = np.concatenate([np.zeros(RATE // 2), *tones, np.zeros(RATE // 2)])
    return (level * wave + 1e-4 * rng.standard_normal(wave.size)).astype(np.float32)


def babble(seconds, seed):
    rng = np.random.default_rng(seed)
    parts = [word(rng.uniform(200, 2500, 3), int(rng.integers(1 << 30))) for _ in range(int(seconds / 1.5))]
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def weights():
    return net_weights()


@pytest.fixture(scope="module")
def negatives(weights):
    net = EmbeddingNet.from_weights(weights)
    return Negatives(tuple(embed(net, babble(60, seed))[::4] for seed in range(4)))


MELODY = (400.0, 1200.0, 700.0)
RATE_ASKED = 20.0 * CAUTION  # an hour: four minutes of negatives can't say much about fewer than 20


def peak(head, weights, wave):
    """The word's highest score in a recording, through the stage that runs live."""
    net = WordNet.from_weights(weights, [head])
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, (160, 0)), 320)[::160]
    spectrum = np.fft.rfft(frames * np.sin(np.pi * np.arange(320) / 320))
    return run_frames(net, np.stack([spectrum.real, spectrum.imag], -1).astype(np.float32)).max()


@pytest.mark.parametrize("count", [1, 3, 50])
def test_a_word_is_found_and_others_are_not(weights, negatives, count):
    clips = [word(MELODY, seed) for seed in range(count)]
    head = fit_word(clips, false_accepts_per_hour=RATE_ASKED, weights=weights, negatives=negatives)
    assert peak(head, weights, word(MELODY, 99)) > head.threshold
    scores = [peak(head, weights, word(pitches, 5)) for pitches in ((2000, 300, 300), (900, 900, 2100))]
    assert max(scores) < head.threshold


@pytest.mark.parametrize(("seconds", "throat"), [(0.34, 1.0), (0.5, 0.88), (0.75, 1.12)])
def test_a_word_is_found_at_other_paces_and_from_other_throats(weights, negatives, seconds, throat):
    head = fit_word([word(MELODY)], false_accepts_per_hour=RATE_ASKED, weights=weights, negatives=negatives)
    pitches = [throat * pitch for pitch in MELODY]
    assert peak(head, weights, word(pitches, 99, seconds=seconds)) > head.threshold


def test_a_word_is_heard_as_others_might_say_it(weights):
    clip, net = word(MELODY), EmbeddingNet.from_weights(weights)
    heard = hear(net, clip, np.random.default_rng(0))
    assert (len(heard.clear), len(heard.noisy)) == (len(PACES) * len(THROATS), len(PACES))
    first = heard.clear[0]
    start, end = word_span(clip)
    assert first.end - first.start == (end - start) // 320
    for one, pace in zip(heard.clear, np.repeat(PACES, len(THROATS)), strict=True):
        assert one.end - one.start == pytest.approx((first.end - first.start) / pace, abs=1.5)
    as_it_is = embed(net, clip)[start // 320 :][: first.end - first.start]
    cosines = np.sum(as_it_is * first.embeddings[first.start : first.end], axis=1)
    assert np.median(cosines) > 0.95


def test_recordings_of_one_word_are_more_alike_than_those_of_two(weights, negatives):
    said = [word(MELODY, seed) for seed in range(3)]
    again = [word(MELODY, seed, seconds=0.6) for seed in range(3, 6)]
    other = [word((2000.0, 300.0, 300.0), seed) for seed in range(3)]
    known = {"weights": weights, "negatives": negatives}
    assert alike(said, said, **known)[0] == pytest.approx(1, abs=0.02)
    assert alike(said, again, **known)[0] > alike(said, other, **known)[0] + 0.1
    assert -1 <= alike(said, other, **known)[0] <= 1
    _, (first, second) = alike(said, [again[0], other[0]], **known)
    assert first == pytest.approx(alike(said, again[:1], **known)[0], abs=0.02)
    assert first > second + 0.1


def test_identical_clips_are_as_good_as_one(weights, negatives):
    asked = {"false_accepts_per_hour": RATE_ASKED, "weights": weights, "negatives": negatives}
    heads = [fit_word([word(MELODY)] * n, **asked) for n in (1, 4)]
    assert all(peak(head, weights, word(MELODY)) > head.threshold for head in heads)


def test_the_same_recordings_give_the_same_head(weights, negatives):
    first, second = (fit_word([word(MELODY)], weights=weights, negatives=negatives) for _ in range(2))
    np.testing.assert_array_equal(first.weight, second.weight)
    np.testing.assert_array_equal(first.states.weight, second.states.weight)
    assert first.bias == second.bias


def test_half_the_caution_is_half_the_rate(weights, negatives):
    asked = {"weights": weights, "negatives": negatives}
    half, whole, rare = (
        fit_word([word(MELODY)], false_accepts_per_hour=rate, caution=caution, **asked).bias
        for rate, caution in ((20.0, 10.0), (20.0, 5.0), (10.0, 5.0))
    )
    assert half == rare < whole


def test_fewer_false_accepts_ask_for_more(weights, negatives):
    heads = [
        fit_word([word(MELODY)], false_accepts_per_hour=rate, weights=weights, negatives=negatives)
        for rate in (20.0, 0.1)
    ]
    counts = [int((np.concatenate(negative_scores(head, negatives)) > 0).sum()) for head in heads]
    assert counts[1] <= counts[0]


def test_the_scores_of_negatives_are_those_a_word_net_gives(weights):
    """At the strides that are kept; states see what lies between them drawn straight, not as it was."""
    net = EmbeddingNet.from_weights(weights)
    full = embed(net, babble(20, 9))
    negatives = Negatives((full[::4],))
    head = fit_word([word(MELODY)], false_accepts_per_hour=1200.0, weights=weights, negatives=negatives)
    (scores,) = negative_scores(head, negatives)
    expected = head.logits(full)[::4][TAPS - 1 :]
    later = slice(10, None)  # both begin with something of their own before
    assert np.corrcoef(scores[later], expected[later])[0, 1] > 0.97
    np.testing.assert_allclose(np.std(scores), np.std(expected[later]), rtol=0.05)


def test_the_negatives_pass_a_threshold_less_often_than_is_asked_for(weights, negatives):
    """The net was trained with their sound: any other passes CAUTION times as often."""
    head = fit_word([word(MELODY)], false_accepts_per_hour=1200.0, weights=weights, negatives=negatives)
    scores = np.concatenate(negative_scores(head, negatives))
    passed = np.diff(np.flatnonzero(scores > 0), prepend=-99) > 12  # a second apart
    assert 0.3 < passed.sum() / (1200 / CAUTION * negatives.hours) < 3


def test_thresholds_of_other_rates_are_those_a_word_fitted_to_them_has(weights, negatives):
    rates, peaks = (2.0, 0.5), []
    for rate in rates:
        head = fit_word([word(MELODY)], false_accepts_per_hour=rate, weights=weights, negatives=negatives)
        assert head.threshold == head.thresholds[rate] == 0.5
        assert head.thresholds[0.5] > head.thresholds[2.0]
        for other in rates:  # as an output of the discriminant, before it is scaled to a score
            logit = np.log(head.thresholds[other] / (1 - head.thresholds[other]))
            peaks.append((logit - head.bias) / np.linalg.norm(head.weight))
    assert peaks[:2] == pytest.approx(peaks[2:], rel=1e-3)


@pytest.mark.parametrize(
    ("wave", "wrong"),
    [
        (np.zeros(RATE, np.float32), "too quiet"),
        (word(MELODY, level=1e-5), "too quiet"),
        (word(MELODY, seconds=0.06), "too short"),
        (word(MELODY, seconds=4.0), "too long"),
        (np.clip(40 * word(MELODY), -1, 1), "clipped"),
        (np.zeros(0, np.float32), "empty"),
        (np.full(RATE, np.nan, np.float32), "not a number"),
    ],
)
def test_recordings_that_cannot_serve_say_why(weights, negatives, wave, wrong):
    assert wrong in check_clip(wave)
    with pytest.raises(ConfigError, match=f"recording 2 of 2: .*{wrong}"):
        fit_word([word(MELODY), wave], weights=weights, negatives=negatives)


def test_a_good_recording_has_nothing_wrong():
    assert check_clip(word(MELODY)) is None


def test_a_click_after_the_word_is_no_part_of_it(weights, negatives):
    pause, click = np.zeros(3 * RATE, np.float32), np.random.default_rng(0).uniform(-0.05, 0.05, 480)
    clicked = np.concatenate([word(MELODY), pause, click.astype(np.float32), pause[:1600]])
    assert check_clip(clicked) is None  # 4 s from the word's beginning to the click are too long
    head = fit_word([clicked], false_accepts_per_hour=RATE_ASKED, weights=weights, negatives=negatives)
    assert peak(head, weights, word(MELODY, 99)) > head.threshold


def test_no_recording_and_no_rate_are_refused(weights, negatives):
    with pytest.raises(ConfigError, match="at least one"):
        fit_word([], weights=weights, negatives=negatives)
    with pytest.raises(ConfigError, match="false_accepts_per_hour"):
        fit_word([word(MELODY)], false_accepts_per_hour=0, weights=weights, negatives=negatives)


def test_noise_alone_gives_a_head_that_hardly_fires(weights, negatives):
    noise = (0.1 * np.random.default_rng(1).standard_normal(RATE)).astype(np.float32)
    head = fit_word([noise], weights=weights, negatives=negatives)
    assert np.isfinite(head.weight).all()
    assert np.isfinite(head.states.weight).all()
    assert peak(head, weights, word(MELODY)) < 0.9


def test_the_span_of_a_word_is_found():
    start, end = word_span(word(MELODY))
    assert abs(start - 0.5 * RATE) < 0.04 * RATE
    assert abs(end - 1.0 * RATE) < 0.04 * RATE


def test_negatives_come_back_from_their_file(tmp_path, weights, negatives):
    path = tmp_path / "n.npy"
    full = [np.repeat(stream, 4, axis=0) for stream in negatives.streams]
    digest = save_negatives(path, full)
    loaded = load_negatives(net_weights({"negatives_sha256": digest}), path)
    assert loaded.hours == pytest.approx(negatives.hours)
    for a, b in zip(loaded.streams, negatives.streams, strict=True):
        np.testing.assert_allclose(a, b, atol=0.02)
    with pytest.raises(WeightsError, match="not the negatives"):
        load_negatives(weights, path)
    with pytest.raises(WeightsError, match="No such file"):
        load_negatives(weights, tmp_path / "missing.npy")


def test_windows_are_what_a_head_sees():
    stream = np.arange(40, dtype=np.float32)[:, None]
    (windows,) = Negatives((stream,)).windows()
    step = LAG // 4
    np.testing.assert_array_equal(windows[0], np.arange(TAPS) * step)
    assert len(windows) == 40 - (TAPS - 1) * step


def test_the_threshold_of_an_exponential_tail_is_where_theory_has_it():
    rng = np.random.default_rng(0)
    hours, apart = 50.0, 12
    scores = rng.exponential(1.0, int(hours * 3600 / 0.96) * apart).astype(np.float32)
    per_hour = 0.5
    true = np.log(hours * 3600 / 0.96 * apart / (per_hour * hours))
    assert tail_threshold([scores], hours, per_hour) == pytest.approx(true, abs=0.5)


def test_the_discriminant_separates_what_can_be_separated():
    rng = np.random.default_rng(0)
    positives, negatives = rng.normal(1, 0.3, (20, 5)), rng.normal(-1, 0.3, (500, 5))
    weight, bias = fit_discriminant(positives.astype(np.float32), spread_of(negatives.astype(np.float32)))
    assert (positives @ weight + bias > 0).all()
    assert (negatives @ weight + bias < 0).all()
    assert np.std(negatives @ weight) == pytest.approx(1, rel=0.01)


def test_the_spread_is_mean_and_covariance():
    windows = np.random.default_rng(0).normal(3, 2, (400, 6)).astype(np.float32)
    spread = spread_of(windows)
    np.testing.assert_allclose(spread.mean, windows.mean(0), rtol=1e-6)
    np.testing.assert_allclose(spread.covariance, np.cov(windows.T, dtype=np.float64), rtol=1e-4, atol=1e-5)


def test_towards_a_sphere_is_towards_the_difference_of_means():
    rng = np.random.default_rng(0)
    positives = rng.normal(1, 0.3, (20, 5)).astype(np.float32)
    negatives = spread_of((rng.normal(-1, 0.3, (500, 5)) * (1, 2, 3, 4, 5)).astype(np.float32))
    away = positives.mean(0) - negatives.mean
    weights = [fit_discriminant(positives, negatives, sphere=sphere)[0] for sphere in (0.4, 10.0, 1e6)]
    near = [weight @ away / np.linalg.norm(weight) / np.linalg.norm(away) for weight in weights]
    assert near[0] < near[1] < near[2]
    assert near[2] == pytest.approx(1, abs=1e-6)


def test_counting_twice_is_being_there_twice():
    rng = np.random.default_rng(0)
    positives = rng.normal(0.3, 0.5, (20, 5)).astype(np.float32)
    negatives = spread_of(rng.normal(-0.3, 0.5, (200, 5)).astype(np.float32))
    twice = fit_discriminant(np.concatenate([positives, positives[:7]]), negatives)
    counted = fit_discriminant(positives, negatives, np.r_[np.full(7, 2.0), np.ones(13)])
    np.testing.assert_allclose(counted[0], twice[0], rtol=1e-4)
    assert counted[1] == pytest.approx(twice[1], rel=1e-4)


def test_what_counts_more_is_heard_better(weights, negatives):
    clips = [word(MELODY), word((2000, 300, 300))]
    asked = {"false_accepts_per_hour": RATE_ASKED, "weights": weights, "negatives": negatives}
    first, second = (fit_word(clips, shares=shares, **asked) for shares in ((0.99, 0.01), (0.01, 0.99)))
    assert peak(first, weights, clips[0]) > peak(second, weights, clips[0])
    assert peak(first, weights, clips[1]) < peak(second, weights, clips[1])
