"""What `rtaudio bench --model` names: one of our nets, or an ONNX model, with all that is measured of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rtaudio.dsp.gains import Gain
from rtaudio.dsp.stft import Analysis
from rtaudio.errors import ConfigError
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.listeners import LISTENERS
from rtaudio.nn.optional import require
from rtaudio.nn.speech import LIVE
from rtaudio.nn.speech_config import SpeechConfig
from rtaudio.nn.weights import Weights, digest, find_weights, load_weights
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import NativeStage
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.bench_backends import (
    Backend,
    NativeBackend,
    batch_backend,
    build_backend,
    demo_hops,
    parts_backend,
    turns_backend,
)
from rtaudio.tasks.denoise import SAMPLE_RATE, build_denoiser, denoise_stages, is_onnx

TOGETHER, IN_TURN = "in one step", "one after the other"


@dataclass(frozen=True)
class Subject:
    """A model to be measured.

    - stage, stage_rate: what the live engine would run of the first backend.
    - period_ns: between hops of the model.
    - facts: the report's part on the model.
    - anew: its native step as a backend of its own; None where the file fixes the hop.
    - many: a backend of so many streams; many_is says how they share a hop, `TOGETHER` or `IN_TURN`.
    - denoises: what goes in comes out cleaner; otherwise it passes, and the model tells numbers of it.
    """

    stage: NativeStage
    stage_rate: int
    period_ns: int
    backends: list[Backend]
    facts: dict[str, Any]
    anew: Callable[[], Backend] | None
    many: Callable[[int], Backend]
    many_is: str
    denoises: bool = True

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
    weights = load_weights(find_weights(model))
    if weights.net in LISTENERS:
        return _listening_subject(model, weights, chosen)
    stages = denoise_stages(weights)
    config, pipeline = stages[1].config, Pipeline(stages)
    facts = _facts(model, weights, config, pipeline.latency)
    backends = [build_backend(name, weights, device) for name, device in chosen]
    # What Python runs, it runs live behind a deadline, a hop later.
    stage = pipeline if backends[0].gil_free else WorkerStage(pipeline)
    period_ns = round(1e9 * config.hop_length / config.sample_rate)
    precision = "int8" if backends[0].name == "int8" else "float32"

    def many(streams: int) -> Backend:
        batch = Pipeline(denoise_stages(weights, precision))
        return batch_backend(batch, streams, demo_hops(config.hop_length))

    anew = partial(build_backend, "native", weights)
    return Subject(stage, config.sample_rate, period_ns, backends, facts, anew, many, TOGETHER)


def _facts(
    model: str | Path, weights: Weights, config: DenoiseConfig | SpeechConfig, latency: int
) -> dict[str, Any]:
    """The report's part on a net of ours."""
    return {
        "name": str(model),
        "weights": digest(weights.tensors)[:16],
        "parameters": sum(tensor.size for tensor in weights.tensors.values()),
        "sample_rate": config.sample_rate,
        "hop_length": config.hop_length,
        "latency": latency,
    }


def _listening_subject(model: str | Path, weights: Weights, chosen: Sequence[tuple[str, str]]) -> Subject:
    """A net of ours that hears what passes by: spectra at its own rate in, numbers out."""
    if list(chosen) != [("native", "cpu")]:
        raise ConfigError(f"the net {weights.net} is run natively alone: --backend native")
    net = LISTENERS[weights.net].from_weights(weights, precision=LIVE)
    config, rate = net.config, net.config.sample_rate
    hops = demo_hops(config.hop_length, rate)

    def stages() -> list[NativeStage]:
        analysis = Analysis(config.n_fft, config.hop_length, config.window)
        return [analysis, LISTENERS[weights.net].from_weights(weights, precision=LIVE)]

    def anew() -> Backend:
        return NativeBackend("native", ("STFT", "net"), stages(), hops)

    def many(streams: int) -> Backend:
        return batch_backend(Pipeline(stages()), streams, hops)

    facts = _facts(model, weights, config, latency=0)
    stage, period_ns = Gain(config.hop_length, 0.0), round(1e9 * config.hop_length / rate)
    return Subject(stage, rate, period_ns, [anew()], facts, anew, many, IN_TURN, denoises=False)


def _onnx_subject(model: str | Path, chosen: Sequence[tuple[str, str]]) -> Subject:
    """The whole stage at the model's own rate; its delay as it would be live, in a worker.

    A denoiser is resampled to and from the rate of the sound; the numbers of a classifier come a hop
    after the sound that they are of.
    """
    if not {*chosen} <= {("native", "cpu"), ("onnx", "cpu")}:
        raise ConfigError(f"{model} is run by ONNX Runtime alone: --backend onnx")
    require("an ONNX model", "onnx", "onnxruntime")
    from rtaudio.nn.onnx.files import find_manifest
    from rtaudio.tasks.onnx_model import OnnxStage

    manifest = find_manifest(model)
    rate, hop_length = manifest.sample_rate, manifest.hop_length
    onnx = OnnxStage(manifest, trusted=True)  # the delay is checked with what is run live, below
    hops = demo_hops(hop_length, rate)
    facts = {
        "name": str(model),
        "weights": manifest.nets[0].sha256[:16],
        "parameters": None,
        "sample_rate": rate,
        "hop_length": hop_length,
        "latency": onnx.latency,
    }
    period_ns, denoises = round(1e9 * hop_length / rate), manifest.task == "denoise"
    return Subject(
        build_denoiser(model) if denoises else WorkerStage(Gain(hop_length, 0.0)),
        SAMPLE_RATE if denoises else rate,
        period_ns,
        [parts_backend("onnx", onnx.parts, onnx.out_spec.shape, hops)],
        facts,
        anew=None,
        many=lambda streams: turns_backend(onnx, streams, hops),
        many_is=IN_TURN,
        denoises=denoises,
    )
