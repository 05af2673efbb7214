"""One hop of the denoiser net as an ONNX graph: spectrum in, spectrum out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtaudio.nn.denoise import LSTM_PARTS
from rtaudio.nn.denoise_config import DenoiseConfig, erb_bands
from rtaudio.nn.onnx.graph import Graph, add_conv, add_lstm, add_mingru, add_over_level, block_weights

Floats = NDArray[np.float32]


def denoise_graph(config: DenoiseConfig, tensors: dict[str, Floats]) -> Graph:
    """One hop of the net: `spectrum` `(1, n_bins, 2)` in, `enhanced` of that shape and `gains` out."""
    graph = Graph()
    spectrum = graph.input("spectrum", 1, config.n_bins, 2)
    features = add_over_level(graph, spectrum, erb_bands(config), config)
    x = graph.node("Relu", graph.dense(features, tensors["inp.weight"], tensors["inp.bias"]))
    for i, dilation in enumerate(config.dilations):
        x = add_conv(graph, x, block_weights(tensors, i), dilation, f"past_{i}")
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
