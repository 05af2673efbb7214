"""Windows, and what makes one invertible by overlap-add. Plain numpy: used while building only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Window = NDArray[np.float64]

DEPTH = 0.01
"""Least overlap weight, of its largest, that still counts as invertible: the dual window divides
by it, so rounding errors grow by up to 1/sqrt(0.01), tenfold."""

# Coefficients of cosine windows, Harris 1978, "On the use of windows for harmonic analysis".
_COSINES = {
    "rect": (1.0,),
    "hann": (0.5, -0.5),
    "hamming": (0.54, -0.46),
    "blackman": (0.42, -0.5, 0.08),
}
NAMES = (*_COSINES, "sqrt_hann", "sine", "vorbis")
ASYMMETRIC = "asymmetric"
"""A pair of windows, see `window_pair`; the others are each their own synthesis window."""


def make_window(name: str, size: int) -> Window:
    """A periodic window of `size`: sample n is w(n / size), so copies a hop apart add up exactly.

    (A symmetric one, w(n / (size - 1)), costs 80 dB of reconstruction.) `vorbis` is the
    power-complementary window of the Vorbis I specification, section 4.3.1.
    Raises ValueError for an unknown name.
    """
    if name in _COSINES:
        phase = 2.0 * np.pi * np.arange(size) / size
        terms = [a * np.cos(k * phase) for k, a in enumerate(_COSINES[name])]
        return np.asarray(np.sum(terms, axis=0))
    half_cycle = np.sin(np.pi * np.arange(size) / size)
    if name == "sqrt_hann":
        return half_cycle  # sin^2 = hann
    centred = np.sin(np.pi * (np.arange(size) + 0.5) / size)
    if name == "sine":
        return centred
    if name == "vorbis":
        return np.sin(0.5 * np.pi * centred**2)
    raise ValueError(f"window={name!r} must be one of {', '.join((*NAMES, ASYMMETRIC))}")


def window_pair(name: str, n_fft: int, hop_length: int) -> tuple[Window, Window]:
    """Analysis window by name, and the synthesis window before scaling: the same, but for "asymmetric".

    That one hears long and waits short: the analysis window rises over all but the last hop and falls
    over that, the synthesis window is zero but for the last two hops. What is lost beside a symmetric
    window of `n_fft` is little resolution; the delay is that of a window of two hops (Mauler and Martin
    2007, "A low delay, variable resolution, perfect reconstruction spectral analysis-synthesis system for
    speech enhancement"). Raises ValueError for an unknown name or a hop over half of n_fft.
    """
    if name != ASYMMETRIC:
        window = make_window(name, n_fft)
        return window, window
    if not 1 <= hop_length <= n_fft // 2:
        raise ValueError(f"hop_length={hop_length} must be 1 to n_fft / 2, {n_fft // 2}, for {name} windows")
    rise, fall = (0.5 * np.pi * np.arange(size) / size for size in (n_fft - hop_length, hop_length))
    analysis = np.concatenate([np.sin(rise), np.cos(fall)])
    shape = np.zeros(n_fft)
    ends = slice(n_fft - 2 * hop_length, n_fft)
    shape[ends] = make_window("hann", 2 * hop_length)
    shape[ends] /= np.maximum(analysis[ends], 1e-9)  # 0 / 0 where both windows begin
    return analysis, shape


def pair_latency(name: str, n_fft: int, hop_length: int) -> int:
    """Samples from input to output of analysis and overlap-add with the windows of `window_pair`."""
    return hop_length if name == ASYMMETRIC else n_fft - hop_length


def overlap_weight(analysis: Window, synthesis: Window, hop_length: int) -> Window:
    """Sum of analysis * synthesis over all frames that cover a sample: one period, `hop_length`."""
    product = np.zeros(-(-analysis.size // hop_length) * hop_length)
    product[: analysis.size] = analysis * synthesis
    return np.asarray(product.reshape(-1, hop_length).sum(axis=0))


def dual_window(analysis: Window, synthesis: Window, hop_length: int) -> Window:
    """`synthesis`, scaled sample by sample so that overlap-add gives the input back.

    With `synthesis` equal to `analysis` this is the least-squares inverse (Griffin and Lim
    1984, "Signal estimation from modified short-time Fourier transform", equation 6).
    Raises ValueError where some sample is covered too little to be recovered.
    """
    if not 1 <= hop_length <= analysis.size:
        raise ValueError(f"hop_length={hop_length} must be from 1 to the window length {analysis.size}")
    weight = overlap_weight(analysis, synthesis, hop_length)
    if np.min(weight) <= DEPTH * np.max(np.abs(weight)):
        worst = int(np.argmin(weight))
        raise ValueError(
            f"hop_length={hop_length} can't be inverted: the windows of length {analysis.size} cover sample "
            f"{worst} of a hop with weight {weight[worst]:.3g}, and it must be at least {DEPTH} of the "
            f"largest, {np.max(weight):.3g}; use a shorter hop or a window that is not zero there"
        )
    return synthesis / weight[np.arange(analysis.size) % hop_length]


def leading_zeros(window: Window) -> int:
    """Samples a window is zero for at its beginning, but for the one a periodic window begins with."""
    return max(int(np.flatnonzero(window)[0]) - 1, 0)


def sinc_rows(offset: Window, half_width: float, beta: float, cutoff: float = 1.0) -> Window:
    """Kaiser-windowed sinc at `offset` samples from its centre; each row is scaled to sum 1.

    - offset: `(rows, taps)`; half_width: samples from the centre to the window's end.
    - beta: 0.1102 (A - 8.7) keeps the stop band A dB down (Kaiser 1974, for A above 50).
    - cutoff: where the response is halved, as a share of the Nyquist frequency.

    At a cutoff of 1 and whole offsets a row is a single one, to the last bit.
    """
    taper = np.i0(beta * np.sqrt(np.clip(1 - (offset / half_width) ** 2, 0, 1)))
    rows = np.sinc(cutoff * offset) * taper * (np.abs(offset) < half_width)
    rows[np.abs(rows) < 1e-12 * np.max(rows)] = 0  # sin(pi n) is not quite 0
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))
