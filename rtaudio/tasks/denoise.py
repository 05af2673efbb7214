"""Denoising: samples in, clean speech out."""

from __future__ import annotations

from pathlib import Path

from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.errors import ConfigError
from rtaudio.nn.denoise import Denoiser
from rtaudio.nn.weights import find_weights, load_weights
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import NativeStage
from rtaudio.tasks import DEFAULT_ATTEN_LIMIT_DB, DEFAULT_MODEL


def build_denoiser(
    model: str | Path = DEFAULT_MODEL,
    *,
    strength: float = 1.0,
    atten_limit_db: float | None = DEFAULT_ATTEN_LIMIT_DB,
) -> Pipeline:
    """The denoising pipeline: a hop of samples in ±1 in, a hop out, `n_fft - hop_length` later.

    - model: a shipped model's name, or the path of a weights file.
    - strength: 0 (nothing is taken away) to 1.
    - atten_limit_db: most a frequency is attenuated, 0 or more; None sets no limit.

    Raises WeightsError where the model is missing or damaged, ConfigError for values out of range.
    """
    denoiser = Denoiser.from_weights(load_weights(find_weights(model)))
    config = denoiser.config
    sizes = (config.n_fft, config.hop_length, config.window)
    pipeline = Pipeline([Analysis(*sizes), denoiser, Synthesis(*sizes)])
    set_strength(pipeline, strength)
    set_atten_limit(pipeline, atten_limit_db)
    return pipeline


def denoiser_of(stage: NativeStage) -> Denoiser:
    """The native net in what `build_denoiser` made, for its parameters and meters."""
    for part in stage.walk():
        if isinstance(part, Denoiser):
            return part
    raise ConfigError("this stage has no denoiser")


def set_strength(stage: NativeStage, strength: float) -> None:
    """How much of what the net takes away is taken away, 0..1; may be called while audio flows."""
    if not 0 <= strength <= 1:
        raise ConfigError(f"strength={strength:g} must be from 0 to 1")
    denoiser_of(stage).set_param("strength", strength)


def set_atten_limit(stage: NativeStage, atten_limit_db: float | None) -> None:
    """Most a frequency is attenuated in dB, None for no limit; may be called while audio flows."""
    if atten_limit_db is not None and not atten_limit_db >= 0:
        raise ConfigError(f"atten_limit_db={atten_limit_db:g} must be 0 or more")
    floor = 0.0 if atten_limit_db is None else 10 ** (-atten_limit_db / 20)
    denoiser_of(stage).set_param("floor", floor)
