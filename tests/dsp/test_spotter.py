"""What the spotter makes of scores: one utterance, one event, in bounded memory, for ever."""

import numpy as np
import pytest

from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.dsp.spotter import GATE_HOLD_S, MOST_EVENTS, PRE_ROLL_S, Spotter
from rtaudio.dsp.stft import Analysis
from rtaudio.engine.live import LiveEngine
from rtaudio.errors import ConfigError
from rtaudio.nn.layers import Dense
from rtaudio.stream.listen import Listen
from rtaudio.stream.offline import run_offline
from rtaudio.stream.pipeline import Pipeline
from tests.tone_words import TONES_HZ, WORDS, script, tone_net

RATE = 16000
HOP = RATE // 100
HOURS = 24


def spotter(rate=RATE, **options):
    options.setdefault("refractory_ms", 200.0)
    return Spotter([tone_net()], WORDS, rate, **options)


def listening(stage):
    rate = stage.sample_rate
    return Listen(Pipeline([Analysis(rate // 50, rate // 100), stage]))


def spot(x, rate=RATE, stage=None, **options):
    stage = stage or spotter(rate, **options)
    run_offline(listening(stage), x)
    return stage.events()


def told(events):
    return [event.word for event in events]


@pytest.mark.parametrize("rate", [16000, 48000])
def test_each_utterance_is_one_event_at_its_time(rate):
    x = script(rate, (0.5, "low"), (1.2, "high"), (2.0, "low"), seconds=3)
    events = spot(x, rate)
    assert told(events) == ["low", "high", "low"]
    for event, at_s in zip(events, (0.5, 1.2, 2.0), strict=True):
        assert at_s < event.time_s <= at_s + 0.12
        assert event.score >= 0.5
        assert event.start_s == pytest.approx(at_s, abs=0.025)
        assert event.start_s < event.end_s <= event.time_s


def test_golden_events():
    """To the sample, and to 1e-5 in the score: what a change of any part would move."""
    events = spot(script(RATE, (0.5, "low"), (1.2, "high"), seconds=2))
    assert [(e.word, e.time_s, e.start_s, e.end_s) for e in events] == [
        ("low", 0.54, 0.5, 0.53),
        ("high", 1.24, 1.2, 1.23),
    ]
    assert [e.score for e in events] == pytest.approx([0.5901809, 0.5517704], abs=1e-5)


def test_scores_are_the_same_through_the_spectrum_of_48_khz():
    x16 = script(16000, (0.5, "low"), (1.2, "high"), seconds=2)
    x48 = script(48000, (0.5, "low"), (1.2, "high"), seconds=2)
    at16, at48 = (spot(x, rate) for x, rate in ((x16, 16000), (x48, 48000)))
    assert [(e.word, e.time_s) for e in at16] == [(e.word, e.time_s) for e in at48]
    np.testing.assert_allclose([e.score for e in at16], [e.score for e in at48], atol=0.02)


def test_the_end_of_a_word_is_found_where_the_score_comes_after_it():
    """A net that fires late: its event still tells where the sound was."""
    stage = spotter(patience=20, threshold=0.9)
    (event,) = spot(script(RATE, (0.5, "low"), seconds=2), stage=stage)
    assert event.start_s == pytest.approx(0.5, abs=0.025)
    assert event.end_s <= event.time_s
    assert event.time_s >= 0.5 + 0.18


def test_patience_averages_the_score():
    x = script(RATE, (0.5, "low"), seconds=2)
    quick, slow = spot(x, patience=1)[0], spot(x, patience=20)[0]
    assert slow.time_s - quick.time_s == pytest.approx(0.1, abs=0.03)  # half of 20 frames at threshold 0.5
    assert spot(x, patience=64) == []  # the word is shorter than half of that


def test_it_arms_again_only_below_the_release_threshold():
    t = np.arange(3 * RATE) / RATE
    held = (0.3 * np.sin(2 * np.pi * TONES_HZ[0] * t)).astype(np.float32)
    assert told(spot(held, refractory_ms=0)) == ["low"]


def test_it_arms_again_only_after_the_refractory_time():
    said = [(0.5 + 0.6 * i, "low") for i in range(4)]
    x = script(RATE, *said, seconds=4)
    assert len(spot(x, refractory_ms=200)) == 4
    assert len(spot(x, refractory_ms=1000)) == 2
    assert len(spot(x, refractory_ms=5000)) == 1


def test_words_fire_apart():
    x = script(RATE, (0.5, "low"), (0.85, "high"), seconds=2)
    assert told(spot(x, refractory_ms=5000)) == ["low", "high"]


def test_words_and_thresholds_change_while_it_runs():
    stage = spotter()
    x = script(RATE, (0.5, "low"), seconds=1)
    side = listening(stage)

    def next_second():
        run_offline(side, x)
        return told(stage.events())

    assert next_second() == ["low"]
    stage.enable("low", False)
    assert next_second() == []
    assert stage.enabled == {"low": False, "high": True}
    stage.enable("low")
    stage.set_threshold("low", 1.0)
    assert next_second() == []
    stage.set_threshold("low", 0.7)
    assert next_second() == ["low"]
    assert stage.thresholds["low"] == pytest.approx(0.7)


def test_reset_begins_at_0_s_and_keeps_what_was_set():
    stage = spotter(threshold={"low": 0.6})
    x = script(RATE, (0.5, "low"), seconds=1)
    first = spot(x, stage=stage)
    run_offline(listening(stage), x[: RATE * 3 // 4])
    stage.reset()
    assert stage.heard_s == 0.0
    assert spot(x, stage=stage) == first
    assert stage.thresholds == {"low": pytest.approx(0.6), "high": 0.5}


def test_a_clone_has_events_of_its_own():
    stage = spotter()
    twin = stage.clone()
    assert told(spot(script(RATE, (0.5, "low"), seconds=1), stage=twin)) == ["low"]
    assert stage.events() == []


def test_events_that_nobody_takes_are_dropped_and_counted():
    stage = spotter(patience=1, refractory_ms=0)
    n = 2 * MOST_EVENTS
    run_offline(listening(stage), np.tile(script(RATE, (0.1, "low"), seconds=0.5), n))
    events = stage.events()
    assert MOST_EVENTS <= len(events) < n
    assert len(events) + stage.lost_events == n
    assert events[0].time_s < 1  # the newest are lost, never an old one half overwritten


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_what_is_no_sound_is_no_word_and_is_forgotten(value):
    x = script(RATE, (2.5, "low"), seconds=3)
    x[RATE : RATE + 3000] = value
    stage = spotter()
    side = Pipeline([Analysis(320, 160), stage])
    out = np.zeros(side.out_spec.shape, np.float32)
    for hop in x.reshape(-1, HOP):
        side.process(np.ascontiguousarray(hop), out)
    assert told(stage.events())[-1:] == ["low"]


def gate(bias=-4.0):
    """Speech is what isn't silent; the lower `bias`, the later it is noticed."""
    weight = np.ones((1, 2), np.float32)
    net = tone_net()
    return Pipeline([net, Dense(20 * weight, np.full(1, bias, np.float32), "sigmoid")])


def test_a_gate_spares_the_nets_and_misses_nothing():
    said = [(2.0, "low"), (2.4, "high"), (6.0, "low"), (9.6, "high")]
    x = script(RATE, *said, seconds=10)
    gated, always = spotter(gate=gate()), spotter()
    with_gate, without = spot(x, stage=gated), spot(x, stage=always)
    assert told(with_gate) == told(without) == ["low", "high", "low", "high"]
    for got, expected in zip(with_gate, without, strict=True):
        assert got.start_s == pytest.approx(expected.start_s, abs=0.011)
        assert got.time_s - expected.time_s <= 0.1
    assert always.spared_frames == 0
    run_s = 3 * (PRE_ROLL_S + GATE_HOLD_S) + 1.6  # it opens three times; the words last 0.4 s each
    assert gated.spared_frames > 100 * (10 - run_s)


def test_a_gate_that_opens_late_loses_no_beginning():
    """The frames before it opened are judged as well: the word's own start is among them."""
    late = gate(-19.0)  # only near the top of the score
    (event,) = spot(script(RATE, (2.0, "low"), seconds=3), stage=spotter(gate=late, patience=20))
    assert event.start_s == pytest.approx(2.0, abs=0.025)


def test_live_on_a_microphone_alone_it_hears_what_it_hears_offline():
    x = script(48000, (0.5, "low"), (1.2, "high"), seconds=2)
    expected = spot(x, 48000)
    for block in (37, 480, 1024):
        stage = spotter(48000)
        engine = LiveEngine(listening(stage), SimulatedDevice(x, block=block, out_channels=0))
        with engine:
            assert engine.wait(60)
        assert stage.events() == expected
        stats = engine.stats()
        assert (stats.ring_overflows, stats.ring_underflows, stats.jumps) == (0, 0, 0)


def test_24_hours_score_the_first_and_the_last_alike():
    """The whole path, every sample of 24 hours, on the simulated clock; only the net is a stand-in."""
    minute = script(RATE, (0.5, "low"), (30.0, "high"), (50.0, "low"), seconds=60)
    stage = spotter(threshold=0.6)
    device = SimulatedDevice(minute, RATE, 10 * HOP, out_channels=0, duration_s=HOURS * 3600)
    engine = LiveEngine(listening(stage), device)
    heard = []
    with engine:
        while not engine.wait(0.05):
            heard += stage.events()
    heard += stage.events()
    period = [(e.word, round(e.time_s % 60, 6), e.score) for e in heard]
    assert stage.lost_events == 0
    assert len(heard) == 3 * HOURS * 60
    assert period[:180] == period[-180:]


@pytest.mark.parametrize(
    ("build", "word"),
    [
        (lambda: Spotter([], WORDS), "at least one"),
        (lambda: Spotter([tone_net()], ["low"]), "2 words, and 1"),
        (lambda: Spotter([tone_net()], ["low", "low"]), "1 different"),
        (lambda: Spotter([tone_net()], WORDS, 8000), "multiple of 100"),
        (lambda: Spotter([tone_net()], WORDS, 44150), "multiple of 100"),
        (
            lambda: Spotter([Dense(np.ones((2, 322), np.float32), np.zeros(2, np.float32))], WORDS),
            "(bins, 2)",
        ),
        (lambda: Spotter([tone_net()], WORDS, gate=tone_net()), "one probability"),
        (lambda: spotter(threshold=0.0), "above 0"),
        (lambda: spotter(threshold=float("nan")), "above 0"),
        (lambda: spotter(patience=0), "1 to 64"),
        (lambda: spotter(refractory_ms=-1.0), "from 0 to"),
        (lambda: spotter(refractory_ms=1e300), "an hour"),
        (lambda: spotter(refractory_ms=float("nan")), "an hour"),
        (lambda: spotter().enable("middle"), "low, high"),
    ],
)
def test_what_can_not_work_is_refused(build, word):
    with pytest.raises(ConfigError, match=word.replace("(", r"\(").replace(")", r"\)")):
        build()
