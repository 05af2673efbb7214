"""Denoising: samples in, clean speech out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rtaudio.dsp.resample import AtRate
from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.errors import ConfigError, WeightsError
from rtaudio.nn.denoise import Denoiser
from rtaudio.nn.onnx.manifest import SUFFIXES
from rtaudio.nn.optional import require
from rtaudio.nn.weights import Weights, find_weights, load_weights
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import NativeStage
from rtaudio.tasks import DEFAULT_ATTEN_LIMIT_DB, DEFAULT_MODEL, DEFAULT_PRECISION

SAMPLE_RATE = 48000
"""Of the shipped nets, and of live sound."""


def build_denoiser(
    model: str | Path = DEFAULT_MODEL,
    *,
    strength: float = 1.0,
    atten_limit_db: float | Literal["model"] | None = "model",
    precision: str = DEFAULT_PRECISION,
    sample_rate: int | None = SAMPLE_RATE,
    block: int | None = None,
) -> Pipeline:
    """The denoising pipeline: a hop of samples in ±1 in, a hop out, `latency` later.

    - model: a shipped model's name, the path of a weights file, or of an ONNX model or its manifest
      (which runs in a Python worker: not GIL-free).
    - strength: 0 (nothing is taken away) to 1.
    - atten_limit_db: most a frequency is attenuated, 0 or more; None sets no limit, "model" the one that its
      weights' card names (36 for `standard`, 20 for `cnn`), or else 24.
    - precision: of the net, "float32", "int8-weights" or "int8" (see `rtaudio.nn.product`). With
      float32, an overloaded engine falls back to int8. An ONNX model has its own.
    - sample_rate: of the sound; resampled where the model's is another. None means the model's own.
    - block: samples the device hands over at once, which is what an ONNX model's worker must cope with.

    Raises WeightsError or ModelError where the model is missing or damaged, ConfigError for values out
    of range.
    """
    if is_onnx(model):
        require("an ONNX model", "onnx", "onnxruntime")
        from rtaudio.tasks.onnx_model import build_onnx_denoiser

        limit_db = DEFAULT_ATTEN_LIMIT_DB if atten_limit_db == "model" else atten_limit_db
        dry = dry_share(strength, limit_db)
        return build_onnx_denoiser(model, dry=dry, sample_rate=sample_rate, block=block)
    weights = load_weights(find_weights(model))
    pipeline = Pipeline(denoise_stages(weights, precision))
    set_strength(pipeline, strength)
    set_atten_limit(pipeline, model_limit_db(weights) if atten_limit_db == "model" else atten_limit_db)
    if sample_rate is None or sample_rate == SAMPLE_RATE:
        return pipeline
    return AtRate(pipeline, SAMPLE_RATE, sample_rate)


def denoise_stages(weights: Weights, precision: str = "float32") -> tuple[Analysis, Denoiser, Synthesis]:
    """The stages of a denoiser, new. Raises WeightsError for weights of another net."""
    denoiser = Denoiser.from_weights(weights, precision=precision)
    config = denoiser.config
    sizes = (config.n_fft, config.hop_length, config.window)
    return Analysis(*sizes), denoiser, Synthesis(*sizes)


def model_limit_db(weights: Weights) -> float:
    """Most these weights lower anything unless told, in dB. Raises WeightsError for a card in error."""
    limit_db = weights.card.get("atten_limit_db", DEFAULT_ATTEN_LIMIT_DB)
    if not isinstance(limit_db, int | float) or not limit_db >= 0:
        raise WeightsError(f"card of the weights: atten_limit_db={limit_db!r} must be 0 or more")
    return float(limit_db)


def is_onnx(model: str | Path) -> bool:
    """Whether a model is given by an ONNX file or a manifest."""
    return Path(model).suffix in SUFFIXES


def denoiser_rate(model: str | Path) -> int:
    """The rate a model works at, in Hz. Raises what `build_denoiser` does."""
    if not is_onnx(model):
        return SAMPLE_RATE
    require("an ONNX model", "onnx", "onnxruntime")
    from rtaudio.tasks.onnx_model import load_denoiser

    return load_denoiser(model).sample_rate


def denoiser_of(stage: NativeStage) -> Denoiser:
    """The native net in what `build_denoiser` made, for its parameters and meters."""
    for part in stage.walk():
        if isinstance(part, Denoiser):
            return part
    raise ConfigError("this stage has no denoiser")


def set_strength(stage: NativeStage, strength: float) -> None:
    """How much of what the net takes away is taken away, 0..1; may be called while audio flows."""
    denoiser_of(stage).set_param("strength", _checked(strength))


def set_atten_limit(stage: NativeStage, atten_limit_db: float | None) -> None:
    """Most a frequency is attenuated in dB, None for no limit; may be called while audio flows."""
    denoiser_of(stage).set_param("floor", _floor(atten_limit_db))


def dry_share(strength: float, atten_limit_db: float | None) -> float:
    """Share of untouched sound that, mixed with a net's, has its strength and limit: what is left of
    something the net takes away entirely. Between that and nothing the limit is softer than a net's own."""
    return 1 - _checked(strength) * (1 - _floor(atten_limit_db))


def _checked(strength: float) -> float:
    if not 0 <= strength <= 1:
        raise ConfigError(f"strength={strength:g} must be from 0 to 1")
    return strength


def _floor(atten_limit_db: float | None) -> float:
    if atten_limit_db is not None and not atten_limit_db >= 0:
        raise ConfigError(f"atten_limit_db={atten_limit_db:g} must be 0 or more")
    return 0.0 if atten_limit_db is None else 10 ** (-atten_limit_db / 20)
