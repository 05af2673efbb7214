"""The denoisers that are compared: ours as it runs live, and the field's, each aligned with its input."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from rtaudio.nn.denoise import NET_NAME
from rtaudio.nn.weights import list_models
from rtaudio.stream.offline import run_offline
from rtaudio.tasks.denoise import build_denoiser
from rtaudio.tasks.machine import installed
from rtaudio.training.data import SAMPLE_RATE

Samples = NDArray[np.float32]
System = Callable[[Samples], Samples]
"""Noisy `(n,)` float32 at 48 kHz to as many clean samples, no later."""

RNNOISE_HOP, RNNOISE_DELAY = 480, 960  # delay measured by correlation with clean speech, 959-960 samples

PEERS = {
    "GTCRN": "gtcrn/gtcrn_simple.onnx",
    "UL-UNAS": "ul-unas/ulunas_stream_simple.onnx",
    "DTLN": "dtln/model_1.onnx",
}
"""Streaming models of others, by their files in the folder of peers; all work at 16 kHz."""


def peers_folder() -> Path:
    """Where others' models lie: `RTAUDIO_PEERS`, else `../shared/peers` beside the checkout."""
    return Path(os.environ.get("RTAUDIO_PEERS", Path(__file__).parents[1] / "../shared/peers"))


def ours(
    model: str | Path, *, strength: float = 1.0, atten_limit_db: float | Literal["model"] | None = "model"
) -> System:
    """The native pipeline as it runs live, its latency taken off."""

    def run(noisy: Samples) -> Samples:
        pipeline = build_denoiser(model, strength=strength, atten_limit_db=atten_limit_db)
        return run_offline(pipeline, noisy)[pipeline.latency :]

    return run


def rnnoise(noisy: Samples) -> Samples:
    """RNNoise 0.2, hop by hop through its own interface, its delay taken off."""
    from pyrnnoise.rnnoise import create, destroy, process_frame

    n_hops = -(-(noisy.size + RNNOISE_DELAY) // RNNOISE_HOP)
    padded = np.pad(np.clip(noisy, -1, 1), (0, n_hops * RNNOISE_HOP - noisy.size))
    hops = (padded * 32767).astype(np.int16).reshape(n_hops, 1, RNNOISE_HOP)
    state = create()
    out = np.concatenate([process_frame([state], hop)[0][0] for hop in hops])
    destroy(state)
    return out[RNNOISE_DELAY : RNNOISE_DELAY + noisy.size].astype(np.float32) / np.float32(32768)


def onnx_peer(path: Path) -> System:
    """A streaming ONNX model at its own rate, hop by hop, resampled to and from it."""
    from rtaudio.tasks.onnx_model import OnnxStage, load_denoiser

    stage = OnnxStage(load_denoiser(path))

    def run(noisy: Samples) -> Samples:
        rate = stage.manifest.sample_rate
        stage.reset()
        y = run_offline(stage, soxr.resample(noisy, SAMPLE_RATE, rate))[stage.latency :]
        out: Samples = np.zeros_like(noisy)
        back = soxr.resample(y, rate, SAMPLE_RATE)[: out.size]
        out[: back.size] = back
        return out

    return run


def systems(models: Sequence[str]) -> dict[str, System]:
    """Everything that is compared and that is here, by name; `models` as they come, and without their limit.

    Beside them stand our other shipped denoisers, then those of others.
    """
    there: dict[str, System] = {"noisy": lambda noisy: noisy}
    for model in models:
        there[model] = ours(model)
        there[f"{model}, no limit"] = ours(model, atten_limit_db=None)
    for other in list_models(NET_NAME):
        there.setdefault(other, ours(other))
    if installed("pyrnnoise"):
        there["RNNoise 0.2"] = rnnoise
    for name, file in PEERS.items():
        if installed("onnxruntime") and (peers_folder() / file).is_file():
            there[name] = onnx_peer(peers_folder() / file)
    return there
