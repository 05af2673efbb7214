"""Voice activity by an ONNX model: the same probabilities, at any rate, live and where it is late."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import soxr

from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.live import LiveEngine
from rtaudio.errors import ModelError
from rtaudio.nn.onnx.export import export_net
from rtaudio.nn.onnx.manifest_toml import read_manifest
from rtaudio.nn.weights import find_weights, load_weights
from rtaudio.stream.offline import run_offline
from rtaudio.tasks.demo import load_demo
from rtaudio.tasks.vad import build_vad, segments, speech_probabilities, teller_of
from rtaudio.tasks.vad_onnx import OnnxTeller


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """Live, ours runs in int8; a file holds what it is in float32."""
    monkeypatch.setattr("rtaudio.tasks.spot.LIVE", "float32")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Exports of nets that ship, by name."""
    folder = tmp_path_factory.mktemp("onnx")

    def export(name):
        return export_net(load_weights(find_weights(name)), folder / f"{name}.onnx")[1]

    return export


@pytest.fixture(scope="module")
def speech():
    x = soxr.resample(load_demo().noisy, 48000, 16000)[: 4 * 16000 + 70]
    return np.ascontiguousarray(x, np.float32)


def test_an_exported_net_tells_what_the_native_one_does(exported, speech):
    path = exported("vad")
    ours, theirs = speech_probabilities(speech), speech_probabilities(speech, path)
    np.testing.assert_allclose(theirs, ours, atol=1e-5)
    found = list(segments(build_vad(model=path), [speech[:, None]], 16000))
    assert found == list(segments(build_vad(), [speech[:, None]], 16000))
    assert found


@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_live_one_hears_at_the_rate_of_the_card(exported, speech, rate):
    x = soxr.resample(speech, 16000, rate).astype(np.float32)
    listener = build_vad(rate, exported("vad"))
    with LiveEngine(listener, SimulatedDevice(x, rate, block=rate // 100, clock="real")) as engine:
        assert engine.wait(60)
    if engine.stats().late_worker_hops == 0:  # a busy machine may be late, and repeats the one before
        native = build_vad(rate)
        run_offline(native, x)
        expected = teller_of(native).probabilities()
        told = teller_of(listener).probabilities()
        assert len(told) >= len(expected) - 1
        np.testing.assert_allclose(told[: len(expected)], expected[: len(told)], atol=1e-5)


def test_hops_left_out_are_told_as_the_one_before(exported):
    teller = OnnxTeller(read_manifest(exported("vad")))
    assert teller.frames_per_s == 100
    for hop, score in ((0, 0.25), (1, 0.5), (4, 0.75)):
        teller.heard.append((hop, np.array([score], np.float32)))
    assert teller.probabilities() == [0.25, 0.5, 0.5, 0.5, 0.75]
    teller.heard.append((6, np.array([1.0], np.float32)))
    assert teller.probabilities() == [0.75, 1.0]
    assert teller.probabilities() == []
    teller.reset()
    teller.heard.append((1, np.array([1.0], np.float32)))
    assert teller.probabilities() == [0.0, 1.0]


@pytest.mark.parametrize(("name", "wrong"), [("standard", "denoiser"), ("keywords", "numbers a hop")])
def test_a_model_of_something_else_is_refused(exported, name, wrong):
    with pytest.raises(ModelError, match=wrong):
        build_vad(model=exported(name))


def test_a_model_that_is_missing_is_told(tmp_path):
    with pytest.raises(ModelError, match="No such file"):
        build_vad(model=tmp_path / "none.onnx")
