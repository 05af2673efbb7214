"""All states of a minimal gated recurrent unit over whole clips, and their slopes: for training."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from rtaudio.kernels.memory import JIT

Floats = NDArray[np.float32]

_ONE = np.float32(1)
_CLIP = "void(float32[:,:,::1], float32[:,:,::1], float32[:,::1], float32[:,:,::1]"


@numba.njit(_CLIP + ")", **JIT)
def scan(z: Floats, n: Floats, before: Floats, h: Floats) -> None:
    """States h of gates z and candidates n, all `(B, T, channels)`, after states `before` `(B, channels)`."""
    streams, frames, channels = z.shape
    for b in range(streams):
        last = before[b]
        for t in range(frames):
            for k in range(channels):
                h[b, t, k] = last[k] + z[b, t, k] * (n[b, t, k] - last[k])
            last = h[b, t]


@numba.njit(_CLIP + ", float32[:,:,::1], float32[:,:,::1], float32[:,:,::1])", **JIT)
def scan_back(
    z: Floats, n: Floats, before: Floats, h: Floats, slope: Floats, slope_z: Floats, slope_n: Floats
) -> None:
    """Slopes of a loss in z and n, from those in h, all `(B, T, channels)`: `scan` run backwards."""
    streams, frames, channels = z.shape
    total = np.zeros(channels, np.float32)
    for b in range(streams):
        total[:] = 0
        for t in range(frames - 1, -1, -1):
            last = h[b, t - 1] if t else before[b]
            for k in range(channels):
                total[k] += slope[b, t, k]
                slope_z[b, t, k] = total[k] * (n[b, t, k] - last[k])
                slope_n[b, t, k] = total[k] * z[b, t, k]
                total[k] *= _ONE - z[b, t, k]
