"""The benchmarks' rule for events is the spotter's own."""

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.streams import Detector, Recording, says_something, word_stream
from rtaudio.dsp.gains import Gain
from rtaudio.dsp.spotter import Spotter
from rtaudio.stream.stage import Spec

HOP_MS = 10.0
THRESHOLD = 0.5


def walk(seed):
    """A random walk between 0 and 1 that turns back there, now slow, now fast, with silences."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, rng.choice([0.02, 0.1, 0.4], (40, 1)), (40, 100)).ravel()
    track = np.abs((np.cumsum(steps) + 1) % 4 - 2) / 2
    return track * np.repeat(rng.random(40) < 0.8, 100)


def steps(*parts):
    """A track of `(score, hops)` parts."""
    return np.concatenate([np.full(hops, score) for score, hops in parts])


TRACKS = {
    **{f"walk {seed}": walk(seed) for seed in range(6)},
    "noise": np.random.default_rng(0).random(4000),
    "from the first hop on, for ever": steps((1.0, 400)),
    "exactly the threshold": steps(
        (0.0, 9), (THRESHOLD, 80), (0.0, 200), (THRESHOLD - 1 / 64, 80), (0.0, 90)
    ),
    "exactly the release threshold": steps((1.0, 70), (0.25, 200), (1.0, 70), (0.25 - 1 / 64, 70), (1.0, 70)),
    "again before, at and after the refractory time": np.concatenate(
        [steps((1.0, 1), (0.0, gap), (1.0, 1), (0.0, 300)) for gap in (*range(4, 10), *range(97, 103))]
    ),
    "under the release threshold in the refractory time alone": steps(
        (1.0, 3), (0.0, 50), (1.0, 300), (0.0, 3)
    ),
}


def spotted(track, patience, refractory):
    """Hops at which a spotter fires that is given these scores."""
    net = Gain(2, 0.0)  # the one bin there is, real and imaginary part, as scores of two words
    net.in_spec = Spec((1, 2))
    stage = Spotter(
        [net], ["it", "never"], threshold=THRESHOLD, patience=patience, refractory_ms=HOP_MS * refractory
    )
    spectrum, out, events = (*np.zeros((2, *stage.in_spec.shape), np.float32), [])
    for score in track:
        spectrum[0, 0] = score
        stage.process(spectrum, out)
        events += [round(event.time_s * 1000 / HOP_MS) - 1 for event in stage.events()]
    return events


@pytest.mark.parametrize("refractory", [0, 1, 7, 100])
@pytest.mark.parametrize("patience", [1, 5, 64])
@pytest.mark.parametrize("name", TRACKS)
def test_its_events_are_the_spotter_s(name, patience, refractory):
    track = (np.round(64 * TRACKS[name]) / 64).astype(np.float32)  # so that sums are exact, in any order
    detector = Detector(patience, refractory)
    events = detector.events(detector.smooth(track), THRESHOLD)
    np.testing.assert_array_equal(events, spotted(track, patience, refractory))


def test_the_tracks_have_events():
    assert min(len(spotted(track, 1, 7)) for track in TRACKS.values()) >= 1
    assert len(spotted(TRACKS["walk 0"], 5, 7)) > 5


def test_a_words_end_is_its_own_where_noise_was_recorded_after_it():
    """Recordings cut to digital silence around their noise: an event at the word is no early one."""
    rng, rate = np.random.default_rng(0), 16000
    wave = 0.005 * rng.standard_normal(3 * rate).astype(np.float32)
    wave[rate : rate + rate // 2] *= 20
    wave[: rate // 4], wave[-rate // 4 :] = 0, 0
    stream = word_stream([Recording("yes", "g", wave)], rng)
    assert stream.ends[0] / rate - 2 == pytest.approx(1.5, abs=0.05)


def test_a_recording_of_noise_alone_says_nothing_and_one_of_a_word_in_noise_does():
    rng, rate = np.random.default_rng(0), 16000
    noise = 0.005 * rng.standard_normal(2 * rate).astype(np.float32)
    word = noise.copy()
    word[rate : rate + rate // 2] *= 6
    assert [says_something(Recording("yes", "g", x)) for x in (noise, word)] == [False, True]
