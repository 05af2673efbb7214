import json

import numpy as np
import pytest
import soundfile as sf

from rtaudio.cli import demo, meters
from rtaudio.stream.stats import StreamStats
from rtaudio.tasks.demo import heard, load_demo, si_sdr_db


def test_the_recording_is_speech_in_noise():
    sound = load_demo()
    assert sound.clean.shape == sound.noisy.shape
    assert 3 < si_sdr_db(sound.noisy, sound.clean) < 8


def test_si_sdr_of_known_mixtures():
    rng = np.random.default_rng(0)
    x, n = rng.standard_normal((2, 48000))
    n -= (n @ x) / (x @ x) * x
    n *= np.linalg.norm(x) / np.linalg.norm(n)
    for db in (-5.0, 0.0, 20.0):
        assert si_sdr_db(3.0 * (x + 10 ** (-db / 20) * n), x) == pytest.approx(db, abs=0.01)


@pytest.fixture
def short(monkeypatch):
    """The demo with a second of sound, since it plays in real time."""
    sound = load_demo()
    cut = type(sound)(sound.clean[24000:72000], sound.noisy[24000:72000])
    monkeypatch.setattr("rtaudio.tasks.demo.load_demo", lambda: cut)
    return cut


def test_the_demo_writes_and_tells(rtaudio, model, tmp_path, short):
    code, out, _ = rtaudio(
        "demo", "--json", "--strength", "0", "--model", model, "--out-dir", tmp_path / "new" / "dir"
    )
    told = json.loads(out)
    assert code == 0
    assert set(told["budget"]["parts_ms"]) == {
        "capture buffer",
        "ring",
        "algorithmic",
        "compute",
        "playback buffer",
    }
    assert told["stats"]["hops"] >= 100
    after, rate = sf.read(told["files"]["after"], dtype="float32")
    assert (after.shape, rate) == (short.noisy.shape, 48000)
    if told["stats"]["substituted_samples"] == 0:  # strength 0 gives the input back, at its own time
        np.testing.assert_allclose(after, short.noisy, atol=1e-4)
    if told["files"]["picture"]:
        with open(told["files"]["picture"], "rb") as picture:
            assert picture.read(4) == b"\x89PNG"


def test_piped_output_is_plain_text(rtaudio, model, tmp_path, short):
    _, out, err = rtaudio("demo", "--model", model, "--out-dir", tmp_path)
    assert "\x1b" not in out + err
    for word in ("delay", "algorithmic", "p99", "deadline misses", "SI-SDR after", "after.wav"):
        assert word in out


def test_without_matplotlib_only_the_picture_is_missing(rtaudio, model, tmp_path, short, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    code, out, _ = rtaudio("demo", "--model", model, "--out-dir", tmp_path)
    assert code == 0
    assert "pip install matplotlib" in out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["after.wav", "before.wav"]


def test_meters_show_levels_and_trouble():
    assert meters.bar(-200) == " " * meters.BAR
    assert meters.bar(0) == meters.bar(10) == "█" * meters.BAR
    assert meters.bar(-30).strip() == "█" * (meters.BAR // 2)
    quiet = meters.render(StreamStats(), "b bypass").plain
    assert "live" in quiet
    assert "b bypass" in quiet
    assert quiet.count("\n") == 5
    assert "\n  limit 24 dB\n" in meters.render(StreamStats(), "", "limit 24 dB").plain
    busy = meters.render(StreamStats(input_overflows=2, output_underflows=1, overload_level=3), "").plain
    assert "device xruns 3" in busy
    assert "overload" in busy
    assert "BYPASS" in meters.render(StreamStats(bypass=True), "").plain


def test_heard_is_padded_where_the_device_stopped_early():
    class Engine:
        class plan:  # noqa: N801
            prefill = 2

        class stage:  # noqa: N801
            latency = 1

    from rtaudio.devices.simulated import SimulatedDevice

    engine = Engine()
    engine.device = SimulatedDevice(np.zeros(8, np.float32))
    engine.device.output = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(heard(engine, 5), [3, 4, 5, 0, 0])
    assert demo.DESCRIPTION
