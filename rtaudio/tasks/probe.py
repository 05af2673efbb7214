"""A probe: plays one signal through a device and records what comes back, sample for sample.

Its callback is compiled, so what it hears is what the device did. `Probe` is that callback with
its memory; `ProbeProcess` runs one in a program of its own, as a stranger to the program tried:

    python -m rtaudio.tasks.probe FOLDER BLOCK INPUT OUTPUT     (names may be "", the default)
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numba
import numpy as np

from rtaudio.devices.base import Callbacks
from rtaudio.devices.portaudio import PortAudioDevice
from rtaudio.devices.servers import eventually
from rtaudio.engine.priority import audio_threads, raise_priority, thread_ids
from rtaudio.errors import DeviceError, RtaudioError
from rtaudio.kernels.callback import PORTAUDIO
from rtaudio.kernels.memory import JIT, f32, i64
from rtaudio.stream.stage import Samples

PLAY, RECORD, SIZE, POSITION, BLOCKS, FLAGS, HOLD = range(7)
N_WORDS = 7


@numba.njit("void(int64, int64, int64)", **JIT)
def _give(out: int, memory: int, frames: int) -> None:
    words = i64(memory, N_WORDS)
    into, source = f32(out, frames), f32(words[PLAY], words[SIZE])
    for i in range(frames):
        at = words[POSITION] + i
        into[i] = source[at] if at < words[SIZE] and words[HOLD] == 0 else np.float32(0.0)


@numba.njit("void(int64, int64, int64)", **JIT)
def _record(x: int, memory: int, frames: int) -> None:
    words = i64(memory, N_WORDS)
    heard, kept = f32(x, frames), f32(words[RECORD], words[SIZE])
    for i in range(min(frames, words[SIZE] - words[POSITION])):
        kept[words[POSITION] + i] = heard[i]


@numba.cfunc(PORTAUDIO, cache=True, error_model="numpy")
def _callback(x: Any, out: Any, frames: Any, time_info: Any, flags: Any, memory: Any) -> Any:
    words, size = i64(memory, N_WORDS), numba.types.int64(frames)
    if out:
        _give(out, memory, size)
    if words[HOLD] == 0:
        if x:
            _record(x, memory, size)
        words[POSITION] += size
        words[FLAGS] |= numba.types.int64(flags)
    words[BLOCKS] += 1
    return 0


class Probe:
    """Plays `signal` (mono float32) once, and keeps in `heard` what comes in meanwhile.

    With `hold` it is silent until `go`.
    """

    def __init__(self, signal: Samples, hold: bool = False) -> None:
        self.signal = np.ascontiguousarray(signal, np.float32)
        self.heard = np.zeros_like(self.signal)
        self._words = np.zeros(N_WORDS, np.int64)
        self._words[:3] = self.signal.ctypes.data, self.heard.ctypes.data, self.signal.size
        self._words[HOLD] = hold

    @property
    def callbacks(self) -> Callbacks:
        address = int(_callback.address)
        return Callbacks(address, address, address, int(self._words.ctypes.data))

    def go(self) -> None:
        """Play from the beginning, now."""
        self._words[HOLD] = 1
        self._words[POSITION] = self._words[FLAGS] = 0
        self._words[HOLD] = 0

    @property
    def done(self) -> bool:
        return bool(self._words[POSITION] >= self._words[SIZE])

    @property
    def blocks(self) -> int:
        return int(self._words[BLOCKS])

    @property
    def xruns(self) -> int:
        """PortAudio's flags of all blocks played, ored together."""
        return int(self._words[FLAGS])


class ProbeProcess:
    """A probe in a program of its own, connected to `source` and `sink` (PortAudio's default: "")."""

    def __init__(self, folder: Path, signal: Samples, block: int, source: str = "", sink: str = "") -> None:
        self._folder, self._arguments = folder, (str(folder), str(block), source, sink)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "signal.npy", np.asarray(signal, np.float32))

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "rtaudio.tasks.probe", *self._arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self._expect("ready")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # the end of its input ends it
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def play(self) -> tuple[Samples, int]:
        """Play the signal once; returns what was heard meanwhile, and PortAudio's flags.

        Raises DeviceError with what the program said where it can't.
        """
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # what it said before it ended is read below
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        flags = int(self._expect("done")[0])
        return np.load(self._folder / "heard.npy"), flags

    def _expect(self, word: str) -> list[str]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        first, *rest = line.split() or [""]
        if first != word:
            raise DeviceError(f"the probe failed: {line.removeprefix('failed ').strip() or 'it was ended'}")
        return rest


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


def open_probe(device: PortAudioDevice, probe: Probe) -> None:
    """Open and start the device; returns when the first block has come."""
    before, blocks = thread_ids(), probe.blocks
    device.open(probe.callbacks)
    device.start()
    raise_priority(audio_threads(before))
    eventually(lambda: probe.blocks > blocks, "the first block")


def play(device: PortAudioDevice, probe: Probe) -> None:
    """Play to the end; again where the stream dies on the way.

    PortAudio's duplex streams on ALSA's Pulse plug-in do that on a busy machine (pa_linux_alsa.c,
    `ContinuePoll`). Raises TimeoutError where it never gets there.
    """
    for _attempt in range(5):
        probe.go()
        # A signal lasts a few seconds at most; the margin is for blocks of a machine under load.
        with contextlib.suppress(TimeoutError):
            eventually(lambda: probe.done or not device.active, "the end of the signal", timeout_s=10)
        if probe.done:
            return
        device.close()
        open_probe(device, probe)
    raise TimeoutError("the signal never came through")


def main(folder: str, block: str, source: str, sink: str) -> int:
    """Say "ready", then play once for every line that comes in; or "failed", and why."""
    probe = Probe(np.load(Path(folder) / "signal.npy"), hold=True)
    # One stream: what was heard when is known to the sample only then.
    try:
        device = PortAudioDevice(source or None, sink or None, block=int(block), duplex=True)
        open_probe(device, probe)
        print("ready", flush=True)
        for _ in sys.stdin:
            play(device, probe)
            np.save(Path(folder) / "heard.npy", probe.heard)
            print("done", probe.xruns, flush=True)
        device.close()
    except (RtaudioError, TimeoutError) as error:
        print("failed", error, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
