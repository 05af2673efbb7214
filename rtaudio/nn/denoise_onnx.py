"""The denoiser net as an ONNX file that any runtime can run hop by hop, and the manifest beside it.

The net alone: spectrum in, spectrum out. What has to be done to samples before and after it, the
states and everything else one must know to run it stands in the manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import ConfigError
from rtaudio.nn.denoise_config import DenoiseConfig, erb_bands
from rtaudio.nn.steps_onnx import Graph, add_conv, add_lstm
from rtaudio.nn.weights import Weights

Floats = NDArray[np.float32]

FORMAT, VERSION = "rtaudio-onnx", 1


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
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    h = add_lstm(graph, x, [tensors[f"lstm.{name}_l0"] for name in names])
    joined = graph.node("Concat", h, x, axis=1)
    gains = graph.node("Sigmoid", graph.dense(joined, tensors["out.weight"], tensors["out.bias"]))
    column = graph.node("Unsqueeze", gains, graph.const([2], np.int64))
    graph.output("enhanced", graph.node("Mul", spectrum, column), 1, config.n_bins, 2)
    graph.output("gains", gains, 1, config.n_bins)
    return graph


def _add_features(graph: Graph, spectrum: str, config: DenoiseConfig) -> str:
    """Log band powers over their running mean, `(1, n_bands)`."""
    decay = config.level_decay
    power = graph.node("ReduceSumSquare", spectrum, axes=[2], keepdims=0)
    bands = graph.node("MatMul", power, graph.const(erb_bands(config).T))
    bands = graph.node("Log", graph.node("Add", bands, graph.const(config.power_floor)))
    bands = graph.node("Mul", bands, graph.const(1 / np.log(10)))
    level = graph.node("ReduceMean", bands, axes=[1], keepdims=1)
    news = []
    for name, value in (("level_mean", level), ("level_weight", graph.const([[1.0]]))):
        old = graph.node("Mul", graph.state(name, 1, 1), graph.const(decay))
        new = graph.node("Add", old, graph.node("Mul", value, graph.const(1 - decay)))
        graph.carry(name, new)
        news.append(new)
    features: str = graph.node("Sub", bands, graph.node("Div", *news))
    return features


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
    manifest = describe(config, weights, graph, model_path.name, hashlib.sha256(model).hexdigest())
    toml_path = model_path.with_suffix(".toml")
    for target, content in ((model_path, model), (toml_path, to_toml(manifest).encode())):
        unfinished = target.with_name(target.name + ".unfinished")
        try:
            unfinished.write_bytes(content)
            os.replace(unfinished, target)
        except OSError as error:
            raise ConfigError(f"{target}: cannot be written ({error.strerror})") from None
    return model_path, toml_path


def describe(config: DenoiseConfig, weights: Weights, graph: Graph, name: str, sha256: str) -> dict[str, Any]:
    """What one must know to run the file; sizes in samples, shapes with the batch axis (of 1) first."""
    front_end = {
        "kind": "stft",
        "n_fft": config.n_fft,
        "hop_length": config.hop_length,
        "window": config.window,
        "window_periodic": True,
        "centred": False,
        "scaling": "none: rfft(window * latest n_fft samples); samples in -1..1",
        "layout": "real and imaginary part of each bin, last axis",
        "inverse": "irfft of `enhanced`, times the window, overlap-add",
    }
    states = {
        state: {"output": new, "shape": list(graph.inputs[state]), "dtype": "float32", "initial": 0.0}
        for state, new in graph.carried.items()
    }
    ports = {"spectrum": graph.inputs["spectrum"]}
    given = {name: graph.outputs[name] for name in ("enhanced", "gains")}
    return {
        "format": FORMAT,
        "version": VERSION,
        "model": name,
        "sha256": sha256,
        "weights_net": weights.net,
        "licence": str(weights.card.get("licence", "")),
        "sample_rate": config.sample_rate,
        "hop_length": config.hop_length,
        "look_ahead": 0,
        "latency": config.n_fft - config.hop_length,
        "batch_axis": 0,
        "front_end": front_end,
        "inputs": {n: {"shape": list(shape), "dtype": "float32"} for n, shape in ports.items()},
        "outputs": {n: {"shape": list(shape), "dtype": "float32"} for n, shape in given.items()},
        "states": states,
        "net": {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(config).items()},
    }


def to_toml(table: Mapping[str, Any], path: str = "") -> str:
    """A nested mapping of strings, numbers, booleans and lists of them as TOML."""
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    text = "\n".join(([f"[{path}]"] if path and plain else []) + lines) + ("\n" if lines else "")
    inner = [
        to_toml(value, f"{path}.{key}" if path else key)
        for key, value in table.items()
        if isinstance(value, Mapping)
    ]
    return "\n".join([text, *inner] if text else inner)
