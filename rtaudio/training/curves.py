"""Pictures of a run: validation curves, and spectrograms of one mix before, after and clean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def _figure(rows: int, height: float) -> tuple[Any, Any]:
    """A figure that needs no display, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, 1, sharex=True)


def save_curves(history: list[dict[str, float]], path: Path) -> None:
    """Training loss and validation SI-SDR gain against hours of training, as PNG."""
    figure, axes = _figure(2, 2.6)
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
    figure.savefig(path, dpi=100)


def save_speech_curves(history: list[dict[str, float]], score_name: str, path: Path) -> None:
    """Training loss and one validation score against minutes of training, as PNG."""
    figure, axes = _figure(2, 2.6)
    minutes = [point["elapsed_s"] / 60 for point in history]
    for axis, name in zip(axes, ("loss", score_name), strict=True):
        axis.plot(minutes, [point[name] for point in history], ".-")
        axis.set_ylabel(name.replace("_", " "))
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("minutes of training")
    figure.savefig(path, dpi=100)


def save_spectrograms(signals: dict[str, Samples], sample_rate: int, path: Path) -> None:
    """Spectrogram of each named signal, one above the other on one scale, as PNG."""
    figure, axes = _figure(len(signals), 2.4)
    for axis, (name, x) in zip(axes, signals.items(), strict=True):
        frames = np.lib.stride_tricks.sliding_window_view(x, 1024)[::256]
        level_db = 20 * np.log10(np.abs(np.fft.rfft(frames * np.hanning(1024), axis=1)).T + 1e-5)
        extent = (0, x.size / sample_rate, 0, sample_rate / 2000)
        axis.imshow(level_db, origin="lower", aspect="auto", extent=extent, vmin=-60, vmax=30, cmap="magma")
        axis.set_title(name, loc="left")
        axis.set_ylabel("kHz")
    axes[-1].set_xlabel("seconds")
    figure.savefig(path, dpi=100)
