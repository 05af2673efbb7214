"""What one frame costs in each kind of layer, on one thread, against the floor of reading its weights.

Each row is timed back to back (warm) and once every 10 ms (paced). The floor is a loop that only
adds up the layer's weights in the order they lie, from its own copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Report, main
from rtaudio.kernels.memory import FAST, STEP, f32, i64
from rtaudio.nn.layers import CausalConv, Dense, Gru, Layer, Lstm
from rtaudio.nn.onnx_step import OnnxStep
from rtaudio.nn.steps_onnx import Graph, add_conv, add_gru, add_lstm
from rtaudio.stream.offline import run_frames
from rtaudio.stream.timing import PERIOD_NS, time_entry, time_python, time_stage

Floats = NDArray[np.float32]


@numba.cfunc(STEP, error_model="numpy", fastmath=FAST["fastmath"])
def read_step(state: int, x: int, out: int) -> None:
    """Words: address and number of float32 to add up into out[0]."""
    words = i64(state, 2)
    values, total = f32(words[0], words[1]), np.float32(0)
    for i in range(words[1]):
        total += values[i]
    f32(out, 1)[0] = total


@dataclass
class Case:
    """One layer in three forms, and its weights."""

    name: str
    layer: Layer
    graph: Callable[[Graph, str], str]
    torch: Callable[[], Callable[[Any], Any]]
    weights: list[Floats]


def _normal(*shape: int) -> Floats:
    rng = np.random.default_rng(sum(shape))
    values: Floats = (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)
    return values


def _tensors(arrays: list[Floats]) -> list[Any]:
    import torch

    return [torch.from_numpy(array) for array in arrays]


def dense(inputs: int, outputs: int) -> Case:
    weights = [_normal(outputs, inputs), _normal(outputs)]

    def make() -> Callable[[Any], Any]:
        import torch

        weight, bias = _tensors(weights)
        return lambda x: torch.nn.functional.linear(x, weight, bias)

    def graph(g: Graph, x: str) -> str:
        return g.dense(x, weights[0], weights[1])

    return Case(f"dense {inputs} → {outputs}", Dense(weights[0], weights[1]), graph, make, weights)


def recurrent(kind: str, inputs: int, hidden: int) -> Case:
    gates = {"LSTM": 4, "GRU": 3}[kind]
    shapes = [(gates * hidden, inputs), (gates * hidden, hidden), (gates * hidden,), (gates * hidden,)]
    weights = [_normal(*shape) for shape in shapes]

    def make() -> Callable[[Any], Any]:
        import torch

        net = getattr(torch.nn, kind)(inputs, hidden)
        with torch.no_grad():
            for parameter, value in zip(net.parameters(), _tensors(weights), strict=True):
                parameter.copy_(value)
        state = None

        def step(x: Any) -> Any:
            nonlocal state
            y, state = net(x, state)
            return y

        return step

    native, add = (Lstm, add_lstm) if kind == "LSTM" else (Gru, add_gru)

    def graph(g: Graph, x: str) -> str:
        return add(g, x, weights)

    layer: Layer = native(weights[0], weights[1], weights[2], weights[3])
    return Case(f"{kind} {inputs} → {hidden}", layer, graph, make, weights)


def conv(channels: int, dilation: int) -> Case:
    weights = [_normal(channels, 1, 3), _normal(channels), _normal(channels, channels), _normal(channels)]

    def make() -> Callable[[Any], Any]:
        import torch

        taps, taps_bias, weight, bias = _tensors(weights)
        past = torch.zeros(1, channels, 2 * dilation)

        def step(x: Any) -> Any:
            nonlocal past
            frames = torch.cat([past, x[:, :, None]], 2)
            past = frames[:, :, 1:]
            y = torch.conv1d(frames, taps, taps_bias, dilation=dilation, groups=channels)[:, :, 0]
            return x + torch.relu(torch.nn.functional.linear(y, weight, bias))

        return step

    def graph(g: Graph, x: str) -> str:
        return add_conv(g, x, weights, dilation)

    layer = CausalConv(weights[0], weights[1], weights[2], weights[3], dilation)
    return Case(f"causal conv {channels}, dilation {dilation}", layer, graph, make, weights)


def floor(case: Case, hops: int, period_ns: int) -> NDArray[np.float64]:
    values = np.concatenate([weight.ravel() for weight in case.weights])
    words = np.array([values.ctypes.data, values.size])
    return time_entry(
        read_step.address,
        words.ctypes.data,
        np.zeros((hops, 1), np.float32),
        np.zeros((hops, 1), np.float32),
        period_ns,
    )


def onnx_step(case: Case) -> OnnxStep:
    graph = Graph()
    x = graph.input("x", 1, case.layer.in_size)
    out = case.graph(graph, x)
    graph.output("y", out, 1, case.layer.out_size)
    return OnnxStep.of(graph)


def peer_errors(case: Case, x: Floats) -> float:
    """Largest difference between ours and either peer over the frames of x."""
    import torch

    case.layer.reset()
    ours, onnx, net = run_frames(case.layer, x), onnx_step(case), case.torch()
    worst = 0.0
    with torch.inference_mode():
        for frame, y in zip(x, ours, strict=True):
            onnx(frame[None])
            theirs = net(torch.from_numpy(frame[None])).numpy()
            worst = max(worst, float(np.abs(onnx.out("y") - y).max()), float(np.abs(theirs - y).max()))
    return worst


def timings(case: Case, x: Floats, period_ns: int) -> Iterator[float]:
    """Median µs a frame: the floor, ours, ONNX Runtime, torch."""
    import torch

    yield float(np.median(floor(case, len(x), period_ns)))
    yield float(np.median(time_stage(case.layer, x, period_ns)[0]))
    onnx, net, frames = onnx_step(case), case.torch(), torch.from_numpy(x)
    yield float(np.median(time_python(lambda k: onnx(x[k : k + 1]), len(x), period_ns)))
    with torch.inference_mode():
        yield float(np.median(time_python(lambda k: net(frames[k : k + 1]), len(x), period_ns)))


def run(report: Report, quick: bool) -> None:
    import torch

    torch.set_num_threads(1)
    frames = 150 if quick else 1000
    columns = [
        "layer",
        "weights",
        "pace",
        "floor µs",
        "rtaudio",
        "onnxruntime",
        "torch",
        "largest difference",
    ]
    table = report.table(f"one frame, median of {frames}", columns)
    cases = [
        dense(256, 256),
        dense(448, 768),
        conv(256, 8),
        recurrent("LSTM", 256, 192),
        recurrent("GRU", 256, 256),
    ]
    for case in cases:
        x = np.random.default_rng(0).standard_normal((frames, case.layer.in_size)).astype(np.float32)
        error, count = peer_errors(case, x[:50]), sum(weight.size for weight in case.weights)
        for pace, period in (("warm", 0), ("paced", PERIOD_NS)):
            costs = list(timings(case, x, period))
            table.row(case.name, count, pace, *costs, error)
            report.goal(f"{case.name}, {pace}: against the faster peer", costs[1] / min(costs[2:]), 1, "<")
        report.goal(f"{case.name}: largest difference from the peers", error, 2e-5)
    report.show(table)


if __name__ == "__main__":
    main(run)
