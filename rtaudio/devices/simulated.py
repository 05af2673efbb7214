"""A sound card made of arithmetic: how the live path is tested where there is no sound card."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rtaudio.devices.base import Callbacks
from rtaudio.errors import ConfigError, DeviceError, RateError
from rtaudio.kernels import live
from rtaudio.kernels import simulate as s
from rtaudio.stream.stage import Samples

WATCH_FROM_S = 2.0


@dataclass(frozen=True)
class Faults:
    """What goes wrong in a simulated run.

    - hop_cost_us: compute time of hop i; the last value goes on for ever. Virtual clock only:
      on the real clock hops cost what they cost.
    - jitter_us: by how much block i comes late.
    - flags: PortAudio's status flags of block i (2 input overflow, 4 output underflow).
    """

    hop_cost_us: Sequence[float] = (0.0,)
    jitter_us: Sequence[float] = ()
    flags: Sequence[int] = ()


def stall(at_hop: int, ms: float, then_us: float = 0.0) -> Faults:
    """Faults of an engine that stands still for `ms` once, at hop `at_hop`."""
    return Faults(hop_cost_us=[then_us] * at_hop + [1000.0 * ms, then_us])


@dataclass
class _Tables:
    """Arrays the compiled simulation reads by address: kept alive here."""

    words: NDArray[np.int64] = field(default_factory=lambda: np.zeros(s.N_WORDS, np.int64))
    arrays: list[NDArray[np.generic]] = field(default_factory=list)

    def put(self, address_word: int, values: NDArray[np.generic], size_word: int | None = None) -> None:
        self.arrays.append(values)
        self.words[address_word] = values.ctypes.data
        if size_word is not None:
            self.words[size_word] = values.size


class SimulatedDevice:
    """Plays mono float32 `x` into the compiled callbacks and keeps what they give back.

    - clock="virtual": as fast as possible and the same every time; 60 s take well under a second.
    - clock="real": block by block at the sample rate, as a sound card does.
    - out_channels=0: a microphone alone.
    - two_streams: input and output call back each at moments of their own.
    - two_clocks: and on clocks of their own, off by `in_ppm` and `out_ppm`.
    - duration_s: go on that long, with `x` repeated; otherwise until `x` has come out.
    - watch_hz: watch the output for clicks in a tone of that frequency (`worst_residual`), from
      WATCH_FROM_S on: the start of a tone is itself a step.

    After the run `output` holds what the speakers got (first channel; with `duration_s` only the
    last 10 s). `unplug()` makes it a device that was lost; `plug_in()` brings it back, at another
    rate if told so: `x` and `output` go on in its samples.
    """

    def __init__(
        self,
        x: Samples,
        sample_rate: int = 48000,
        block: int = 480,
        *,
        clock: Literal["virtual", "real"] = "virtual",
        in_channels: int = 1,
        out_channels: int = 1,
        two_streams: bool = False,
        two_clocks: bool = False,
        in_ppm: float = 0.0,
        out_ppm: float = 0.0,
        duration_s: float | None = None,
        watch_hz: float | None = None,
        faults: Faults | None = None,
    ) -> None:
        if block < 1:
            raise ConfigError(f"block={block} must be at least 1 sample")
        if (two_streams or two_clocks) and clock == "real":
            raise ConfigError("two_streams and two_clocks need clock='virtual'")
        self.sample_rate, self.block = sample_rate, block
        self.in_channels, self.out_channels = in_channels, out_channels
        self.one_clock, self.duplex = not two_clocks, not (two_streams or two_clocks)
        self.virtual = clock == "virtual"
        self.capture_latency_s = self.playback_latency_s = 0.0
        self.duration_s, self._present, self._runs_at = duration_s, True, sample_rate
        self._x = np.ascontiguousarray(x, np.float32)
        self._thread: threading.Thread | None = None
        self._tables = self._make_tables(faults or Faults())
        reals = self._tables.words.view(np.float64)
        reals[s.IN_PPM_F], reals[s.OUT_PPM_F] = in_ppm, out_ppm
        if watch_hz is not None:
            self._tables.words[s.WATCH_FROM] = round(WATCH_FROM_S * sample_rate)
            reals[s.TONE_F] = 2.0 * math.cos(2.0 * math.pi * watch_hz / sample_rate)

    def _make_tables(self, faults: Faults) -> _Tables:
        t = _Tables()
        t.words[[s.BLOCK, s.RATE, s.CYCLIC]] = self.block, self.sample_rate, self.duration_s is not None
        t.put(s.X, self._x, s.X_SIZE)
        t.put(s.COSTS, (1e3 * np.asarray(faults.hop_cost_us, float)).astype(np.int64), s.N_COSTS)
        t.put(s.JITTER, (1e3 * np.asarray(faults.jitter_us, float)).astype(np.int64), s.N_JITTER)
        t.put(s.FLAGS, np.asarray(faults.flags, np.int64), s.N_FLAGS)
        t.put(s.IN_BLOCK, np.zeros(self.block * self.in_channels, np.float32))
        t.put(s.OUT_BLOCK, np.zeros(self.block * self.out_channels, np.float32))
        return t

    def open(self, callbacks: Callbacks) -> None:
        """Fix the length of the run, which depends on the pipeline's latency."""
        if not self._present:
            raise DeviceError("the simulated device is unplugged")
        if self._runs_at != self.sample_rate:
            raise RateError(f"the simulated device runs at {self._runs_at} Hz only", [self._runs_at])
        words = self._tables.words
        engine = np.ctypeslib.as_array((ctypes.c_int64 * live.N_WORDS).from_address(callbacks.memory))
        if self.duration_s is not None:
            total, kept = round(self.duration_s * self.sample_rate), 10 * self.sample_rate
        else:
            total = kept = self._x.size + int(engine[live.LATENCY] + engine[live.PREFILL])
        words[s.N_BLOCKS] = -(-total // self.block)
        if not words[s.Y]:  # a device that was lost and reopened goes on where it was
            self.output = np.zeros(min(kept, total) + self.block, np.float32)
            self._tables.put(s.Y, self.output, s.Y_SIZE)
        words[[s.DUPLEX_CALLBACK, s.CAPTURE_CALLBACK, s.PLAYBACK_CALLBACK]] = (
            callbacks.duplex if self.out_channels else callbacks.capture,
            callbacks.capture,
            callbacks.playback,
        )
        self._memory = callbacks.memory

    def start(self) -> None:
        self._tables.words[s.STOP] = 0
        run = s.run_virtual if self.virtual else s.run_real
        address = self._tables.words.ctypes.data
        self._thread = threading.Thread(target=run, args=(address, self._memory), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._tables.words[s.STOP] = 1
        self.wait(None)

    def close(self) -> None:
        self.stop()

    def change_rate(self, sample_rate: int) -> None:
        self.sample_rate = self._tables.words[s.RATE] = sample_rate

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until the recording was played to its end; False where it was not by then."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self.finished

    @property
    def finished(self) -> bool:
        return bool(self._tables.words[s.DONE])

    @property
    def active(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def worst_residual(self) -> float:
        """Largest deviation of the output from the watched tone's recurrence, at any sample."""
        return float(self._tables.words.view(np.float64)[s.WORST_F])

    def unplug(self) -> None:
        """Lose the device: callbacks cease, and `open` fails."""
        self._present = False
        self.stop()

    def plug_in(self, sample_rate: int | None = None) -> None:
        self._present, self._runs_at = True, sample_rate or self._runs_at
