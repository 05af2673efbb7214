"""Passes of the complex FFT: Stockham's autosort, radices 2, 3, 4 and 5, eight points at a time.

No bit reversal, and every pass reads and writes contiguous rows (Van Loan 1992, "Computational
frameworks for the fast Fourier transform", section 1.7). Real and imaginary parts lie in planes
of their own, so a row is plain vector arithmetic, and the same butterflies serve scalars and
vectors: they are compiled once for each width.

One pass reads row k at x + k * groups * stride and writes, for group p, rows p * radix + k of
`stride` values each, row k turned by exp(-2 pi i p k / (radix * groups)). Arguments are
addresses (x and y: two planes each; tw: twiddle factors) and counts; `like` picks the width.
"""

from __future__ import annotations

import numba
import numpy as np

from rtaudio.kernels.memory import INLINE, JIT, f32
from rtaudio.kernels.simd import load, splat4, splat8, store, store_quads


@numba.njit(**INLINE)
def turn(re, im, w_re, w_im):  # type: ignore[no-untyped-def]
    """(re + i im) * (w_re + i w_im)"""
    return re * w_re - im * w_im, re * w_im + im * w_re


@numba.njit(**INLINE)
def _dft2(a, b, c, d):  # type: ignore[no-untyped-def]
    return a + c, b + d, a - c, b - d


@numba.njit(**INLINE)
def _dft3(a, b, c, d, e, f):  # type: ignore[no-untyped-def]
    half, sine = np.float32(0.5), np.float32(0.8660254037844386)  # -cos and sin of 2 pi / 3
    g, h = c + e, d + f
    u, v = a - half * g, b - half * h
    s, t = sine * (d - f), sine * (c - e)
    return a + g, b + h, u + s, v - t, u - s, v + t


@numba.njit(**INLINE)
def _dft4(a, b, c, d, e, f, g, h):  # type: ignore[no-untyped-def]
    p, q, r, s = a + e, b + f, a - e, b - f
    t, u, v, w = c + g, d + h, c - g, d - h
    return p + t, q + u, r + w, s - v, p - t, q - u, r - w, s + v


@numba.njit(**INLINE)
def _dft5(a, b, c, d, e, f, g, h, i, j):  # type: ignore[no-untyped-def]
    c1, c2 = np.float32(0.30901699437494745), np.float32(0.8090169943749475)  # cos 72, -cos 144 degrees
    s1, s2 = np.float32(0.9510565162951535), np.float32(0.5877852522924731)  # sin 72, sin 144 degrees
    p, q, r, s = c + i, d + j, c - i, d - j
    t, u, v, w = e + g, f + h, e - g, f - h
    x1, y1 = a + c1 * p - c2 * t, b + c1 * q - c2 * u
    x2, y2 = a - c2 * p + c1 * t, b - c2 * q + c1 * u
    m1, n1 = s1 * s + s2 * w, s1 * r + s2 * v
    m2, n2 = s2 * s - s1 * w, s2 * r - s1 * v
    return a + p + t, b + q + u, x1 + m1, y1 - n1, x2 + m2, y2 - n2, x2 - m2, y2 + n2, x1 - m1, y1 + n1


@numba.njit(**INLINE)
def _pass2(xr, xi, yr, yi, tw, groups, stride, like, lanes):  # type: ignore[no-untyped-def]
    row, far = 4 * stride, 4 * stride * groups
    for p in range(groups):
        w = f32(tw + 8 * p, 2)
        w1r, w1i = w[0], w[1]
        for q in range(0, row, 4 * lanes):
            i, o = p * row + q, 2 * p * row + q
            a, b, c, d = _dft2(
                load(xr + i, like), load(xi + i, like), load(xr + i + far, like), load(xi + i + far, like)
            )
            store(yr + o, a)
            store(yi + o, b)
            c, d = turn(c, d, w1r, w1i)
            store(yr + o + row, c)
            store(yi + o + row, d)


@numba.njit(**INLINE)
def _pass3(xr, xi, yr, yi, tw, groups, stride, like, lanes):  # type: ignore[no-untyped-def]
    row, far = 4 * stride, 4 * stride * groups
    for p in range(groups):
        w = f32(tw + 16 * p, 4)
        w1r, w1i, w2r, w2i = w[0], w[1], w[2], w[3]
        for q in range(0, row, 4 * lanes):
            r, i = xr + p * row + q, xi + p * row + q
            a, b, c, d, e, f = _dft3(
                load(r, like), load(i, like), load(r + far, like), load(i + far, like),
                load(r + 2 * far, like), load(i + 2 * far, like),
            )  # fmt: skip
            r, i = yr + 3 * p * row + q, yi + 3 * p * row + q
            store(r, a)
            store(i, b)
            c, d = turn(c, d, w1r, w1i)
            store(r + row, c)
            store(i + row, d)
            e, f = turn(e, f, w2r, w2i)
            store(r + 2 * row, e)
            store(i + 2 * row, f)


@numba.njit(**INLINE)
def _pass4(xr, xi, yr, yi, tw, groups, stride, like, lanes):  # type: ignore[no-untyped-def]
    row, far = 4 * stride, 4 * stride * groups
    for p in range(groups):
        w = f32(tw + 24 * p, 6)
        w1r, w1i, w2r, w2i, w3r, w3i = w[0], w[1], w[2], w[3], w[4], w[5]
        for q in range(0, row, 4 * lanes):
            r, i = xr + p * row + q, xi + p * row + q
            a, b, c, d, e, f, g, h = _dft4(
                load(r, like), load(i, like), load(r + far, like), load(i + far, like),
                load(r + 2 * far, like), load(i + 2 * far, like),
                load(r + 3 * far, like), load(i + 3 * far, like),
            )  # fmt: skip
            r, i = yr + 4 * p * row + q, yi + 4 * p * row + q
            store(r, a)
            store(i, b)
            c, d = turn(c, d, w1r, w1i)
            store(r + row, c)
            store(i + row, d)
            e, f = turn(e, f, w2r, w2i)
            store(r + 2 * row, e)
            store(i + 2 * row, f)
            g, h = turn(g, h, w3r, w3i)
            store(r + 3 * row, g)
            store(i + 3 * row, h)


@numba.njit(**INLINE)
def _pass5(xr, xi, yr, yi, tw, groups, stride, like, lanes):  # type: ignore[no-untyped-def]
    row, far = 4 * stride, 4 * stride * groups
    for p in range(groups):
        w = f32(tw + 32 * p, 8)
        w1r, w1i, w2r, w2i, w3r, w3i, w4r, w4i = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
        for q in range(0, row, 4 * lanes):
            r, i = xr + p * row + q, xi + p * row + q
            a, b, c, d, e, f, g, h, j, k = _dft5(
                load(r, like), load(i, like), load(r + far, like), load(i + far, like),
                load(r + 2 * far, like), load(i + 2 * far, like),
                load(r + 3 * far, like), load(i + 3 * far, like),
                load(r + 4 * far, like), load(i + 4 * far, like),
            )  # fmt: skip
            r, i = yr + 5 * p * row + q, yi + 5 * p * row + q
            store(r, a)
            store(i, b)
            c, d = turn(c, d, w1r, w1i)
            store(r + row, c)
            store(i + row, d)
            e, f = turn(e, f, w2r, w2i)
            store(r + 2 * row, e)
            store(i + 2 * row, f)
            g, h = turn(g, h, w3r, w3i)
            store(r + 3 * row, g)
            store(i + 3 * row, h)
            j, k = turn(j, k, w4r, w4i)
            store(r + 4 * row, j)
            store(i + 4 * row, k)


@numba.njit("void(int64, int64, int64, int64, int64, int64)", **JIT)
def pass_first4(xr: int, xi: int, yr: int, yi: int, tw: int, groups: int) -> None:
    """Radix 4 at stride 1: eight groups at once, their results interleaved by fours.

    The last eight groups overlap those before them where `groups` is no multiple of eight:
    computing a value twice is cheaper than a scalar remainder.
    """
    like, far = splat8(np.float32(0)), 4 * groups
    for start in range(0, groups, 8):
        at = 4 * min(start, groups - 8)
        r, i, w = xr + at, xi + at, tw + at
        a, b, c, d, e, f, g, h = _dft4(
            load(r, like), load(i, like), load(r + far, like), load(i + far, like),
            load(r + 2 * far, like), load(i + 2 * far, like),
            load(r + 3 * far, like), load(i + 3 * far, like),
        )  # fmt: skip
        c, d = turn(c, d, load(w, like), load(w + far, like))
        e, f = turn(e, f, load(w + 2 * far, like), load(w + 3 * far, like))
        g, h = turn(g, h, load(w + 4 * far, like), load(w + 5 * far, like))
        store_quads(yr + 4 * at, a, c, e, g)
        store_quads(yi + 4 * at, b, d, f, h)


@numba.njit(**INLINE)
def _by_radix(xr, xi, yr, yi, tw, groups, stride, radix, like, lanes):  # type: ignore[no-untyped-def]
    if radix == 4:
        _pass4(xr, xi, yr, yi, tw, groups, stride, like, lanes)
    elif radix == 2:
        _pass2(xr, xi, yr, yi, tw, groups, stride, like, lanes)
    elif radix == 3:
        _pass3(xr, xi, yr, yi, tw, groups, stride, like, lanes)
    else:
        _pass5(xr, xi, yr, yi, tw, groups, stride, like, lanes)


_PASS_SIGNATURE = "void(int64, int64, int64, int64, int64, int64, int64, int64)"


@numba.njit(_PASS_SIGNATURE, **JIT)
def pass_wide(xr: int, xi: int, yr: int, yi: int, tw: int, groups: int, stride: int, radix: int) -> None:
    """One pass where the stride is a multiple of eight."""
    _by_radix(xr, xi, yr, yi, tw, groups, stride, radix, splat8(np.float32(0)), 8)


@numba.njit(_PASS_SIGNATURE, **JIT)
def pass_half(xr: int, xi: int, yr: int, yi: int, tw: int, groups: int, stride: int, radix: int) -> None:
    """One pass where the stride is a multiple of four."""
    _by_radix(xr, xi, yr, yi, tw, groups, stride, radix, splat4(np.float32(0)), 4)


@numba.njit(_PASS_SIGNATURE, **JIT)
def pass_scalar(xr: int, xi: int, yr: int, yi: int, tw: int, groups: int, stride: int, radix: int) -> None:
    """One pass at any stride."""
    _by_radix(xr, xi, yr, yi, tw, groups, stride, radix, np.float32(0), 1)
