"""One hop of a net over speech as an ONNX graph: spectrum in, scores or an embedding out.

With a stride of n hops the graph runs the convolutions every hop, and keeps what they give only every
nth, which a state counts: so a file takes each hop at the same cost, and gives what the native net does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.keywords_config import KeywordConfig
from rtaudio.nn.onnx.graph import Graph, add_conv, add_over_level, block_weights
from rtaudio.nn.speech_config import SpeechConfig, mel_bands

Floats = NDArray[np.float32]


def speech_graph(config: SpeechConfig, tensors: dict[str, Floats]) -> Graph:
    """One hop: `spectrum` `(1, n_bins, 2)` in, `scores` or `embedding` `(1, n_outputs)` out."""
    graph = Graph()
    spectrum = graph.input("spectrum", 1, config.n_bins, 2)
    frames = add_over_level(graph, spectrum, mel_bands(config), config)
    due = keep = ""
    if config.stride > 1:
        frames = _add_gathered(graph, frames, config)
        due = _add_due(graph, config.stride)
        keep = graph.node("Unsqueeze", due, graph.const([2], np.int64))  # for pasts, of three axes
    x = graph.node("Relu", graph.dense(frames, tensors["inp.weight"], tensors["inp.bias"]))
    for i, dilation in enumerate(config.dilations):
        x = add_conv(graph, x, block_weights(tensors, i), dilation, f"past_{i}", keep)
    y = _add_activated(graph, graph.dense(x, tensors["out.weight"], tensors["out.bias"]), config)
    if due:
        y = graph.node("Where", due, y, graph.state("held", 1, config.n_outputs))
        graph.carry("held", graph.node("Identity", y))
    name = "embedding" if isinstance(config, EmbeddingConfig) else "scores"
    labels = config.words if isinstance(config, KeywordConfig) else ()
    graph.output(name, y, 1, config.n_outputs, labels=labels)
    return graph


def _add_gathered(graph: Graph, features: str, config: SpeechConfig) -> str:
    """The latest `stride` frames `(1, stride * n_bands)`, oldest first."""
    size = config.stride * config.n_bands
    past = graph.state("gathered", 1, size - config.n_bands)
    frames: str = graph.node("Concat", past, features, axis=1)
    ends = [graph.const([n], np.int64) for n in (config.n_bands, size, 1)]
    graph.carry("gathered", graph.node("Slice", frames, *ends))
    return frames


def _add_due(graph: Graph, stride: int) -> str:
    """Whether the convolutions have their frames: true on every `stride`th hop."""
    count = graph.node("Add", graph.state("count", 1, 1), graph.const([[1.0]]))
    due: str = graph.node("Equal", count, graph.const([[stride]]))
    graph.carry("count", graph.node("Where", due, graph.const([[0.0]]), count))
    return due


def _add_activated(graph: Graph, y: str, config: SpeechConfig) -> str:
    """sigmoid(y), or y / |y| for an embedding."""
    if isinstance(config, EmbeddingConfig):
        length = graph.node("ReduceL2", y, axes=[1], keepdims=1)
        unit: str = graph.node("Div", y, graph.node("Max", length, graph.const([[1e-6]])))  # zeros stay zeros
        return unit
    scores: str = graph.node("Sigmoid", y)
    return scores
