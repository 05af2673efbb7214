"""The peers compute what we compute, so their times may stand beside ours."""

import numpy as np
import pytest

from benchmarks.paced import time_python, time_stage
from rtaudio.nn.denoise import Denoiser, tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.layers import Dense, Gru
from rtaudio.stream.offline import run_frames

SMALL = DenoiseConfig(n_fft=64, hop_length=32, n_bands=12, channels=20, dilations=(1, 3), hidden=9)


def normal(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def test_timing_a_stage_runs_it():
    stage, x = Dense(normal(3, 2), normal(3)), normal(20, 2)
    for period_ns in (0, 1000):
        spent, out = time_stage(stage, x, period_ns)
        np.testing.assert_array_equal(out, run_frames(stage, x))
        assert spent.shape == (20,)
        assert (spent >= 0).all()


def test_python_steps_run_once_each():
    seen = []
    assert time_python(seen.append, 3).shape == (3,)
    assert seen == [0, 1, 2]


def test_onnx_net_equals_ours():
    steps = pytest.importorskip("benchmarks.onnx_steps", exc_type=ImportError)
    tensors = {name: normal(*shape) * np.float32(0.3) for name, shape in tensor_shapes(SMALL).items()}
    net, onnx = Denoiser(SMALL, tensors), steps.OnnxStep(steps.denoise_graph(SMALL, tensors))
    out = np.empty((SMALL.n_bins, 2), np.float32)
    for spectrum in normal(60, SMALL.n_bins, 2):
        net.process(spectrum, out)
        onnx(spectrum[None])
        np.testing.assert_allclose(onnx.out[0], net.arena["gains"], atol=1e-5)


def test_onnx_gru_equals_ours():
    steps = pytest.importorskip("benchmarks.onnx_steps", exc_type=ImportError)
    weights = [normal(15, 4), normal(15, 5), normal(15), normal(15)]
    graph = steps.Graph()
    out = steps.add_gru(graph, graph.input("x", 1, 4), weights)
    graph.outputs = {out: (1, 5), **graph.outputs}
    onnx, layer = steps.OnnxStep(graph), Gru(*weights)
    for frame in normal(30, 4):
        onnx(frame[None])
        np.testing.assert_allclose(onnx.out[0], layer.forward(frame), atol=1e-5)
