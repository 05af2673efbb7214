"""Steps of the streaming STFT and its inverse."""

from __future__ import annotations

import numba
import numpy as np

from rtaudio.kernels.fft import irfft_add, rfft
from rtaudio.kernels.memory import JIT, STEP, f32, i64
from rtaudio.kernels.simd import load, splat8, store


@numba.njit("void(int64, int64, int64)", **JIT)
def move_down(target: int, source: int, size: int) -> None:
    """Copy `size` float32 to an address that is lower than `source`, or far from it.

    They may overlap: each vector is read before anything above it is written.
    """
    like = splat8(np.float32(0))
    whole = size // 8 * 8
    for at in range(0, whole, 8):
        store(target + 4 * at, load(source + 4 * at, like))
    into, values = f32(target, size), f32(source, size)
    for i in range(whole, size):
        into[i] = values[i]


@numba.njit("void(int64, int64, int64, int64)", **JIT)
def shift_in(history: int, size: int, x: int, hop_length: int) -> None:
    """Drop the oldest `hop_length` of `size` samples and append those at `x`."""
    move_down(history, history + 4 * hop_length, size - hop_length)
    move_down(history + 4 * (size - hop_length), x, hop_length)


@numba.njit("void(int64, int64, int64, int64, int64, int64)", **JIT)
def _synthesise(words: int, state: int, overlap: int, work: int, x: int, out: int) -> None:
    """One frame of `synthesis_step`, whose words (n_fft, hop_length, lead, plan, window) lie at `words`.

    The window is zero for `lead` samples: what comes after those is complete, and before them old.
    """
    sizes = i64(words, 5)
    n_fft, hop_length = sizes[0], sizes[1]
    irfft_add(state + sizes[3], work, x, state + sizes[4], overlap)
    move_down(out, overlap + 4 * sizes[2], hop_length)
    move_down(overlap, overlap + 4 * hop_length, n_fft - hop_length)
    tail = f32(overlap + 4 * (n_fft - hop_length), hop_length)
    for i in range(hop_length):
        tail[i] = np.float32(0)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def analysis_step(state: int, x: int, out: int) -> None:
    """Words: n_fft, hop_length, offsets of plan, window, history, work."""
    words = i64(state, 6)
    history = state + words[4]
    shift_in(history, words[0], x, words[1])
    rfft(state + words[2], state + words[5], history, state + words[3], out)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def analysis_batch_step(state: int, x: int, out: int) -> None:
    """Words: streams, then as in `analysis_step`; history has a row a stream, work is anyone's."""
    words = i64(state, 7)
    n_fft, hop_length = words[1], words[2]
    for k in range(words[0]):
        history = state + words[5] + 4 * n_fft * k
        shift_in(history, n_fft, x + 4 * hop_length * k, hop_length)
        spectrum = out + 4 * (n_fft + 2) * k
        rfft(state + words[3], state + words[6], history, state + words[4], spectrum)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def synthesis_step(state: int, x: int, out: int) -> None:
    """Words: n_fft, hop_length, lead, offsets of plan, window, overlap, work."""
    words = i64(state, 7)
    _synthesise(state, state, state + words[5], state + words[6], x, out)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def synthesis_batch_step(state: int, x: int, out: int) -> None:
    """Words: streams, then as in `synthesis_step`; overlap has a row a stream, work is anyone's."""
    words = i64(state, 8)
    n_fft, hop_length = words[1], words[2]
    for k in range(words[0]):
        overlap = state + words[6] + 4 * n_fft * k
        spectrum = x + 4 * (n_fft + 2) * k
        _synthesise(state + 8, state, overlap, state + words[7], spectrum, out + 4 * hop_length * k)
