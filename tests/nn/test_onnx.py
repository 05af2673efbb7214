"""ONNX graphs compute what we compute: exported nets can be trusted, and their times stand beside ours."""

import dataclasses
import hashlib

import numpy as np
import pytest

from rtaudio.dsp.stft import Analysis
from rtaudio.errors import ConfigError
from rtaudio.nn.denoise import NET_NAME, Denoiser, tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.layers import Gru
from rtaudio.nn.onnx.manifest_toml import read_manifest
from rtaudio.nn.weights import Weights, find_weights, list_models, load_weights
from rtaudio.stream.offline import run_frames
from rtaudio.tasks.demo import load_demo

SMALL = DenoiseConfig(n_fft=64, hop_length=32, n_bands=12, channels=20, dilations=(1, 3), hidden=9)


def normal(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def net(config):
    """Random weights small enough that rounding errors don't grow from hop to hop."""
    fan_in = {n: np.prod(shape[1:]) if len(shape) > 1 else 4 for n, shape in tensor_shapes(config).items()}
    return {n: normal(*s) * np.float32(0.4 / np.sqrt(fan_in[n])) for n, s in tensor_shapes(config).items()}


def assert_parity(config, tensors, run, spectra):
    """Both outputs of each hop equal the native step's; the spectrum relative to its loudest bin."""
    native, out = Denoiser(config, tensors), np.empty((config.n_bins, 2), np.float32)
    for spectrum in spectra:
        native.process(spectrum, out)
        run(spectrum)
        np.testing.assert_allclose(run.out("gains")[0], native.arena["gains"], atol=1e-5)
        loudest = np.abs(spectrum).max()
        np.testing.assert_allclose(run.out("enhanced")[0] / loudest, out / loudest, atol=1e-5)


@pytest.fixture(params=[{}, {"hidden": 0}, {"mingru_every": 1, "hidden": 0}], ids=["lstm", "cnn", "mingru"])
def exported(tmp_path, request):
    export = pytest.importorskip("rtaudio.nn.onnx.export", exc_type=ImportError)
    config = dataclasses.replace(SMALL, **request.param)
    weights = Weights("denoise", dataclasses.asdict(config), net(config), {"licence": 'CC0 "as is"'})
    return weights, export.export_net(weights, tmp_path / "net.onnx")


def test_an_exported_net_equals_ours_over_a_long_run(exported):
    onnx_files = pytest.importorskip("rtaudio.nn.onnx.files", exc_type=ImportError)
    weights, (_, manifest) = exported
    (run,) = onnx_files.open_steps(onnx_files.find_manifest(manifest))
    level = 10 ** (-2 + 1.5 * np.sin(np.arange(6000) / 37))
    spectra = np.random.default_rng(0).standard_normal((6000, SMALL.n_bins, 2)) * level[:, None, None]
    config = DenoiseConfig(**weights.config)
    assert_parity(config, weights.tensors, run, spectra.astype(np.float32))


def test_a_manifest_tells_all_that_running_needs(exported):
    onnx = pytest.importorskip("onnx")
    _, (model, path) = exported
    told, graph = read_manifest(path), onnx.load(model).graph
    (net,) = told.nets
    assert net.sha256 == hashlib.sha256(model.read_bytes()).hexdigest()
    assert (net.file, told.licence, told.delay) == ("net.onnx", 'CC0 "as is"', 32)
    assert told.front_end.n_fft == 64
    assert [port.name for port in graph.input] == [port.name for port in net.inputs]
    given = [port.name for port in net.outputs] + [state.source for state in net.states]
    assert sorted(port.name for port in graph.output) == sorted(given)
    states = {"level_mean", "level_weight", "past_0", "past_1"}
    assert {state.name for state in net.states} - states in ({"h", "c"}, set(), {"h_0", "h_1"})
    shapes = {p.name: tuple(d.dim_value for d in p.type.tensor_type.shape.dim) for p in graph.input}
    assert all(state.shape == shapes[state.name] for state in net.states)


def test_exports_are_refused_or_whole(exported, tmp_path):
    from rtaudio.nn.onnx.export import export_net

    weights, (model, _) = exported
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "net.toml"]
    for bad in ("net.txt", "nowhere/net.onnx"):
        with pytest.raises(ConfigError, match="net"):
            export_net(weights, tmp_path / bad)
    assert export_net(weights, model)[0] == model


def test_onnx_gru_equals_ours():
    steps = pytest.importorskip("rtaudio.nn.onnx.graph", exc_type=ImportError)
    weights = [normal(15, 4), normal(15, 5), normal(15), normal(15)]
    step = pytest.importorskip("rtaudio.nn.onnx.step", exc_type=ImportError)
    graph = steps.Graph()
    out = steps.add_gru(graph, graph.input("x", 1, 4), weights)
    graph.output("y", out, 1, 5)
    onnx, layer = step.OnnxStep.of(graph), Gru(*weights)
    for frame in normal(30, 4):
        onnx(frame)
        np.testing.assert_allclose(onnx.out("y")[0], layer.forward(frame), atol=1e-5)


@pytest.mark.parametrize("model", list_models(NET_NAME))
def test_shipped_nets_keep_parity(model):
    export = pytest.importorskip("rtaudio.nn.onnx.denoise", exc_type=ImportError)
    step = pytest.importorskip("rtaudio.nn.onnx.step", exc_type=ImportError)
    weights = load_weights(find_weights(model))
    config = Denoiser.from_weights(weights).config
    hops = load_demo().noisy[: 600 * config.hop_length].reshape(600, config.hop_length)
    spectra = run_frames(Analysis(config.n_fft, config.hop_length, config.window), hops)
    graph = export.denoise_graph(config, weights.tensors)
    assert_parity(config, weights.tensors, step.OnnxStep.of(graph), spectra)
