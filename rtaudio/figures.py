"""Figures as PNG, where matplotlib is installed; spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.files import whole

Samples = NDArray[np.float32]

N_FFT = 2048
"""23 Hz between bins at 48 kHz: the harmonics of a voice come apart."""
HOP_LENGTH = 256
RANGE_DB = 75.0
"""From the loudest point of all panels down to black."""
TOP_HZ = 20000.0
BOTTOM_HZ = 60.0
GROUND, INK = "#0b0d12", "#e8e6e3"


def spectrogram_db(x: Samples, sample_rate: int) -> NDArray[np.float64]:
    """Power in dB of each bin and frame, `(n_bins, n_frames)`; a full-scale sine is 0 dB."""
    window = np.hanning(N_FFT + 1)[:-1]
    padded = np.pad(x, N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH]
    magnitude = np.abs(np.fft.rfft(frames * window, axis=1)).T / (window.sum() / 2)
    return np.asarray(20 * np.log10(magnitude + 1e-7))


def new_figure(rows: int, height: float, width: float = 11.0, **options: Any) -> tuple[Any, list[Any]]:
    """A figure that needs no display, `rows` axes of `height` inches one above the other.

    ImportError where matplotlib is missing.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height * rows), layout="constrained", **options)
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])


def save_png(figure: Any, path: Path, dpi: int) -> None:
    """Whole, or not at all."""
    with whole(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=dpi)


def save_spectrograms(path: Path, panels: Sequence[tuple[str, Samples]], sample_rate: int) -> bool:
    """Draw one panel above the other on common scales; False where matplotlib is missing."""
    try:
        figure, axes = new_figure(len(panels), 3.2 + 0.4 / len(panels), facecolor=GROUND)
    except ImportError:
        return False
    levels = [spectrogram_db(x, sample_rate) for _, x in panels]
    top = max(float(level.max()) for level in levels)
    for axis, (label, x), level in zip(axes, panels, levels, strict=True):
        image = _draw(axis, level, x.size / sample_rate, sample_rate, top)
        axis.set_title(label, color=INK, loc="left", fontsize=12)
    axes[-1].set_xlabel("time in s", color=INK)
    colours = figure.colorbar(image, ax=list(axes), pad=0.01, aspect=40)
    colours.set_label("dBFS", color=INK)
    colours.ax.tick_params(colors=INK)
    colours.outline.set_edgecolor(GROUND)
    save_png(figure, path, dpi=150)
    return True


def _draw(axis: Any, level: NDArray[np.float64], seconds: float, sample_rate: int, top: float) -> Any:
    times = np.linspace(0, seconds, level.shape[1])
    hz = np.arange(level.shape[0]) * sample_rate / N_FFT
    kept = (hz >= BOTTOM_HZ) & (hz <= TOP_HZ)
    image = axis.pcolormesh(
        times, hz[kept], level[kept], cmap="inferno", vmin=top - RANGE_DB, vmax=top, rasterized=True
    )
    axis.set_yscale("symlog", linthresh=1000, linscale=1.2)  # speech below 1 kHz gets its room
    axis.set_ylim(BOTTOM_HZ, TOP_HZ)
    axis.set_yticks([100, 500, 1000, 2000, 5000, 10000, 20000])
    axis.set_yticklabels(["100", "500", "1 k", "2 k", "5 k", "10 k", "20 k"])
    axis.set_ylabel("frequency in Hz", color=INK)
    axis.tick_params(colors=INK)
    axis.set_facecolor(GROUND)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return image
