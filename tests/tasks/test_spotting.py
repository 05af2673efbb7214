"""`rtaudio.spot` on arrays, files and live devices, with a net that knows tones."""

import numpy as np
import pytest
import soundfile as sf

import rtaudio
from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.live import LiveEngine
from rtaudio.errors import AudioFileError, ConfigError, WeightsError
from rtaudio.tasks import spot as task
from rtaudio.tasks.spot import Vocabulary, build_listener, build_spotter, spotter_rate
from rtaudio.tasks.spotting import LiveEvents, listen_live, spotter_of
from tests.tone_words import script, tone_model

SAID = ((0.5, "low"), (1.2, "high"), (2.0, "low"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tone_model(tmp_path_factory.mktemp("models") / "tones.npz")


@pytest.fixture(autouse=True)
def no_words_of_ones_own(monkeypatch, tmp_path):
    monkeypatch.setenv("RTAUDIO_WORDS", str(tmp_path / "words"))


def told(events):
    return [(event.word, round(event.start_s, 1)) for event in events]


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_sound_of_any_rate(model, rate):
    events = rtaudio.spot(script(rate, *SAID, seconds=3), sample_rate=rate, model=model)
    assert told(events) == [("low", 0.5), ("high", 1.2), ("low", 2.0)]


def test_a_file_of_several_channels(model, tmp_path):
    x = script(48000, *SAID, seconds=3)
    sf.write(tmp_path / "talk.flac", np.stack([x, 0 * x], 1), 48000)
    with rtaudio.spot(tmp_path / "talk.flac", model=model, keywords=["HIGH "]) as spotting:
        (event,) = spotting
    assert event.word == "high"
    assert event.clock_s is None


def test_a_word_at_the_very_end_is_heard(model):
    x = script(16000, (0.5, "low"), seconds=1)[: round(0.52 * 16000)]
    assert told(rtaudio.spot(x, sample_rate=16000, model=model)) == [("low", 0.5)]


def test_denoise_then_spot_share_one_stft(model):
    spotter = build_spotter(sample_rate=48000, vocabulary=Vocabulary(model))
    listener = build_listener(spotter, denoise=True)
    names = [type(stage).__name__ for stage in listener.walk()]
    assert names.count("Analysis") == 1
    assert names.index("Denoiser") < names.index("Spotter")
    with pytest.raises(ConfigError, match="48000"):
        build_listener(build_spotter(vocabulary=Vocabulary(model)), denoise=True)


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_live_events_are_those_of_the_file_with_the_time_of_day(model, clock):
    x = script(48000, (0.2, "low"), (0.8, "high"), seconds=1.2)
    listener = build_listener(build_spotter(sample_rate=48000, vocabulary=Vocabulary(model)))
    engine = LiveEngine(listener, SimulatedDevice(x, clock=clock, out_channels=0))
    engine.start()
    events = list(listen_live(engine, listener))
    if engine.stats().ring_overflows == 0:  # a busy machine may lose some of a real clock's
        assert told(events) == [("low", 0.2), ("high", 0.8)]
        assert events[1].clock_s - events[0].clock_s == pytest.approx(0.6, abs=1.0)
    assert not engine.device.active


@pytest.mark.parametrize("rate", [11025, 16000, 22050, 32000, 44100, 48000])
def test_a_microphone_of_another_rate_is_resampled_on_the_side(model, rate):
    x = script(rate, *SAID, seconds=3)
    spotter = build_spotter(sample_rate=spotter_rate(rate), vocabulary=Vocabulary(model))
    listener = build_listener(spotter, rate)
    assert listener.latency == 0
    engine = LiveEngine(listener, SimulatedDevice(x, rate, rate // 100, out_channels=0))
    engine.start()
    assert told(listen_live(engine, listener)) == [("low", 0.5), ("high", 1.2), ("low", 2.0)]


def test_closing_ends_the_stream(model):
    listener = build_listener(build_spotter(sample_rate=48000, vocabulary=Vocabulary(model)))
    device = SimulatedDevice(script(48000, seconds=1), clock="real", duration_s=600, out_channels=0)
    engine = LiveEngine(listener, device)
    engine.start()
    with listen_live(engine, listener) as spotting:
        spotting.set_threshold("low", 0.7)
        spotting.enable("high", False)
        assert device.active
    assert not device.active
    assert list(spotting) == []
    spotting.close()


def test_the_stream_s_time_goes_on_when_a_device_came_back(model):
    listener = build_listener(build_spotter(vocabulary=Vocabulary(model)))
    live = LiveEvents(spotter_of(listener))
    x, out = script(16000, (0.5, "low"), seconds=1).reshape(-1, 160), np.empty(160, np.float32)
    times = []
    for _ in range(2):
        for hop in x:
            listener.process(hop, out)
        times += [event.start_s for event in live.take()]
        listener.reset()
        assert live.take() == []
    assert times == [pytest.approx(0.5, abs=0.02), pytest.approx(1.5, abs=0.02)]


def test_thresholds_come_from_the_card(tmp_path):
    measured = {"low": {"0.5": 0.8, "2": 0.6}, "high": {"0.5": 0.7}}
    vocabulary = Vocabulary(tone_model(tmp_path / "m.npz", thresholds=measured))

    def thresholds(**options):
        spotter = build_spotter(vocabulary=vocabulary, **options)
        return {word: round(value, 3) for word, value in spotter.thresholds.items()}

    assert thresholds() == {"low": 0.8, "high": 0.7}
    assert thresholds(false_accepts=3) == {"low": 0.6, "high": 0.7}
    assert thresholds(false_accepts=1) == {"low": 0.8, "high": 0.7}  # never looser than what was asked
    assert thresholds(threshold=0.3) == {"low": 0.3, "high": 0.3}
    assert thresholds(threshold={"low": 0.9}) == {"low": 0.9, "high": 0.7}
    with pytest.raises(ConfigError, match=r"0\.5, 2 false accepts"):
        thresholds(false_accepts=0.1)


def test_words_that_are_not_asked_for_do_not_fire(model):
    spotter = build_spotter(["low"], vocabulary=Vocabulary(model))
    assert spotter.enabled == {"low": True, "high": False}


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"keywords": ["middle"]}, ConfigError, "low, high"),
        ({"keywords": []}, ConfigError, "no words"),
        ({"keywords": ["../low"]}, ConfigError, "can't be a word's name"),
        ({"threshold": {"middle": 0.5}}, ConfigError, "not spotted"),
        ({"threshold": 1.5}, ConfigError, "1 at most"),
        ({"false_accepts": 0.5}, ConfigError, "doesn't say"),
        ({"patience": 100}, ConfigError, "64"),
        ({"sample_rate": None}, ConfigError, "sample_rate"),
        ({"device": 3}, ConfigError, "not both"),
        ({"model": "mystery"}, WeightsError, "mystery"),
    ],
)
def test_what_can_not_work_is_said_at_once(model, options, error, word):
    options = {"sample_rate": 16000, "model": model, **options}
    with pytest.raises(error, match=word):
        rtaudio.spot(np.zeros(16000, np.float32), **options)


def test_sound_that_is_no_sound(model, tmp_path):
    with pytest.raises(ConfigError, match="NaN"):
        rtaudio.spot(np.full(160, np.nan), sample_rate=16000, model=model)
    with pytest.raises(AudioFileError, match="no such file"):
        rtaudio.spot(tmp_path / "nope.wav", model=model)


def test_a_word_of_ones_own_named_as_a_built_in_is_not_meant(model, monkeypatch):
    monkeypatch.setattr(task, "word_names", lambda: ["low", "other"])
    assert Vocabulary(model).choose(None) == ("low", "high", "other")


def test_keywords_in_one_string_are_words_with_commas_between(model):
    assert Vocabulary(model).choose("low") == ("low",)
    assert Vocabulary(model).choose("high, low") == ("high", "low")
