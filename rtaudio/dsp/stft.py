"""Streaming STFT and its inverse: `Pipeline([Analysis(...), Synthesis(...)])` is a pure delay."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rtaudio.errors import ConfigError
from rtaudio.kernels.fft import fft_plan, fft_work
from rtaudio.kernels.stft import (
    analysis_batch_step,
    analysis_step,
    synthesis_batch_step,
    synthesis_step,
)
from rtaudio.kernels.window import Window, dual_window, leading_zeros, window_pair
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import NativeStage, Spec


def as_windows(window: str | ArrayLike, n_fft: int, hop_length: int) -> tuple[Window, Window]:
    """Analysis window and shape of the synthesis window, by name or as `n_fft` numbers of one's own.

    Raises ConfigError for anything else.
    """
    try:
        if isinstance(window, str):
            return window_pair(window, n_fft, hop_length)
        made = np.array(window, np.float64)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if made.shape != (n_fft,) or not np.isfinite(made).all():
        raise ConfigError(f"a window of shape {made.shape} must be n_fft={n_fft} finite numbers")
    return made, made


def _plan(n_fft: int, hop_length: int) -> np.ndarray:
    if not 1 <= hop_length <= n_fft:
        raise ConfigError(f"hop_length={hop_length} must be from 1 to n_fft={n_fft}")
    try:
        return fft_plan(n_fft)
    except ValueError as error:
        raise ConfigError(str(error)) from None


class Analysis(NativeStage):
    """Spectrum of the latest `n_fft` samples, once a hop.

    `hop_length` samples in, `(n_fft // 2 + 1, 2)` out: real and imaginary part of each bin of
    rfft(window * latest samples), unnormalised; bin k lies at k * sample_rate / n_fft. Before
    the first sample lies silence. Latency 0: the newest sample is in the frame.

    - n_fft: 2 * 2^a * 3^b * 5^c, at least 32.
    - hop_length: 1 to n_fft; need not divide it.
    - window: a name (`rtaudio.kernels.window.NAMES`, or "asymmetric", see `window_pair` there) or n_fft
      numbers, oldest sample first.
    """

    batch_entry = analysis_batch_step.address

    def __init__(self, n_fft: int, hop_length: int, window: str | ArrayLike = "sqrt_hann") -> None:
        plan, (analysis, _) = _plan(n_fft, hop_length), as_windows(window, n_fft, hop_length)
        arena = Arena(
            (n_fft, hop_length),
            constants={"plan": plan, "window": analysis.astype(np.float32)},
            state={"history": np.zeros(n_fft, np.float32), "work": fft_work(n_fft)},
        )
        super().__init__(analysis_step.address, arena, Spec((hop_length,)), Spec((n_fft // 2 + 1, 2)))


class Synthesis(NativeStage):
    """Overlap-add of spectra `(n_fft // 2 + 1, 2)` to `hop_length` samples: undoes `Analysis`.

    A sample is complete when the last frame over it has come: latency is `n_fft - hop_length`, less
    what the synthesis window leaves zero at its beginning. That window is scaled so that the pair
    reconstructs perfectly; imaginary parts of the first and the last bin are ignored.

    - window: the one `Analysis` uses.
    - shape: the synthesis window before scaling; the default, `window` itself (or its other half if it is
      one of a pair), gives the least-squares inverse, the one nearest to a modified spectrum.

    Raises ConfigError where window and hop can't be inverted.
    """

    batch_entry = synthesis_batch_step.address

    def __init__(
        self,
        n_fft: int,
        hop_length: int,
        window: str | ArrayLike = "sqrt_hann",
        shape: str | ArrayLike | None = None,
    ) -> None:
        plan, (analysis, synthesis) = _plan(n_fft, hop_length), as_windows(window, n_fft, hop_length)
        if shape is not None:
            synthesis = as_windows(shape, n_fft, hop_length)[0]
        try:
            dual = dual_window(analysis, synthesis, hop_length)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        lead = min(leading_zeros(dual), n_fft - hop_length)
        arena = Arena(
            (n_fft, hop_length, lead),
            constants={"plan": plan, "window": (dual / n_fft).astype(np.float32)},
            state={"overlap": np.zeros(n_fft, np.float32), "work": fft_work(n_fft)},
        )
        in_spec, out_spec = Spec((n_fft // 2 + 1, 2)), Spec((hop_length,))
        super().__init__(synthesis_step.address, arena, in_spec, out_spec, n_fft - hop_length - lead)
