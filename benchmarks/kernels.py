"""What one frame costs in each kind of layer, on one thread, against the floor of reading its weights.

Each row is timed back to back (warm) and once every 10 ms (paced). A floor is a loop that only adds up
as many bytes as the weights have, in eight registers, in the order they lie: float32 and int8 weights have
one each. Int8 errors are those of the layer's products for the same frames, as shares of their stated bound
(`rtaudio.nn.product.error_bound`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Report, main
from rtaudio.kernels.memory import STEP, i64
from rtaudio.kernels.simd import load, splat16, store
from rtaudio.kernels.simd_int8 import DOT4_KIND
from rtaudio.nn.layers import CausalConv, Dense, Gru, Layer, Lstm, MinGru
from rtaudio.nn.onnx.graph import Graph, add_conv, add_gru, add_lstm, add_mingru
from rtaudio.nn.onnx.step import OnnxStep
from rtaudio.nn.product import FLOAT32, Product, error_bound
from rtaudio.stream.offline import run_frames
from rtaudio.stream.slab import aligned_bytes
from rtaudio.stream.timing import PERIOD_NS, time_entry, time_python, time_stage

Floats = NDArray[np.float32]


FORMS = {"float32": FLOAT32, "int8 weights": ("int8-weights",), "int8": ("int8",)}
READS = 8  # registers of 64 bytes
TURNS = 5

Timer = Callable[[int, int], NDArray[np.float64]]


@numba.cfunc(STEP, error_model="numpy")
def read_step(state: int, x: int, out: int) -> None:
    """Words: address and size in bytes, whole multiples of READS registers, to add up into out[:16]."""
    words = i64(state, 2)
    zero = splat16(np.float32(0))
    a, b, c, d, e, f, g, h = zero, zero, zero, zero, zero, zero, zero, zero
    for at in range(words[0], words[0] + words[1], 64 * READS):
        a, b = a + load(at, zero), b + load(at + 64, zero)
        c, d = c + load(at + 128, zero), d + load(at + 192, zero)
        e, f = e + load(at + 256, zero), f + load(at + 320, zero)
        g, h = g + load(at + 384, zero), h + load(at + 448, zero)
    store(out, ((a + b) + (c + d)) + ((e + f) + (g + h)))


@dataclass
class Case:
    """One layer, how to build it here and elsewhere, and its weights."""

    name: str
    make: Callable[[Sequence[str]], Layer]
    graph: Callable[[Graph, str], str]
    torch: Callable[[], Callable[[Any], Any]]
    weights: list[Floats]

    @property
    def matrices(self) -> list[Floats]:
        """The weights that are most of the layer: those of its products."""
        return [weight for weight in self.weights if weight.ndim == 2]


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

    def layer(precisions: Sequence[str]) -> Layer:
        return Dense(weights[0], weights[1], precisions=precisions)

    return Case(f"dense {inputs} → {outputs}", layer, graph, make, weights)


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

    def layer(precisions: Sequence[str]) -> Layer:
        return native(weights[0], weights[1], weights[2], weights[3], precisions)

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

    def layer(precisions: Sequence[str]) -> Layer:
        return CausalConv(weights[0], weights[1], weights[2], weights[3], dilation, precisions)

    return Case(f"causal conv {channels}, dilation {dilation}", layer, graph, make, weights)


def mingru(channels: int) -> Case:
    weights = [_normal(2 * channels, channels), _normal(2 * channels)]

    def make() -> Callable[[Any], Any]:
        import torch

        weight, bias = _tensors(weights)
        h = torch.zeros(1, channels)

        def step(x: Any) -> Any:
            nonlocal h
            z, n = torch.nn.functional.linear(x, weight, bias).chunk(2, 1)
            h = torch.lerp(h, n.tanh(), z.sigmoid())
            return x + h

        return step

    def graph(g: Graph, x: str) -> str:
        return add_mingru(g, x, weights[0], weights[1])

    def layer(precisions: Sequence[str]) -> Layer:
        return MinGru(weights[0], weights[1], precisions)

    return Case(f"minGRU {channels}", layer, graph, make, weights)


def floor(case: Case, bytes_each: int, hops: int, period_ns: int) -> NDArray[np.float64]:
    """Time to read the case's weights once, the matrices' of that many bytes each, others of four."""
    size = sum(weight.size * (bytes_each if weight.ndim == 2 else 4) for weight in case.weights)
    values = aligned_bytes(-(-size // (64 * READS)) * 64 * READS).view(np.float32)
    values[:] = 1
    words, out = np.array([values.ctypes.data, values.nbytes]), np.zeros((hops, 16), np.float32)
    spent = time_entry(read_step.address, words.ctypes.data, np.zeros((hops, 1), np.float32), out, period_ns)
    if not np.all(out.sum(1) == values.size):  # an optimiser that sees through the loop would skip it
        raise AssertionError("the floor did not read all weights")
    return spent


def onnx_step(case: Case) -> OnnxStep:
    graph = Graph()
    layer = case.make(FLOAT32)
    x = graph.input("x", 1, layer.in_size)
    out = case.graph(graph, x)
    graph.output("y", out, 1, layer.out_size)
    return OnnxStep.of(graph)


def peer_errors(case: Case, x: Floats) -> float:
    """Largest difference between ours and either peer over the frames of x."""
    import torch

    ours, onnx, net = run_frames(case.make(FLOAT32), x), onnx_step(case), case.torch()
    worst = 0.0
    with torch.inference_mode():
        for frame, y in zip(x, ours, strict=True):
            onnx(frame[None])
            theirs = net(torch.from_numpy(frame[None])).numpy()
            worst = max(worst, float(np.abs(onnx.out("y") - y).max()), float(np.abs(theirs - y).max()))
    return worst


def int8_error(case: Case, precision: str, frames: int) -> float:
    """Largest error of the layer's products in that precision, as a share of its bound."""
    worst = 0.0
    for matrix in case.matrices:
        x = np.random.default_rng(1).standard_normal((frames, matrix.shape[1])).astype(np.float32)
        got = run_frames(Product(matrix, np.zeros(len(matrix), np.float32), (precision,)), x)[
            :, : len(matrix)
        ]
        off = np.abs(got - x.astype(np.float64) @ matrix.T)
        bound = np.array([error_bound(matrix, frame, precision) for frame in x])
        worst = max(worst, float((off / bound).max()))
    return worst


def timers(case: Case, x: Floats) -> dict[str, Timer]:
    """For each column, how to time some frames."""
    import torch

    forms = {name: case.make(precisions) for name, precisions in FORMS.items()}
    onnx, net, frames = onnx_step(case), case.torch(), torch.from_numpy(x)

    def torch_step(k: int) -> None:
        with torch.inference_mode():
            net(frames[k : k + 1])

    def native(layer: Layer) -> Timer:
        return lambda hops, period: time_stage(layer, x[:hops], period)[0]

    return {
        "floor f32": lambda hops, period: floor(case, 4, hops, period),
        "float32": native(forms["float32"]),
        "floor int8": lambda hops, period: floor(case, 1, hops, period),
        "int8 weights": native(forms["int8 weights"]),
        "int8": native(forms["int8"]),
        "onnxruntime": lambda hops, period: time_python(lambda k: onnx(x[k : k + 1]), hops, period),
        "torch": lambda hops, period: time_python(torch_step, hops, period),
    }


def timings(case: Case, x: Floats, period_ns: int) -> dict[str, float]:
    """Mean µs a frame of each column's middle half, in turns: what else the machine does hits all of them.

    Not the median: this machine's clock may tick every 10 ns, and the smallest layers take ten ticks.
    """
    spent: dict[str, list[NDArray[np.float64]]] = {}
    there = timers(case, x)
    for name, timer in list(there.items()) * TURNS:
        spent.setdefault(name, []).append(timer(len(x) // TURNS, period_ns))
    return {name: middle_mean(np.concatenate(parts)) for name, parts in spent.items()}


def middle_mean(values: NDArray[np.float64]) -> float:
    """Mean of what lies between the quartiles."""
    ordered = np.sort(values)
    return float(ordered[len(ordered) // 4 : -(-3 * len(ordered) // 4)].mean())


def sizes() -> list[Case]:
    """Each kind of layer in three sizes: in the first-level cache, in the second, in neither."""
    return [
        *(dense(*shape) for shape in ((96, 96), (256, 256), (448, 768))),
        *(conv(channels, 8) for channels in (96, 256, 512)),
        *(recurrent("LSTM", *shape) for shape in ((64, 64), (128, 128), (256, 192))),
        *(mingru(channels) for channels in (96, 256, 384)),
        *(recurrent("GRU", *shape) for shape in ((64, 64), (128, 128), (256, 256))),
    ]


def run(report: Report, quick: bool) -> None:
    import torch

    torch.set_num_threads(1)
    counts = {"warm": 200, "paced": 30} if quick else {"warm": 2000, "paced": 200}
    names = ["floor f32", "float32", "floor int8", "int8 weights", "int8", "onnxruntime", "torch"]
    columns = ["layer", "weights", "pace", *names, "f32 off", "int8 weights off", "int8 off"]
    title = f"one frame, mean µs of the middle half of {counts['warm']} warm and {counts['paced']} paced"
    table, cases = report.table(title, columns), sizes()
    worst = dict.fromkeys(["peer", "off", "int8 off"], 0.0)
    for case in cases:
        size, weights = case.make(FLOAT32).in_size, sum(weight.size for weight in case.weights)
        x = np.random.default_rng(0).standard_normal((counts["warm"], size)).astype(np.float32)
        error = peer_errors(case, x[:50])
        shares = [int8_error(case, precision, 20) for precision in ("int8-weights", "int8")]
        worst["off"], worst["int8 off"] = max(worst["off"], error), max(worst["int8 off"], *shares)
        for pace, period in (("warm", 0), ("paced", PERIOD_NS)):
            times = timings(case, x[: counts[pace]], period)
            table.row(case.name, weights, pace, *(times[name] for name in names), error, *shares)
            over_peer = times["float32"] / min(times["onnxruntime"], times["torch"])
            worst["peer"] = max(worst["peer"], over_peer)
            over_floor = times["float32"] / times["floor f32"]
            report.goal(f"{case.name}, {pace}: float32 over its floor", over_floor, 1.5)
    report.show(table)
    report.note(f"off: float32 from its peers; int8 as a share of its bound. Products of bytes: {DOT4_KIND}")
    report.goal("float32 over the faster peer, at worst", worst["peer"], 1, "<")
    report.goal("float32 off its peers, at worst", worst["off"], 2e-5)
    report.goal("int8 errors over their bound, at worst", worst["int8 off"], 1)


if __name__ == "__main__":
    main(run)
