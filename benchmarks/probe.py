"""A compiled callback that plays one signal and records another, sample for sample.

Played through a device and back, the recording says how long the way was and what came of the
sound on it. The same callback with nothing to play just records.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types

from rtaudio.devices.base import Callbacks
from rtaudio.kernels.callback import PORTAUDIO
from rtaudio.kernels.memory import JIT, f32, i64
from rtaudio.stream.stage import Samples

PLAY, RECORD, SIZE, POSITION, BLOCKS, FLAGS = range(6)


@numba.njit("void(int64, int64, int64)", **JIT)
def _play(out: int, memory: int, frames: int) -> None:
    words = i64(memory, 6)
    into, source = f32(out, frames), f32(words[PLAY], words[SIZE])
    for i in range(frames):
        at = words[POSITION] + i
        into[i] = source[at] if at < words[SIZE] else np.float32(0.0)


@numba.njit("void(int64, int64, int64)", **JIT)
def _record(x: int, memory: int, frames: int) -> None:
    words = i64(memory, 6)
    heard, kept = f32(x, frames), f32(words[RECORD], words[SIZE])
    for i in range(min(frames, words[SIZE] - words[POSITION])):
        kept[words[POSITION] + i] = heard[i]


@numba.cfunc(PORTAUDIO, cache=True, error_model="numpy")
def _callback(x: Any, out: Any, frames: Any, time_info: Any, flags: Any, memory: Any) -> Any:
    words, size = i64(memory, 6), types.int64(frames)
    if out:
        _play(out, memory, size)
    if x:
        _record(x, memory, size)
    words[POSITION] += size
    words[BLOCKS] += 1
    words[FLAGS] |= types.int64(flags)
    return 0


class Probe:
    """Plays `signal` (float32, mono) once through a duplex device, and keeps what comes in meanwhile."""

    def __init__(self, signal: Samples) -> None:
        self.signal = np.ascontiguousarray(signal, np.float32)
        self.heard = np.zeros_like(self.signal)
        self._words = np.zeros(6, np.int64)
        self._words[:3] = self.signal.ctypes.data, self.heard.ctypes.data, self.signal.size

    @property
    def callbacks(self) -> Callbacks:
        address = int(_callback.address)
        return Callbacks(address, address, address, int(self._words.ctypes.data))

    @property
    def done(self) -> bool:
        return bool(self._words[POSITION] >= self._words[SIZE])

    @property
    def blocks(self) -> int:
        return int(self._words[BLOCKS])

    @property
    def xruns(self) -> int:
        """PortAudio's flags of all blocks, ored together."""
        return int(self._words[FLAGS])


def delay_between(played: Samples, heard: Samples) -> int:
    """Samples by which `heard` lags `played`: the peak of their cross-correlation."""
    size = 1 << (played.size + heard.size - 1).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(played, size))
    return int(np.argmax(np.abs(np.fft.irfft(spectrum, size)[: heard.size])))


def chirp(sample_rate: int, seconds: float, low_hz: float = 100.0, high_hz: float = 8000.0) -> Samples:
    """Sine whose pitch rises exponentially, at -6 dBFS, with 10 ms fades against clicks."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    rate = np.log(high_hz / low_hz) / seconds
    x = 0.5 * np.sin(2 * np.pi * low_hz * np.expm1(t * rate) / rate)
    fade = np.minimum(1.0, np.minimum(t, t[::-1]) / 0.01)
    return np.asarray(x * fade, np.float32)
