"""The same layers and the same net as one-step ONNX graphs, for ONNX Runtime as a peer.

State goes in and comes out explicitly. Inputs and outputs are bound once to buffers that are
used again every step, the fastest way ONNX Runtime's Python interface offers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rtaudio.nn.denoise_config import DenoiseConfig, erb_bands

Floats = NDArray[np.float32]


class Graph:
    """Collects nodes, weights, inputs and outputs of a graph whose tensors are all float32."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.inputs: dict[str, tuple[int, ...]] = {}
        self.outputs: dict[str, tuple[int, ...]] = {}
        self.carried: dict[str, str] = {}

    def input(self, name: str, *shape: int) -> str:
        self.inputs[name] = shape
        return name

    def state(self, name: str, *shape: int) -> str:
        """An input that `carry` feeds from an output of the step before; zeros at first."""
        return self.input(name, *shape)

    def carry(self, state: str, value: str) -> None:
        self.carried[state] = value
        self.outputs[value] = self.inputs[state]

    def output(self, name: str, *shape: int) -> None:
        self.outputs[name] = shape

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"const_{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(value, dtype)
        return name

    def node(self, kind: str, *inputs: str, n_outputs: int = 1, **attributes: Any) -> Any:
        names = [f"{kind}_{len(self.nodes)}_{i}" for i in range(n_outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if n_outputs == 1 else names

    def dense(self, x: str, weight: Floats, bias: Floats) -> str:
        """`(1, in)` to `(1, out)`."""
        name: str = self.node("Gemm", x, self.const(weight), self.const(bias), transB=1)
        return name

    def model(self) -> bytes:
        def values(shapes: dict[str, tuple[int, ...]]) -> list[Any]:
            return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]

        initial = [numpy_helper.from_array(v, n) for n, v in self.constants.items()]
        graph = helper.make_graph(self.nodes, "step", values(self.inputs), values(self.outputs), initial)
        opset = helper.make_opsetid("", 17)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
        onnx.checker.check_model(model)
        data: bytes = model.SerializeToString()
        return data


class OnnxStep:
    """Runs a graph step by step on one thread; `x` and `out` are its first input and output."""

    def __init__(self, graph: Graph) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(graph.model(), options, providers=["CPUExecutionProvider"])
        self._session, self._carried = session, graph.carried
        value = onnxruntime.OrtValue.ortvalue_from_numpy
        self.values = {name: np.zeros(shape, np.float32) for name, shape in graph.inputs.items()}
        results = {name: np.zeros(shape, np.float32) for name, shape in graph.outputs.items()}
        # Two bindings with the buffers of each state swapped: what one step writes the next one reads.
        self._bindings, buffers = [], {n: value(v) for n, v in (self.values | results).items()}
        for turn in range(2):
            binding, swapped = session.io_binding(), dict[str, Any]()
            for state, new in self._carried.items():
                swapped |= {state: buffers[new], new: buffers[state]} if turn else {}
            for name in graph.inputs:
                binding.bind_ortvalue_input(name, swapped.get(name, buffers[name]))
            for name in graph.outputs:
                binding.bind_ortvalue_output(name, swapped.get(name, buffers[name]))
            self._bindings.append(binding)
        self._x = buffers[next(iter(graph.inputs))]
        self._out = buffers[next(iter(graph.outputs))]
        self._turn = 0

    def __call__(self, x: Floats) -> None:
        self._x.update_inplace(x)
        self._session.run_with_iobinding(self._bindings[self._turn])
        self._turn ^= 1

    @property
    def out(self) -> Floats:
        return np.array(self._out.numpy())


def _reorder(weight: Floats, gates: str, order: str) -> Floats:
    """Rows of torch's gate order `gates` in ONNX's `order`, with ONNX's leading direction axis."""
    parts = dict(zip(gates, np.split(weight, len(gates)), strict=True))
    return np.concatenate([parts[gate] for gate in order])[None]


def add_lstm(graph: Graph, x: str, weights: list[Floats]) -> str:
    """LSTM step over `(1, inputs)`; weights as torch's. Returns h `(1, hidden)`."""
    hidden = weights[1].shape[1]
    w, r, b_w, b_r = (_reorder(weight, "ifgo", "iofg") for weight in weights)
    h, c = graph.state("h", 1, 1, hidden), graph.state("c", 1, 1, hidden)
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
    h = graph.state("h", 1, 1, hidden)
    row = graph.node("Unsqueeze", x, graph.const([0], np.int64))
    bias = np.concatenate([b_w, b_r], axis=1)
    inputs = [row, graph.const(w), graph.const(r), graph.const(bias), "", h]
    _, new_h = graph.node("GRU", *inputs, n_outputs=2, hidden_size=hidden, linear_before_reset=1)
    graph.carry("h", new_h)
    name: str = graph.node("Squeeze", new_h, graph.const([0], np.int64))
    return name


def add_conv(graph: Graph, x: str, weights: list[Floats], dilation: int, name: str = "past") -> str:
    """Residual causal convolution step over `(1, channels)`; weights as `CausalConv` takes them."""
    taps, taps_bias, weight, bias = weights
    channels, _, kernel_size = taps.shape
    reach = (kernel_size - 1) * dilation
    past = graph.state(name, 1, channels, reach)
    now = graph.node("Unsqueeze", x, graph.const([2], np.int64))
    frames = graph.node("Concat", past, now, axis=2)
    ends = [graph.const([n], np.int64) for n in (1, reach + 1, 2)]
    graph.carry(name, graph.node("Slice", frames, *ends))
    taps_inputs = [frames, graph.const(taps), graph.const(taps_bias)]
    mixed = graph.node("Conv", *taps_inputs, group=channels, dilations=[dilation])
    mixed = graph.dense(graph.node("Squeeze", mixed, graph.const([2], np.int64)), weight, bias)
    out: str = graph.node("Add", x, graph.node("Relu", mixed))
    return out


def denoise_graph(config: DenoiseConfig, tensors: dict[str, Floats]) -> Graph:
    """The denoiser net: spectrum `(1, n_bins, 2)` in, gains `(1, n_bins)` out."""
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
    graph.outputs = {gains: (1, config.n_bins), **graph.outputs}
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
    for name, value in (("mean", level), ("weight", graph.const([[1.0]]))):
        old = graph.node("Mul", graph.state(name, 1, 1), graph.const(decay))
        new = graph.node("Add", old, graph.node("Mul", value, graph.const(1 - decay)))
        graph.carry(name, new)
        news.append(new)
    features: str = graph.node("Sub", bands, graph.node("Div", *news))
    return features
