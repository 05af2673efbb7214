"""The denoiser net as an ONNX file that any runtime can run hop by hop, and the manifest beside it.

The net alone: spectrum in, spectrum out. What has to be done to samples before and after it, the
states and everything else one must know to run it stands in the manifest.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from rtaudio.errors import ConfigError
from rtaudio.nn.denoise import LSTM_PARTS
from rtaudio.nn.denoise_config import DenoiseConfig, erb_bands
from rtaudio.nn.manifest import FrontEnd, Manifest
from rtaudio.nn.manifest_toml import write_manifest
from rtaudio.nn.steps_onnx import Graph, add_conv, add_lstm, add_mingru
from rtaudio.nn.weights import Weights, digest

Floats = NDArray[np.float32]


def denoise_graph(config: DenoiseConfig, tensors: dict[str, Floats]) -> Graph:
    """One hop of the net: `spectrum` `(1, n_bins, 2)` in, `enhanced` of that shape and `gains` out."""
    graph = Graph()
    spectrum = graph.input("spectrum", 1, config.n_bins, 2)
    x = graph.dense(_add_features(graph, spectrum, config), tensors["inp.weight"], tensors["inp.bias"])
    x = graph.node("Relu", x)
    for i, dilation in enumerate(config.dilations):
        parts = ("depthwise.weight", "depthwise.bias", "pointwise.weight", "pointwise.bias")
        taps, taps_bias, weight, bias = (tensors[f"blocks.{i}.{part}"] for part in parts)
        x = add_conv(graph, x, [taps, taps_bias, weight[:, :, 0], bias], dilation, f"past_{i}")
        if (k := config.mingru_after(i)) is not None:
            name = f"mingrus.{k}.mix"
            x = add_mingru(graph, x, tensors[f"{name}.weight"], tensors[f"{name}.bias"], f"h_{k}")
    if config.hidden:
        h = add_lstm(graph, x, [tensors[f"lstm.{name}_l0"] for name in LSTM_PARTS])
        x = graph.node("Concat", h, x, axis=1)
    gains = graph.node("Sigmoid", graph.dense(x, tensors["out.weight"], tensors["out.bias"]))
    column = graph.node("Unsqueeze", gains, graph.const([2], np.int64))
    graph.output("enhanced", graph.node("Mul", spectrum, column), 1, config.n_bins, 2)
    graph.output("gains", gains, 1, config.n_bins)
    return graph


def _add_features(graph: Graph, spectrum: str, config: DenoiseConfig) -> str:
    """Log band powers over their running mean, `(1, n_bands)`.

    In float64, as the native net: a float32 logarithm near -10 is off by 1e-6. States are float32.
    """
    decay = config.level_decay
    power = graph.node("ReduceSumSquare", spectrum, axes=[2], keepdims=0)
    bands = _double(graph, graph.node("MatMul", power, graph.const(erb_bands(config).T)))
    bands = graph.node("Log", graph.node("Add", bands, graph.const(config.power_floor, np.float64)))
    bands = graph.node("Mul", bands, graph.const(1 / np.log(10), np.float64))
    level = graph.node("ReduceMean", bands, axes=[1], keepdims=1)
    news = []
    for name, value in (("level_mean", level), ("level_weight", graph.const([[1.0]], np.float64))):
        old = graph.node("Mul", _double(graph, graph.state(name, 1, 1)), graph.const(decay, np.float64))
        new = graph.node("Add", old, graph.node("Mul", value, graph.const(1 - decay, np.float64)))
        graph.carry(name, graph.node("Cast", new, to=TensorProto.FLOAT))
        news.append(new)
    features = graph.node("Sub", bands, graph.node("Div", *news))
    narrow: str = graph.node("Cast", features, to=TensorProto.FLOAT)
    return narrow


def _double(graph: Graph, value: str) -> str:
    name: str = graph.node("Cast", value, to=TensorProto.DOUBLE)
    return name


def export_denoiser(config: DenoiseConfig, weights: Weights, path: str | Path) -> tuple[Path, Path]:
    """Write the net to `path` (`.onnx`) and its manifest beside it (`.toml`); returns both paths.

    Each takes the place of an older one only when it is whole. Raises ConfigError for a path that
    has another suffix or can't be written.
    """
    model_path = Path(path)
    if model_path.suffix != ".onnx":
        raise ConfigError(f"{model_path}: the name of an ONNX file ends in .onnx")
    graph = denoise_graph(config, weights.tensors)
    model = graph.model()
    manifest = describe(config, weights, graph, model_path.name, model)
    toml_path = model_path.with_suffix(".toml")
    for target, content in ((model_path, model), (toml_path, write_manifest(manifest).encode())):
        unfinished = target.with_name(target.name + ".unfinished")
        try:
            unfinished.write_bytes(content)
            os.replace(unfinished, target)
        except OSError as error:
            raise ConfigError(f"{target}: cannot be written ({error.strerror})") from None
    return model_path, toml_path


def describe(config: DenoiseConfig, weights: Weights, graph: Graph, name: str, model: bytes) -> Manifest:
    """What one must know to run the file."""
    return Manifest(
        name=Path(name).stem,
        task="denoise",
        licence=str(weights.card.get("licence", "")),
        source=f"rtaudio, weights {digest(weights.tensors)[:16]}",
        sample_rate=config.sample_rate,
        hop_length=config.hop_length,
        look_ahead=0,
        delay=config.latency,
        front_end=FrontEnd("stft", config.n_fft, config.window),
        nets=(graph.net(name, model),),
    )
