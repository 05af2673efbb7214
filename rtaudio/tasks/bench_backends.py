"""The same denoiser run by different engines, each hop timed stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.nn.denoise import Denoiser
from rtaudio.nn.optional import require
from rtaudio.nn.weights import Weights, find_weights, load_weights
from rtaudio.stream.stage import Samples
from rtaudio.stream.timing import HopTimes, NativeTimer, time_calls
from rtaudio.tasks.bench_gpu import GpuBackend
from rtaudio.tasks.demo import load_demo

STAGES: tuple[str, ...] = ("STFT", "net", "inverse STFT")

Net = Callable[[Samples, Samples], None]
"""`net(spectrum, out)`, both `(n_bins, 2)`."""


class Backend(Protocol):
    """Something whose hops can be timed. `stop`, from another thread, ends a run soon."""

    name: str
    gil_free: bool
    stages: tuple[str, ...]

    def run(self, n_hops: int, period_ns: int) -> HopTimes: ...

    def stop(self) -> None: ...


class NativeBackend:
    """Native stages, as the live engine runs them."""

    gil_free = True

    def __init__(self, name: str, stages: tuple[str, ...], timer: NativeTimer, hops: Samples) -> None:
        self.name, self.stages, self._timer, self._hops = name, stages, timer, hops
        self._out = np.zeros((len(hops), timer.stages[-1].out_spec.size), np.float32)

    def run(self, n_hops: int, period_ns: int) -> HopTimes:
        return self._timer.run(self._hops, n_hops, period_ns, self._out)

    def stop(self) -> None:
        self._timer.stop()


class PythonBackend:
    """A net that Python calls, between our own STFT and inverse; it holds the interpreter's lock."""

    gil_free = False
    stages = STAGES

    def __init__(self, name: str, weights: Weights, net: Net, hops: Samples) -> None:
        self.name, self._net, self._hops, self._stopped = name, net, hops, False
        self._analysis, _, self._synthesis = denoise_stages(weights)
        self._spectrum, self._enhanced = np.zeros((2, *self._analysis.out_spec.shape), np.float32)
        self._out = np.zeros(hops.shape[1], np.float32)

    def run(self, n_hops: int, period_ns: int) -> HopTimes:
        n = len(self._hops)
        calls: list[Callable[[int], object]] = [
            lambda k: self._analysis.process(self._hops[k % n], self._spectrum),
            lambda k: self._net(self._spectrum, self._enhanced),
            lambda k: self._synthesis.process(self._enhanced, self._out),
        ]
        return time_calls(calls, n_hops, period_ns, lambda: self._stopped)

    def stop(self) -> None:
        self._stopped = True


def denoise_stages(weights: Weights) -> tuple[Analysis, Denoiser, Synthesis]:
    """The stages of a denoiser, new."""
    denoiser = Denoiser.from_weights(weights)
    config = denoiser.config
    sizes = (config.n_fft, config.hop_length, config.window)
    return Analysis(*sizes), denoiser, Synthesis(*sizes)


def _native(weights: Weights, hops: Samples) -> Backend:
    return NativeBackend("native", STAGES, NativeTimer(denoise_stages(weights)), hops)


def _onnx(weights: Weights, hops: Samples) -> Backend:
    require("the backend onnx", "onnx", "onnx", "onnxruntime")
    from rtaudio.nn.denoise_onnx import denoise_graph
    from rtaudio.nn.steps_onnx import OnnxStep

    step = OnnxStep.of(denoise_graph(Denoiser.from_weights(weights).config, weights.tensors))

    def net(spectrum: Samples, out: Samples) -> None:
        step(spectrum[None])
        out[:] = step.out("enhanced")[0]

    return PythonBackend("onnx", weights, net, hops)


def _torch(weights: Weights, hops: Samples) -> Backend:
    require("the backend torch", "train", "torch")
    from rtaudio.nn.denoise_torch import TorchStep

    net = TorchStep(Denoiser.from_weights(weights).config, weights.tensors)
    return PythonBackend("torch", weights, net, hops)


Builders = Mapping[str, Callable[[Weights, Samples], Backend]]

BACKENDS: Builders = {"native": _native, "onnx": _onnx, "torch": _torch}
DEVICES: Mapping[str, Builders] = {"cpu": BACKENDS, "cuda": {"torch": GpuBackend}}


def load_model(model: str | Path) -> Weights:
    """A shipped model by name, or a weights file. Raises WeightsError."""
    return load_weights(find_weights(model))


def build_backend(name: str, weights: Weights, device: str = "cpu") -> Backend:
    """A backend of a device, one of `DEVICES`, with the bundled recording as its input.

    Raises MissingLibraryError where it needs a package that isn't installed, DeviceError where
    there is no such device, WeightsError for weights of another net.
    """
    hop_length = Denoiser.from_weights(weights).config.hop_length
    noisy = load_demo().noisy
    hops = noisy[: noisy.size // hop_length * hop_length].reshape(-1, hop_length)
    return DEVICES[device][name](weights, np.ascontiguousarray(hops))
