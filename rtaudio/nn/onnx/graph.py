"""The layers as one-step ONNX graphs. State goes in and comes out explicitly."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.onnx.manifest import Net, Port
from rtaudio.nn.speech_config import SpeechConfig

Floats = NDArray[np.float32]

FLOAT32 = "float32"

OPSET, IR_VERSION = 17, 9
"""Opset 17 is the first with all that is used here; ONNX Runtime reads it since 1.12 (2022)."""


class Graph:
    """Collects nodes, weights, inputs and outputs of a graph; all are float32 but states that say so.

    The first input and the first output that is no state carry the hop.
    """

    def __init__(self) -> None:
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.outputs: dict[str, tuple[int, ...]] = {}
        self.carried: dict[str, str] = {}
        self._batch_axes: dict[str, int] = {}
        self._dtypes: dict[str, str] = {}
        self._nodes: list[tuple[str, list[str], list[str], dict[str, Any]]] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._public: dict[str, str] = {}
        self._labels: dict[str, tuple[str, ...]] = {}

    def input(self, name: str, *shape: int) -> str:
        self.inputs[name] = shape
        return name

    def state(self, name: str, *shape: int, batch_axis: int = 0, dtype: str = FLOAT32) -> str:
        """An input that `carry` feeds from an output of the step before; zeros at first."""
        self._batch_axes[name], self._dtypes[name] = batch_axis, dtype
        return self.input(name, *shape)

    def carry(self, state: str, value: str, when: str = "") -> None:
        """Give out `value` as `new_STATE`, for the next step to take in as `state`.

        With `when`, a truth value, the state stays as it was on the steps where that is false.
        """
        if when:
            value = self.node("Where", when, value, state)
        self.carried[state] = f"new_{state}"
        self._dtypes[f"new_{state}"] = self._dtypes[state]
        self.output(f"new_{state}", value, *self.inputs[state])

    def output(self, name: str, value: str, *shape: int, labels: tuple[str, ...] = ()) -> None:
        """Give out the node output `value` under a name of its own; labels: what its numbers stand for."""
        self.outputs[name], self._public[value], self._labels[name] = shape, name, labels

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"const_{len(self._constants)}"
        self._constants[name] = np.ascontiguousarray(value, dtype)
        return name

    def node(self, kind: str, *inputs: str, n_outputs: int = 1, **attributes: Any) -> Any:
        names = [f"{kind}_{len(self._nodes)}_{i}" for i in range(n_outputs)]
        self._nodes.append((kind, list(inputs), names, attributes))
        return names[0] if n_outputs == 1 else names

    def dense(self, x: str, weight: Floats, bias: Floats) -> str:
        """`(1, in)` to `(1, out)`."""
        name: str = self.node("Gemm", x, self.const(weight), self.const(bias), transB=1)
        return name

    def model(self) -> bytes:
        """The checked graph as an ONNX file's contents."""

        def kind(name: str) -> int:
            return helper.np_dtype_to_tensor_dtype(np.dtype(self._dtypes.get(name, FLOAT32)))

        def values(shapes: dict[str, tuple[int, ...]]) -> list[Any]:
            return [helper.make_tensor_value_info(n, kind(n), s) for n, s in shapes.items()]

        def public(names: list[str]) -> list[str]:
            return [self._public.get(name, name) for name in names]

        nodes = [helper.make_node(kind, public(i), public(o), **more) for kind, i, o, more in self._nodes]
        initial = [numpy_helper.from_array(v, n) for n, v in self._constants.items()]
        graph = helper.make_graph(nodes, "step", values(self.inputs), values(self.outputs), initial)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        data: bytes = model.SerializeToString()
        return data

    def net(self, file: str, model: bytes) -> Net:
        """The graph's ports, for a manifest of the file with these contents."""
        hop, *_ = self.inputs
        inputs = [Port(hop, "data", self.inputs[hop], batch_axis=0)]
        inputs += [
            Port(n, "state", self.inputs[n], self._dtypes[n], self._batch_axes[n], source=new)
            for n, new in self.carried.items()
        ]
        given = [name for name in self.outputs if name not in self.carried.values()]
        outputs = [
            Port(n, "side" if i else "data", self.outputs[n], labels=self._labels[n])
            for i, n in enumerate(given)
        ]
        return Net(file, hashlib.sha256(model).hexdigest(), tuple(inputs), tuple(outputs))


def _reorder(weight: Floats, gates: str, order: str) -> Floats:
    """Rows of torch's gate order `gates` in ONNX's `order`, with ONNX's leading direction axis."""
    parts = dict(zip(gates, np.split(weight, len(gates)), strict=True))
    return np.concatenate([parts[gate] for gate in order])[None]


def add_lstm(graph: Graph, x: str, weights: list[Floats]) -> str:
    """LSTM step over `(1, inputs)`; weights as torch's. Returns h `(1, hidden)`."""
    hidden = weights[1].shape[1]
    w, r, b_w, b_r = (_reorder(weight, "ifgo", "iofg") for weight in weights)
    h, c = (graph.state(name, 1, 1, hidden, batch_axis=1) for name in ("h", "c"))
    row = graph.node("Unsqueeze", x, graph.const([0], np.int64))
    bias = np.concatenate([b_w, b_r], axis=1)
    inputs = [row, graph.const(w), graph.const(r), graph.const(bias), "", h, c]
    _, new_h, new_c = graph.node("LSTM", *inputs, n_outputs=3, hidden_size=hidden)
    graph.carry("h", new_h)
    graph.carry("c", new_c)
    name: str = graph.node("Squeeze", new_h, graph.const([0], np.int64))
    return name


def add_gru(graph: Graph, x: str, weights: list[Floats]) -> str:
    """GRU step over `(1, inputs)`; weights as torch's. Returns h `(1, hidden)`."""
    hidden = weights[1].shape[1]
    w, r, b_w, b_r = (_reorder(weight, "rzn", "zrn") for weight in weights)
    h = graph.state("h", 1, 1, hidden, batch_axis=1)
    row = graph.node("Unsqueeze", x, graph.const([0], np.int64))
    bias = np.concatenate([b_w, b_r], axis=1)
    inputs = [row, graph.const(w), graph.const(r), graph.const(bias), "", h]
    _, new_h = graph.node("GRU", *inputs, n_outputs=2, hidden_size=hidden, linear_before_reset=1)
    graph.carry("h", new_h)
    name: str = graph.node("Squeeze", new_h, graph.const([0], np.int64))
    return name


def add_mingru(graph: Graph, x: str, weight: Floats, bias: Floats, name: str = "h") -> str:
    """Residual minGRU step over `(1, channels)`; weights as `MinGru` takes them."""
    z, n = graph.node("Split", graph.dense(x, weight, bias), axis=1, n_outputs=2)
    h = graph.state(name, 1, weight.shape[1])
    change = graph.node("Mul", graph.node("Sigmoid", z), graph.node("Sub", graph.node("Tanh", n), h))
    new = graph.node("Add", h, change)
    graph.carry(name, new)
    out: str = graph.node("Add", x, new)
    return out


def add_conv(
    graph: Graph, x: str, weights: list[Floats], dilation: int, name: str = "past", when: str = ""
) -> str:
    """Residual causal convolution step over `(1, channels)`; weights as `CausalConv` takes them.

    With `when`, a truth value, x joins the past only on the steps where that is true.
    """
    taps, taps_bias, weight, bias = weights
    channels, _, kernel_size = taps.shape
    reach = (kernel_size - 1) * dilation
    past = graph.state(name, 1, channels, reach)
    now = graph.node("Unsqueeze", x, graph.const([2], np.int64))
    frames = graph.node("Concat", past, now, axis=2)
    ends = [graph.const([n], np.int64) for n in (1, reach + 1, 2)]
    graph.carry(name, graph.node("Slice", frames, *ends), when)
    taps_inputs = [frames, graph.const(taps), graph.const(taps_bias)]
    mixed = graph.node("Conv", *taps_inputs, group=channels, dilations=[dilation])
    mixed = graph.dense(graph.node("Squeeze", mixed, graph.const([2], np.int64)), weight, bias)
    out: str = graph.node("Add", x, graph.node("Relu", mixed))
    return out


def block_weights(tensors: Mapping[str, Floats], i: int) -> list[Floats]:
    """Weights of the net's convolution block i, as `add_conv` takes them."""
    parts = ("depthwise.weight", "depthwise.bias", "pointwise.weight", "pointwise.bias")
    taps, taps_bias, weight, bias = (tensors[f"blocks.{i}.{part}"] for part in parts)
    return [taps, taps_bias, weight[:, :, 0], bias]


def add_over_level(graph: Graph, spectrum: str, bands: Floats, config: DenoiseConfig | SpeechConfig) -> str:
    """Log powers `(1, n_bands)` of a spectrum `(1, n_bins, 2)` over their running mean.

    In float64, states too, as the native net: a float32 logarithm near -10 is off by 1e-6, and a float32
    mean that goes on by 1/150 a hop stops many roundings short of a level that stays, for which a
    trained net gave 4e-5 more.
    """
    decay = config.level_decay
    power = graph.node("ReduceSumSquare", spectrum, axes=[2], keepdims=0)
    logs = graph.node("MatMul", power, graph.const(bands.T))
    logs = graph.node("Cast", logs, to=TensorProto.DOUBLE)
    logs = graph.node("Log", graph.node("Add", logs, graph.const(config.power_floor, np.float64)))
    logs = graph.node("Mul", logs, graph.const(1 / np.log(10), np.float64))
    level = graph.node("ReduceMean", logs, axes=[1], keepdims=1)
    news = []
    for name, value in (("level_mean", level), ("level_weight", graph.const([[1.0]], np.float64))):
        state = graph.state(name, 1, 1, dtype="float64")
        old = graph.node("Mul", state, graph.const(decay, np.float64))
        news.append(graph.node("Add", old, graph.node("Mul", value, graph.const(1 - decay, np.float64))))
        graph.carry(name, news[-1])
    features = graph.node("Sub", logs, graph.node("Div", *news))
    narrow: str = graph.node("Cast", features, to=TensorProto.FLOAT)
    return narrow
