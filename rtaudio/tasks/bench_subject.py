"""What `rtaudio bench --model` names: one of our nets, or an ONNX model, with all that is measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from rtaudio.dsp.gains import Gain
from rtaudio.errors import ConfigError
from rtaudio.nn.optional import require
from rtaudio.nn.weights import Weights, digest, find_weights, load_weights
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import NativeStage
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.bench_backends import Backend, build_backend, denoise_stages, stage_backend
from rtaudio.tasks.demo import load_demo
from rtaudio.tasks.denoise import SAMPLE_RATE, build_denoiser, is_onnx


@dataclass(frozen=True)
class Subject:
    """A model to be measured.

    - stage, stage_rate: what the live engine would run of the first backend.
    - period_ns: between hops of the model.
    - facts: the report's part on the model.
    """

    stage: NativeStage
    stage_rate: int
    period_ns: int
    backends: list[Backend]
    facts: dict[str, Any]

    @property
    def worker_us(self) -> float:
        """Time that a stage in Python has behind its deadline; 0 where all is native."""
        hops = sum(part.delay_hops for part in self.stage.walk() if isinstance(part, WorkerStage))
        return hops * self.period_ns / 1000


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
    backends = [build_backend(name, weights, device) for name, device in chosen]
    # What Python runs, it runs live behind a deadline, a hop later.
    stage = pipeline if backends[0].gil_free else WorkerStage(pipeline)
    period_ns = round(1e9 * config.hop_length / config.sample_rate)
    return Subject(stage, config.sample_rate, period_ns, backends, facts)


def load_model(model: str | Path) -> Weights:
    """A shipped model by name, or a weights file. Raises WeightsError."""
    return load_weights(find_weights(model))


def _onnx_subject(model: str | Path, chosen: Sequence[tuple[str, str]]) -> Subject:
    """The whole stage at the model's own rate; its delay as it would be live, in a worker.

    A denoiser is resampled to and from the rate of the sound; the numbers of a classifier come a hop
    after the sound that they are of.
    """
    if not {*chosen} <= {("native", "cpu"), ("onnx", "cpu")}:
        raise ConfigError(f"{model} is run by ONNX Runtime alone: --backend onnx")
    require("an ONNX model", "onnx", "onnxruntime")
    from rtaudio.nn.onnx_files import find_manifest
    from rtaudio.tasks.onnx_model import OnnxStage

    manifest = find_manifest(model)
    rate, hop_length = manifest.sample_rate, manifest.hop_length
    onnx = OnnxStage(manifest)
    noisy = soxr.resample(load_demo().noisy, SAMPLE_RATE, rate).astype(np.float32)
    hops = noisy[: noisy.size // hop_length * hop_length].reshape(-1, hop_length)
    facts = {
        "name": str(model),
        "weights": manifest.nets[0].sha256[:16],
        "parameters": None,
        "sample_rate": rate,
        "hop_length": hop_length,
        "latency": onnx.latency,
    }
    backends: list[Backend] = [stage_backend("onnx", onnx, hops)]
    period_ns = round(1e9 * hop_length / rate)
    if manifest.task == "denoise":
        return Subject(build_denoiser(model), SAMPLE_RATE, period_ns, backends, facts)
    return Subject(WorkerStage(Gain(hop_length, 0.0)), rate, period_ns, backends, facts)
