"""The nets over speech as ONNX files give, hop by hop, what the native ones do."""

import dataclasses

import numpy as np
import pytest
import soxr

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from rtaudio.dsp.stft import Analysis
from rtaudio.errors import WeightsError
from rtaudio.nn.keywords_config import KeywordConfig
from rtaudio.nn.listeners import LISTENERS
from rtaudio.nn.onnx.export import export_net, net_graph
from rtaudio.nn.onnx.files import open_steps
from rtaudio.nn.onnx.manifest import FrontEnd
from rtaudio.nn.onnx.manifest_toml import read_manifest
from rtaudio.nn.onnx.step import OnnxStep
from rtaudio.nn.speech import tensor_shapes
from rtaudio.nn.weights import Weights, find_weights, list_models, load_weights
from rtaudio.stream.offline import run_frames
from rtaudio.tasks.demo import load_demo

SHIPPED = [name for net in LISTENERS for name in list_models(net)]


def speech_and_silence():
    """Speech, 8 s of digital silence, the speech 40 dB down: spectra `(hops, 161, 2)`."""
    speech = soxr.resample(load_demo().noisy[: 6 * 48000], 48000, 16000).astype(np.float32)
    sound = np.concatenate([speech, np.zeros(8 * 16000, np.float32), 0.01 * speech])
    return run_frames(Analysis(320, 160), sound[: sound.size // 160 * 160].reshape(-1, 160))


def assert_parity(weights, step, spectra):
    native = LISTENERS[weights.net].from_weights(weights)
    expected, got = run_frames(native, spectra), np.empty((len(spectra), native.out_spec.size), np.float32)
    for spectrum, out in zip(spectra, got, strict=True):
        step(spectrum)
        step.read(out)
    assert np.ptp(expected[100:], axis=0).max() > 0.02
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("model", SHIPPED)
def test_an_exported_shipped_net_equals_ours(model, tmp_path):
    weights = load_weights(find_weights(model))
    _, path = export_net(weights, tmp_path / "net.onnx")
    (step,) = open_steps(read_manifest(path))
    assert_parity(weights, step, speech_and_silence())


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_any_stride_keeps_parity(stride):
    config, rng = KeywordConfig(words=("yes", "no"), stride=stride, channels=24), np.random.default_rng(0)
    tensors = {n: 0.2 * rng.standard_normal(s).astype(np.float32) for n, s in tensor_shapes(config).items()}
    weights = Weights("keywords", dataclasses.asdict(config), tensors)
    assert_parity(weights, OnnxStep.of(net_graph(weights)[1]), speech_and_silence()[:400])


@pytest.mark.parametrize("model", SHIPPED)
def test_its_manifest_tells_front_end_states_and_what_the_numbers_are(model, tmp_path):
    weights = load_weights(find_weights(model))
    _, path = export_net(weights, tmp_path / "net.onnx")
    told = read_manifest(path)
    assert (told.task, told.sample_rate, told.hop_length, told.delay) == ("classify", 16000, 160, 0)
    assert told.front_end == FrontEnd("stft", 320, "sqrt_hann")
    (net,) = told.nets
    config = LISTENERS[weights.net].read_config(weights)
    pasts = {f"past_{i}" for i in range(len(config.dilations))}
    assert {s.name for s in net.states} == {"level_mean", "level_weight", "gathered", "count", "held", *pasts}
    _, out = net.data
    assert out.shape == (1, config.n_outputs)
    assert out.name == ("embedding" if weights.net == "embedding" else "scores")
    assert out.labels == (config.words if weights.net == "keywords" else ())


def test_weights_of_no_net_of_ours_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="mystery"):
        export_net(Weights("mystery", {}, {}), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
