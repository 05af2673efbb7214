"""The same denoiser run by different engines, each hop timed stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soxr

from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.errors import ConfigError
from rtaudio.nn.denoise import Denoiser
from rtaudio.nn.optional import require
from rtaudio.nn.weights import Weights, digest, find_weights, load_weights
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import NativeStage, Samples, Stage
from rtaudio.stream.timing import HopTimes, NativeTimer, time_calls
from rtaudio.tasks.bench_gpu import GpuBackend
from rtaudio.tasks.demo import load_demo
from rtaudio.tasks.denoise import SAMPLE_RATE, build_denoiser, is_onnx

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


class StageBackend:
    """A stage in Python as a whole, called hop by hop; it holds the interpreter's lock."""

    gil_free = False
    stages: tuple[str, ...] = ("model",)

    def __init__(self, name: str, stage: Stage, hops: Samples) -> None:
        self.name, self._stage, self._hops, self._stopped = name, stage, hops, False
        self._out = np.zeros(stage.out_spec.shape, np.float32)

    def run(self, n_hops: int, period_ns: int) -> HopTimes:
        n = len(self._hops)

        def call(k: int) -> None:
            self._stage.process(self._hops[k % n], self._out)

        return time_calls([call], n_hops, period_ns, lambda: self._stopped)

    def stop(self) -> None:
        self._stopped = True


@dataclass(frozen=True)
class Subject:
    """What is measured.

    - pipeline, pipeline_rate: what the live engine would run; period_ns: between hops of the model.
    - facts: the report's part on the model.
    """

    pipeline: NativeStage
    pipeline_rate: int
    period_ns: int
    backends: list[Backend]
    facts: dict[str, Any]


def denoise_stages(weights: Weights, precision: str = "float32") -> tuple[Analysis, Denoiser, Synthesis]:
    """The stages of a denoiser, new."""
    denoiser = Denoiser.from_weights(weights, precision=precision)
    config = denoiser.config
    sizes = (config.n_fft, config.hop_length, config.window)
    return Analysis(*sizes), denoiser, Synthesis(*sizes)


def _native(weights: Weights, hops: Samples) -> Backend:
    return NativeBackend("native", STAGES, NativeTimer(denoise_stages(weights)), hops)


def _int8(weights: Weights, hops: Samples) -> Backend:
    return NativeBackend("int8", STAGES, NativeTimer(denoise_stages(weights, "int8")), hops)


def _onnx(weights: Weights, hops: Samples) -> Backend:
    require("the backend onnx", "onnx", "onnx", "onnxruntime")
    from rtaudio.nn.denoise_onnx import denoise_graph
    from rtaudio.nn.onnx_step import OnnxStep

    step = OnnxStep.of(denoise_graph(Denoiser.from_weights(weights).config, weights.tensors))

    def net(spectrum: Samples, out: Samples) -> None:
        step(spectrum)
        out[:] = step.out("enhanced")[0]

    return PythonBackend("onnx", weights, net, hops)


def _torch(weights: Weights, hops: Samples) -> Backend:
    require("the backend torch", "train", "torch")
    from rtaudio.nn.denoise_torch import TorchStep

    net = TorchStep(Denoiser.from_weights(weights).config, weights.tensors)
    return PythonBackend("torch", weights, net, hops)


Builders = Mapping[str, Callable[[Weights, Samples], Backend]]

BACKENDS: Builders = {"native": _native, "int8": _int8, "onnx": _onnx, "torch": _torch}
DEVICES: Mapping[str, Builders] = {"cpu": BACKENDS, "cuda": {"torch": GpuBackend}}


def load_model(model: str | Path) -> Weights:
    """A shipped model by name, or a weights file. Raises WeightsError."""
    return load_weights(find_weights(model))


def build_subject(model: str | Path, chosen: Sequence[tuple[str, str]]) -> Subject:
    """A shipped model, a weights file, or an ONNX model, run by these backends on these devices.

    Raises WeightsError, ModelError, MissingLibraryError, or ConfigError for an ONNX model and a
    backend that can't run it.
    """
    if is_onnx(model):
        return _onnx_subject(model, chosen)
    weights = load_model(model)
    stages = denoise_stages(weights)
    config, pipeline = stages[1].config, Pipeline(stages)
    facts = {
        "name": str(model),
        "weights": digest(weights.tensors)[:16],
        "parameters": sum(tensor.size for tensor in weights.tensors.values()),
        "sample_rate": config.sample_rate,
        "hop_length": config.hop_length,
        "latency": pipeline.latency,
    }
    period_ns = round(1e9 * config.hop_length / config.sample_rate)
    backends = [build_backend(name, weights, device) for name, device in chosen]
    return Subject(pipeline, config.sample_rate, period_ns, backends, facts)


def _onnx_subject(model: str | Path, chosen: Sequence[tuple[str, str]]) -> Subject:
    """The whole stage at the model's own rate; its delay as it would be live, resampled and in a worker."""
    if len(chosen) != 1 or chosen[0] not in (("native", "cpu"), ("onnx", "cpu")):
        raise ConfigError(f"{model} is run by ONNX Runtime alone: --backend onnx")
    pipeline = build_denoiser(model)
    from rtaudio.tasks.onnx_model import OnnxStage, load_denoiser

    manifest = load_denoiser(model)
    rate, hop_length = manifest.sample_rate, manifest.hop_length
    noisy = soxr.resample(load_demo().noisy, SAMPLE_RATE, rate).astype(np.float32)
    hops = noisy[: noisy.size // hop_length * hop_length].reshape(-1, hop_length)
    facts = {
        "name": str(model),
        "weights": manifest.nets[0].sha256[:16],
        "parameters": None,
        "sample_rate": rate,
        "hop_length": hop_length,
        "latency": manifest.delay,
    }
    backend = StageBackend("onnx", OnnxStage(manifest), hops)
    return Subject(pipeline, SAMPLE_RATE, round(1e9 * hop_length / rate), [backend], facts)


def build_backend(name: str, weights: Weights, device: str = "cpu") -> Backend:
    """A backend of a device, one of `DEVICES`, with the bundled recording as its input.

    Raises MissingLibraryError where it needs a package that isn't installed, DeviceError where
    there is no such device, WeightsError for weights of another net.
    """
    hop_length = Denoiser.from_weights(weights).config.hop_length
    noisy = load_demo().noisy
    hops = noisy[: noisy.size // hop_length * hop_length].reshape(-1, hop_length)
    return DEVICES[device][name](weights, np.ascontiguousarray(hops))
