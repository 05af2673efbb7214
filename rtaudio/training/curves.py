"""Pictures of a run: how losses and scores went."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rtaudio.figures import new_figure, save_png


def save_curves(history: list[dict[str, float]], path: Path) -> None:
    """Training loss and validation SI-SDR gain against hours of training, as PNG."""
    figure, axes = new_figure(2, 2.6, width=10.0)
    hours = [point["elapsed_s"] / 3600 for point in history]
    axes[0].plot(hours, [point["loss"] for point in history], ".-", label="training")
    held_out = [point.get("validation_loss", np.nan) for point in history]  # older runs have none
    axes[0].plot(hours, held_out, ".-", label="other voices and noises")
    axes[0].set_ylabel("loss")
    axes[0].legend()
    axes[1].plot(hours, [point["si_sdr_gain_db"] for point in history], ".-", label="averaged weights")
    axes[1].set_ylabel("SI-SDR gain, validation (dB)")
    axes[1].set_xlabel("hours of training")
    for axis in axes:
        axis.grid(alpha=0.3)
    save_png(figure, path, dpi=100)


def save_speech_curves(history: list[dict[str, float]], score_name: str, path: Path) -> None:
    """Training loss and one validation score against minutes of training, as PNG."""
    figure, axes = new_figure(2, 2.6, width=10.0)
    minutes = [point["elapsed_s"] / 60 for point in history]
    for axis, name in zip(axes, ("loss", score_name), strict=True):
        axis.plot(minutes, [point[name] for point in history], ".-")
        axis.set_ylabel(name.replace("_", " "))
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("minutes of training")
    save_png(figure, path, dpi=100)
