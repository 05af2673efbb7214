"""States of a word: the best path through them, by hand and by the kernel, live and over a recording."""

import itertools

import numpy as np
import pytest

from rtaudio.errors import ConfigError
from rtaudio.kernels.sequence import scan_states
from rtaudio.nn.sequence import CONTEXT, LONGEST_STAY, STATES, WordScores, WordStates
from rtaudio.nn.sequence_fit import Said, fit_states
from rtaudio.stream.offline import run_frames

RNG = np.random.default_rng(4)
SIZE, LAG = 3, 4


def some_states(most, skip=0.4, seed=0):
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((STATES, CONTEXT * SIZE)).astype(np.float32)
    return WordStates(weight, rng.standard_normal(STATES).astype(np.float32), skip, most)


def viterbi(emissions, skip, most):
    """The recursion as it is written down: a row of scores by state and by strides spent in it so far."""
    n, states = emissions.shape
    paths, out = np.full((states, most), -np.inf), []
    for t in range(n):
        best, later = paths.max(1), np.full((states, most), -np.inf)
        for s in range(states):
            ways = [0.0] if s == 0 else [best[s - 1]]
            later[s, 0] = max(ways + ([best[s - 2] - skip] if s > 1 else []))
            later[s, 1:] = paths[s, :-1]
        paths = later + emissions[t][:, None]
        out.append(paths[-1].max())
    return np.array(out)


def best_path(emissions, skip, most):
    """Of all paths that end in the last state at the last stride, one by one."""
    n, states = emissions.shape
    scores = [-np.inf]
    for length in range(1, n + 1):
        for steps in itertools.product((0, 1, 2), repeat=length - 1):
            path = np.cumsum([0, *steps])
            stays = max(len(list(group)) for _, group in itertools.groupby(path))
            if path[-1] == states - 1 and stays <= most:
                emitted = emissions[range(n - length, n), path].sum()
                scores.append(emitted - skip * steps.count(2))
    return max(scores)


def scanned(emissions, skip, most):
    states = emissions.shape[1]
    paths, best = np.full((states, most), -np.inf, np.float32), np.full(states, -np.inf, np.float32)
    out = np.empty(len(emissions), np.float32)
    scan_states(emissions.astype(np.float32), np.float32(skip), paths, best, out)
    return out


@pytest.mark.parametrize("most", [1, 2, 7])
def test_the_kernel_is_the_recursion(most):
    emissions = RNG.normal(-0.5, 1, (200, STATES))
    np.testing.assert_allclose(scanned(emissions, 0.4, most), viterbi(emissions, 0.4, most), atol=1e-4)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_the_recursion_finds_the_best_of_all_paths(most):
    emissions = RNG.normal(0, 1, (8, 4))
    for n in range(1, 9):
        assert scanned(emissions[:n], 0.3, most)[-1] == pytest.approx(best_path(emissions[:n], 0.3, most))


def test_a_wrong_type_is_refused_at_once():
    paths, best, out = np.zeros((4, 2), np.float32), np.zeros(4, np.float32), np.zeros(3, np.float32)
    with pytest.raises(TypeError):
        scan_states(np.zeros((3, 4)), np.float32(0), paths, best, out)


def test_words_live_are_what_they_are_over_a_whole_recording():
    """Of different lengths, one without states; again after a reset."""
    heads, biases = RNG.normal(0, 0.3, (3, 13 * SIZE)).astype(np.float32), np.float32([0.1, 0.2, 0.3])
    before = np.full(CONTEXT * SIZE, 0.5, np.float32)
    states = [some_states(2, seed=1), WordStates.none(SIZE), some_states(5, seed=2)]
    states = [one.times(0.1) for one in states]
    stage = WordScores(heads, biases, states, before)
    x = RNG.normal(0, 0.5, (300, 13 * SIZE)).astype(np.float32)
    for _ in range(2):
        stage.reset()
        scores = run_frames(stage, x)
        for k, one in enumerate(states):
            emissions = np.vstack([one.emissions(before[None]), one.emissions(x)])
            expected = 1 / (1 + np.exp(-(x @ heads[k] + biases[k] + one.scores(emissions)[1:])))
            np.testing.assert_allclose(scores[:, k], expected, atol=1e-5)


def test_states_that_are_none_add_nothing():
    windows = RNG.normal(0, 1, (50, CONTEXT * SIZE)).astype(np.float32)
    none = WordStates.none(SIZE)
    assert not none.scores(none.emissions(windows)).any()


def test_what_was_before_has_been_there_for_ever():
    emissions = np.tile(RNG.normal(0, 1, STATES).astype(np.float32), (400, 1))
    np.testing.assert_allclose(some_states(5).scores(emissions), scanned(emissions, 0.4, 5)[-1], atol=1e-4)


def test_times_is_a_factor_of_the_score():
    states = some_states(3)
    windows = RNG.normal(0, 1, (80, CONTEXT * SIZE)).astype(np.float32)
    once, twice = (one.scores(one.emissions(windows)) for one in (states, states.times(2.0)))
    np.testing.assert_allclose(twice, 2 * once, atol=1e-4)


@pytest.mark.parametrize(
    ("weight", "bias", "skip", "most"),
    [
        ((STATES, 5), (STATES,), 1.0, 2),
        ((STATES, CONTEXT * SIZE), (3,), 1.0, 2),
        ((STATES, CONTEXT * SIZE), (STATES,), -1.0, 2),
        ((STATES, CONTEXT * SIZE), (STATES,), np.nan, 2),
        ((STATES, CONTEXT * SIZE), (STATES,), 1.0, 0),
        ((STATES, CONTEXT * SIZE), (STATES,), 1.0, LONGEST_STAY + 1),
    ],
)
def test_states_that_cannot_work_are_refused(weight, bias, skip, most):
    with pytest.raises(ConfigError):
        WordStates(np.zeros(weight, np.float32), np.zeros(bias, np.float32), skip, most).check(SIZE)


def said(order, strides, sounds, noise=0.02):
    """Embeddings of a word: `sounds` in an order, each `strides` long, between others; told 100 ms later."""
    rng = np.random.default_rng(7)
    aside, last = np.tile(sounds[-1], (60, 1)), np.tile(sounds[-1], (20, 1))
    parts = [np.tile(sounds[k], (n, 1)) for k, n in zip(order, strides, strict=True)]
    embeddings = np.vstack([aside, *parts, last]) + noise * rng.standard_normal((80 + sum(strides), 8))
    return Said(embeddings.astype(np.float32), 55, 55 + sum(strides))


def context(one):
    back = LAG * (CONTEXT - 1)
    return np.hstack([one.embeddings[LAG * k :][: len(one.embeddings) - back] for k in range(CONTEXT)])


def fitted(words, counts=1.0):
    other = np.random.default_rng(3).standard_normal((5000, CONTEXT * 8)) / np.sqrt(8)
    spread = np.cov(other.T) + 0.05 * np.eye(CONTEXT * 8)
    return fit_states([[one] for one in words], counts, LAG, other.mean(0), spread)


def peak(states, one):
    return states.scores(states.emissions(context(one))).max()


def test_a_word_is_known_by_its_order_however_fast_each_part_is():
    sounds = np.eye(8)
    word = said((0, 1, 2), (12, 12, 12), sounds)
    states = fitted([word])
    assert states.most == 11  # three and a half times a twelfth of 36 strides
    assert peak(states, word) > 0
    for strides in ((8, 8, 8), (18, 18, 18), (8, 14, 20)):
        right = peak(states, said((0, 1, 2), strides, sounds))
        wrong = peak(states, said((2, 1, 0), strides, sounds))
        assert right > 0
        assert right > wrong + 5


@pytest.mark.parametrize(("strides", "most"), [(12, 4), (48, 14), (90, 14), (120, 15), (700, LONGEST_STAY)])
def test_long_parts_are_stretched_less(strides, most):
    assert fitted([said((0,), (strides,), np.eye(8))]).most == most


def test_what_counts_more_is_fitted_better():
    sounds = np.eye(8)
    words = [said((0, 1, 2), (12, 12, 12), sounds), said((3, 4, 5), (12, 12, 12), sounds)]
    first, second = (fitted(words, counts) for counts in ((0.9, 0.1), (0.1, 0.9)))
    assert peak(first, words[0]) > peak(second, words[0])
    assert peak(first, words[1]) < peak(second, words[1])


def test_a_recording_counts_as_one_however_often_it_is_heard():
    """And its states may last as long as it was said, not as what was made of it."""
    sounds = np.eye(8)
    one, slow, other = (
        said(order, (n, n), sounds) for order, n in (((0, 1), 12), ((0, 1), 24), ((4, 5), 12))
    )
    mean, spread = np.zeros(CONTEXT * 8), np.eye(CONTEXT * 8)
    twice = fit_states([[one, slow], [other]], 1.0, LAG, mean, spread)
    means = [np.mean([x.parts(LAG) for x in heard], axis=0) for heard in ([one, slow], [other])]
    np.testing.assert_allclose(twice.weight, np.mean(means, axis=0), rtol=1e-4, atol=1e-6)
    assert twice.most == fit_states([[one], [other]], 1.0, LAG, mean, spread).most


@pytest.mark.parametrize("strides", [1, 9, 700])
def test_words_of_any_length_have_states(strides):
    states = fitted([said((0,), (strides,), np.eye(8))])
    states.check(8)
    assert np.isfinite(states.weight).all()
