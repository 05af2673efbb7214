"""The same denoiser run by different engines, each hop timed stage by stage."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import soxr

from rtaudio.errors import ModelError
from rtaudio.nn.denoise import Denoiser
from rtaudio.nn.optional import require
from rtaudio.nn.torch.threads import use_one_thread
from rtaudio.nn.weights import Weights
from rtaudio.stream.batch import batched
from rtaudio.stream.stage import NativeStage, Samples, Stage
from rtaudio.stream.timing import CallTimer, DueTimer, HopTimes, NativeTimer, call_overhead_ns, overhead_ns
from rtaudio.tasks.demo import SAMPLE_RATE, load_demo
from rtaudio.tasks.denoise import denoise_stages

if TYPE_CHECKING:
    from rtaudio.nn.torch.denoise_stream import DenoiseStream

STAGES: tuple[str, ...] = ("STFT", "net", "inverse STFT")

Net = Callable[[Samples, Samples], None]
"""`net(spectrum, out)`, both `(n_bins, 2)`."""


class Backend(Protocol):
    """Something whose hops can be timed.

    `error` says why a run ended early; as in `CallTimer`, `busy_since`, `so_far` and `stop` are for
    another thread.
    """

    name: str
    gil_free: bool
    stages: tuple[str, ...]

    @property
    def error(self) -> Exception | None: ...

    @property
    def busy_since(self) -> float: ...

    def run(self, n_hops: int, period_ns: int) -> HopTimes: ...

    def so_far(self) -> HopTimes: ...

    def stop(self) -> None: ...

    def overhead_ns(self) -> float: ...


def not_finite(hop: int) -> ModelError:
    """What a backend's hop gave that no loudspeaker may get."""
    return ModelError(f"gave NaN or infinity at hop {hop}")


class NativeBackend:
    """Native stages, as the live engine runs them."""

    gil_free = True

    def __init__(
        self, name: str, stages: tuple[str, ...], native: Sequence[NativeStage], hops: Samples
    ) -> None:
        self.name, self.stages = name, stages
        self.error: Exception | None = None
        self._timer, self._hops, self._done = NativeTimer(native), hops, 0
        self._out = np.zeros((len(hops), native[-1].out_spec.size), np.float32)

    @property
    def busy_since(self) -> float:
        return self._timer.busy_since

    def run(self, n_hops: int, period_ns: int) -> HopTimes:
        self._out.fill(0.0)
        marks = self._timer.run(self._hops, n_hops, period_ns, self._out).marks
        good = self._good(len(marks))
        if good < len(marks):
            self.error = not_finite(self._done + good)
        self._done += good
        return HopTimes(marks[:good], period_ns)

    def _good(self, n: int) -> int:
        """Hops of n before the first whose output shows NaN or infinity. Told after the run, natively
        nothing being done between hops; of what was gone through again, the last time is seen."""
        bad = np.flatnonzero(~np.isfinite(self._out).all(1))
        rows = len(self._out)
        return int((bad + (n - 1 - bad) // rows * rows).min()) if bad.size else n

    def so_far(self) -> HopTimes:
        return self._timer.so_far()

    def stop(self) -> None:
        self._timer.stop()

    def overhead_ns(self) -> float:
        return overhead_ns(len(self.stages))


class PythonBackend:
    """What a timer calls in Python, and leaves its result in `out`: infinity or NaN there is an error."""

    gil_free = False
    _timer: CallTimer

    def __init__(self, name: str, stages: tuple[str, ...], out: Samples) -> None:
        self.name, self.stages, self._out, self._done = name, stages, out, 0

    @property
    def error(self) -> Exception | None:
        return self._timer.error

    @property
    def busy_since(self) -> float:
        return self._timer.busy_since

    def run(self, n_hops: int, period_ns: int) -> HopTimes:
        times = self._timer.run(n_hops, period_ns)
        self._done += len(times.marks)
        return times

    def _check(self, k: int) -> None:
        if not np.isfinite(self._out).all():
            raise not_finite(self._done + k)

    def so_far(self) -> HopTimes:
        return self._timer.so_far()

    def stop(self) -> None:
        self._timer.stop()

    def overhead_ns(self) -> float:
        return call_overhead_ns(len(self.stages))


class CallBackend(PythonBackend):
    """Python calls in a row, a stage each. They hold the interpreter's lock."""

    def __init__(
        self,
        name: str,
        stages: tuple[str, ...],
        calls: Sequence[Callable[[int], object]],
        out: Samples,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name, stages, out)
        self._timer = CallTimer(calls, self._check, begin)


class AheadBackend(PythonBackend):
    """One stream on a GPU as a worker runs it: hops are launched before they come, by Python, and handed
    over by compiled code, which also times them."""

    def __init__(self, name: str, stream: DenoiseStream, hops: Samples) -> None:
        out = np.zeros(stream.out_spec.shape, np.float32)
        super().__init__(name, ("hop, host to host",), out)
        self._stream = stream

        def call(k: int, due_ns: int) -> tuple[int, int]:
            return stream.process_at(hops[k % len(hops)], out, due_ns)

        self._timer = DueTimer(call, check=self._check, begin=stream.prepare)

    def run(self, n_hops: int, period_ns: int) -> HopTimes:
        times = super().run(n_hops, period_ns)
        self._stream.settle()
        return times

    def _check(self, k: int) -> None:
        super()._check(k)
        self._stream.prepare()


def stage_backend(name: str, stage: Stage, hops: Samples, what: str = "model") -> CallBackend:
    """A stage in Python as a whole."""
    out = np.zeros(stage.out_spec.shape, np.float32)
    calls = [lambda k: stage.process(hops[k % len(hops)], out)]
    return CallBackend(name, (what,), calls, out)


Part = Callable[[Samples, Samples], None]
"""Part of what a stage does to a hop, into its output."""


def parts_backend(
    name: str, parts: Sequence[tuple[str, Part]], out_shape: tuple[int, ...], hops: Samples
) -> CallBackend:
    """A stage in Python, each part of it timed: given by what it is called."""
    out = np.zeros(out_shape, np.float32)

    def call(part: Part) -> Callable[[int], object]:
        return lambda k: part(hops[k % len(hops)], out)

    return CallBackend(name, tuple(what for what, _ in parts), [call(part) for _, part in parts], out)


APART_HOPS = 100
"""Streams are the same recording, each so many hops further on: they don't need the same at a time."""


def batch_backend(stage: NativeStage, streams: int, hops: Samples) -> Backend:
    """So many of a native stage in one native step (`stream.batch`)."""
    rows = max(1, min(100, 25_600 // streams))  # 50 MB in hops of 480
    places = (np.arange(rows)[:, None] + APART_HOPS * np.arange(streams)) % len(hops)
    x = np.ascontiguousarray(hops[places].reshape(rows, -1))
    return NativeBackend(f"{streams} streams", ("step",), [batched(stage, streams)], x)


def turns_backend(stage: Stage, streams: int, hops: Samples) -> Backend:
    """So many copies of a stage in Python, called one after the other each hop."""
    stages = [copy.deepcopy(stage) for _ in range(streams)]
    out = np.zeros((streams, *stage.out_spec.shape), np.float32)

    def hop(k: int) -> None:
        for i, one in enumerate(stages):
            one.process(hops[(k + APART_HOPS * i) % len(hops)], out[i])

    return CallBackend(f"{streams} streams", ("streams",), [hop], out)


def net_backend(
    name: str, weights: Weights, net: Net, hops: Samples, begin: Callable[[], None] = lambda: None
) -> CallBackend:
    """A net that Python calls, between our own STFT and inverse."""
    analysis, _, synthesis = denoise_stages(weights)
    spectrum, enhanced = np.zeros((2, *analysis.out_spec.shape), np.float32)
    out = np.zeros(hops.shape[1], np.float32)
    calls: list[Callable[[int], object]] = [
        lambda k: analysis.process(hops[k % len(hops)], spectrum),
        lambda k: net(spectrum, enhanced),
        lambda k: synthesis.process(enhanced, out),
    ]
    return CallBackend(name, STAGES, calls, out, begin)


def _native(weights: Weights, hops: Samples) -> Backend:
    return NativeBackend("native", STAGES, denoise_stages(weights), hops)


def _int8(weights: Weights, hops: Samples) -> Backend:
    return NativeBackend("int8", STAGES, denoise_stages(weights, "int8"), hops)


def _onnx(weights: Weights, hops: Samples) -> Backend:
    require("the backend onnx", "onnx", "onnx", "onnxruntime")
    from rtaudio.nn.onnx.denoise import denoise_graph
    from rtaudio.nn.onnx.step import OnnxStep

    step = OnnxStep.of(denoise_graph(Denoiser.from_weights(weights).config, weights.tensors))

    def net(spectrum: Samples, out: Samples) -> None:
        step(spectrum)
        out[:] = step.out("enhanced")[0]

    return net_backend("onnx", weights, net, hops)


def _torch(weights: Weights, hops: Samples) -> Backend:
    require("the backend torch", "train", "torch")
    from rtaudio.nn.torch.denoise import TorchStep

    net = TorchStep(Denoiser.from_weights(weights).config, weights.tensors)
    return net_backend("torch", weights, net, hops, use_one_thread)


def _gpu(weights: Weights, hops: Samples) -> Backend:
    """A hop from host memory to host memory, as `rtaudio denoise --device cuda` runs it."""
    require("the backend torch", "gpu", "torch")
    from rtaudio.nn.torch.cuda import cuda_device
    from rtaudio.nn.torch.denoise_stream import live_stream

    return AheadBackend("torch, cuda", live_stream(weights, cuda_device()), hops)


Builders = Mapping[str, Callable[[Weights, Samples], Backend]]

BACKENDS: Builders = {"native": _native, "int8": _int8, "onnx": _onnx, "torch": _torch}
DEVICES: Mapping[str, Builders] = {"cpu": BACKENDS, "cuda": {"torch": _gpu}}


def demo_hops(hop_length: int, sample_rate: int = SAMPLE_RATE) -> Samples:
    """The bundled recording in hops `(n, hop_length)`, what is left over at its end cut off."""
    noisy = load_demo().noisy
    if sample_rate != SAMPLE_RATE:
        noisy = soxr.resample(noisy, SAMPLE_RATE, sample_rate).astype(np.float32)
    return np.ascontiguousarray(noisy[: noisy.size // hop_length * hop_length].reshape(-1, hop_length))


def build_backend(name: str, weights: Weights, device: str = "cpu") -> Backend:
    """A backend of a device, one of `DEVICES`, with the bundled recording as its input.

    Raises MissingLibraryError where it needs a package that isn't installed, DeviceError where
    there is no such device, WeightsError for weights of another net.
    """
    hop_length = Denoiser.from_weights(weights).config.hop_length
    return DEVICES[device][name](weights, demo_hops(hop_length))
