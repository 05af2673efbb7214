"""Real FFT and its inverse for windowed frames: float32, any size 2 * 2^a * 3^b * 5^c from 32 up.

A real frame of n samples is read as m = n/2 complex ones, transformed, and split into the n/2+1
bins of the real spectrum (Sorensen et al. 1987, "Real-valued fast Fourier transform
algorithms").

Everything is planned ahead by `fft_plan`, with twiddle factors computed in float64.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from rtaudio.kernels.fft_passes import pass_first4, pass_half, pass_scalar, pass_wide, turn
from rtaudio.kernels.memory import JIT, f32, i64
from rtaudio.kernels.simd import load, reverse8, splat8, store, unzip8, zip8

HEADER = 3  # words of a plan: m, number of passes, byte offset of the split factors
PASS = 4  # words a pass: kind, groups, stride, byte offset of its twiddle factors
FIRST, WIDE, HALF, SCALAR = 0, 10, 20, 30  # a kind is one of these, plus the radix


def factors(m: int) -> list[int]:
    """Radices of the passes for m points, fours first; empty where m has other prime factors."""
    found = []
    for radix in (4, 2, 3, 5):
        while m % radix == 0:
            found.append(radix)
            m //= radix
    return found if m == 1 else []


def fft_plan(n_fft: int) -> NDArray[np.int64]:
    """Everything about one size, in one block that can lie anywhere.

    Words: `HEADER`, then `PASS` words for each pass, then float32 twiddle factors.
    Raises ValueError for a size that can't be planned.
    """
    m = n_fft // 2
    radices = factors(m) if n_fft >= 32 and n_fft % 2 == 0 else []
    if not radices:
        raise ValueError(f"n_fft={n_fft} must be 2 * 2^a * 3^b * 5^c and at least 32")
    start = 8 * (HEADER + PASS * len(radices))
    words, tables, stride = [m, len(radices)], [_unit_roots(np.arange(m), n_fft)], 1
    passes = []
    for radix in radices:
        groups = m // (radix * stride)
        passes += [_kind(radix, stride, groups), groups, stride, start + sum(t.nbytes for t in tables)]
        powers = np.outer(np.arange(1, radix), np.arange(groups))
        roots = _unit_roots(powers, radix * groups)
        if passes[-PASS] >= WIDE:  # its loop takes all factors of one group at a time
            roots = np.ascontiguousarray(roots.transpose(2, 1, 0))
        else:
            roots = np.ascontiguousarray(roots.transpose(1, 0, 2))
        tables.append(roots)
        stride *= radix
    data = np.concatenate([table.ravel() for table in tables])
    packed = np.zeros((data.size + 1) // 2, np.int64)
    packed.view(np.float32)[: data.size] = data
    return np.concatenate([np.array([*words, start, *passes], np.int64), packed])


def _unit_roots(powers: np.ndarray, order: int) -> NDArray[np.float32]:
    """exp(-2 pi i powers / order): real parts, then imaginary parts."""
    angle = -2.0 * np.pi * (powers % order) / order
    return np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


def _kind(radix: int, stride: int, groups: int) -> int:
    if stride == 1 and radix == 4 and groups >= 8:
        return FIRST + radix
    return (WIDE if stride % 8 == 0 else HALF if stride % 4 == 0 else SCALAR) + radix


def fft_work(n_fft: int) -> NDArray[np.float32]:
    """Scratch memory of `rfft` and `irfft`: two complex buffers of n_fft/2."""
    return np.zeros(2 * n_fft, np.float32)


@numba.njit("int64(int64, int64, int64, int64)", **JIT)
def _transform(plan: int, work: int, re: int, im: int) -> int:
    """All passes over the first buffer of `work`; returns the address of the buffer they end in.

    `re` and `im` are the byte offsets of the planes in a buffer. Exchanged, they give the
    unnormalised inverse transform.
    """
    words = i64(plan, HEADER)
    m, n_passes = words[0], words[1]
    table = i64(plan + 8 * HEADER, PASS * n_passes)
    x, y = work, work + 8 * m
    for row in range(n_passes):
        kind, groups, stride = table[PASS * row], table[PASS * row + 1], table[PASS * row + 2]
        tw = plan + table[PASS * row + 3]
        if kind < WIDE:
            pass_first4(x + re, x + im, y + re, y + im, tw, groups)
        elif kind < HALF:
            pass_wide(x + re, x + im, y + re, y + im, tw, groups, stride, kind - WIDE)
        elif kind < SCALAR:
            pass_half(x + re, x + im, y + re, y + im, tw, groups, stride, kind - HALF)
        else:
            pass_scalar(x + re, x + im, y + re, y + im, tw, groups, stride, kind - SCALAR)
        x, y = y, x
    return x


@numba.njit("void(int64, int64, int64, int64)", **JIT)
def _window_in(x: int, window: int, work: int, m: int) -> None:
    """x * window, even samples to the real plane and odd ones to the imaginary plane."""
    like = splat8(np.float32(0))
    re, im = work, work + 4 * m
    for start in range(0, m, 8):
        at = min(start, m - 8)
        s, w = x + 8 * at, window + 8 * at
        even, odd = unzip8(load(s, like) * load(w, like), load(s + 32, like) * load(w + 32, like))
        store(re + 4 * at, even)
        store(im + 4 * at, odd)


@numba.njit("void(int64, int64, int64, int64)", **JIT)
def _split(z: int, roots: int, spectrum: int, m: int) -> None:
    """Bins of the real spectrum from those of the packed one, two by two: k and m - k."""
    zr, zi, out = f32(z, m), f32(z + 4 * m, m), f32(spectrum, 2 * m + 2)
    out[0], out[1] = zr[0] + zi[0], np.float32(0)
    out[2 * m], out[2 * m + 1] = zr[0] - zi[0], np.float32(0)
    like, half = splat8(np.float32(0)), np.float32(0.5)
    for k in range(1, m // 2 + 1, 8):
        far = 4 * (m - k - 7)
        a, b = load(z + 4 * k, like), load(z + 4 * (m + k), like)
        c, d = reverse8(load(z + far, like)), reverse8(load(z + 4 * m + far, like))
        er, ei = half * (a + c), half * (b - d)
        tr, ti = turn(
            half * (b + d), half * (c - a), load(roots + 4 * k, like), load(roots + 4 * (m + k), like)
        )
        low, high = zip8(er + tr, ei + ti)
        store(spectrum + 8 * k, low)
        store(spectrum + 8 * k + 32, high)
        low, high = zip8(reverse8(er - tr), reverse8(ti - ei))
        store(spectrum + 2 * far, low)
        store(spectrum + 2 * far + 32, high)


@numba.njit("void(int64, int64, int64, int64)", **JIT)
def _merge(spectrum: int, roots: int, z: int, m: int) -> None:
    """The inverse of `_split`, twice as large."""
    zr, zi, x = f32(z, m), f32(z + 4 * m, m), f32(spectrum, 2 * m + 2)
    zr[0], zi[0] = x[0] + x[2 * m], x[0] - x[2 * m]
    like = splat8(np.float32(0))
    for k in range(1, m // 2 + 1, 8):
        far = 4 * (m - k - 7)
        s, t = spectrum + 8 * k, spectrum + 2 * far
        a, b = unzip8(load(s, like), load(s + 32, like))
        c, d = unzip8(load(t, like), load(t + 32, like))
        c, d = reverse8(c), reverse8(d)
        er, ei, dr, di = a + c, b - d, a - c, b + d
        wr, wi = load(roots + 4 * k, like), load(roots + 4 * (m + k), like)
        tr, ti = dr * wr + di * wi, di * wr - dr * wi
        store(z + 4 * k, er - ti)
        store(z + 4 * (m + k), ei + tr)
        store(z + far, reverse8(er + ti))
        store(z + 4 * m + far, reverse8(tr - ei))


@numba.njit("void(int64, int64, int64, int64, int64)", **JIT)
def rfft(plan: int, work: int, x: int, window: int, spectrum: int) -> None:
    """Spectrum (n_fft/2+1, 2) of x * window, both n_fft long; unnormalised. All are addresses."""
    words = i64(plan, HEADER)
    m = words[0]
    _window_in(x, window, work, m)
    _split(_transform(plan, work, 0, 4 * m), plan + words[2], spectrum, m)


@numba.njit("void(int64, int64, int64, int64, int64)", **JIT)
def irfft_add(plan: int, work: int, spectrum: int, window: int, out: int) -> None:
    """Add n_fft * irfft(spectrum) * window to `out`, n_fft long. All are addresses."""
    words = i64(plan, HEADER)
    m = words[0]
    _merge(spectrum, plan + words[2], work, m)
    z = _transform(plan, work, 4 * m, 0)
    like, whole = splat8(np.float32(0)), m // 8 * 8
    for at in range(0, whole, 8):
        low, high = zip8(load(z + 4 * at, like), load(z + 4 * (m + at), like))
        o, w = out + 8 * at, window + 8 * at
        store(o, load(o, like) + low * load(w, like))
        store(o + 32, load(o + 32, like) + high * load(w + 32, like))
    zr, zi, weight, total = f32(z, m), f32(z + 4 * m, m), f32(window, 2 * m), f32(out, 2 * m)
    for at in range(whole, m):
        total[2 * at] += zr[at] * weight[2 * at]
        total[2 * at + 1] += zi[at] * weight[2 * at + 1]
