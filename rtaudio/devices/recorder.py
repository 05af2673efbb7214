"""Recording of what comes in and what goes out, without the audio path noticing."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import numpy as np

from rtaudio.devices.wav import WavWriter
from rtaudio.errors import AudioFileError, ConfigError
from rtaudio.kernels.ring import Ring

CAPACITY = 1 << 19  # 10.9 s at 48 kHz: a disk may be slow that long before sound is lost
PERIOD_S = 0.1  # what a crash may cost of the recording, at one wake-up of Python per period
PIECE = 1 << 16


class Recorder:
    """Writes the engine's input and output to two mono float32 WAV files while they come.

    The engine pushes its hops into two rings (`in_address`, `out_address`); a Python thread
    empties them. Where the disk is full, or fails, recording ends: `error` says so in one line,
    the files hold what was written, and the sound goes on.

    Raises AudioFileError where a file can't be written, ConfigError where both are the same.
    """

    def __init__(self, in_path: str | Path, out_path: str | Path, sample_rate: int) -> None:
        if Path(in_path).resolve() == Path(out_path).resolve():
            raise ConfigError(f"{in_path}: both recordings can't go to the same file")
        self.in_ring, self.out_ring = Ring(CAPACITY), Ring(CAPACITY)
        before = WavWriter(in_path, sample_rate)
        try:
            after = WavWriter(out_path, sample_rate)
        except AudioFileError:
            before.discard()
            raise
        self._files = [(self.in_ring, before), (self.out_ring, after)]
        self._piece = np.empty(PIECE, np.float32)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: AudioFileError | None = None

    @property
    def in_address(self) -> int:
        return self.in_ring.address

    @property
    def out_address(self) -> int:
        return self.out_ring.address

    @property
    def n_samples(self) -> tuple[int, int]:
        """Samples in the two files so far."""
        (_, before), (_, after) = self._files
        return before.n_samples, after.n_samples

    def end(self, reason: str) -> None:
        """Take no more: `error` is then that the recording ended for that reason."""
        (_, before), _ = self._files
        self._ended(before, reason)

    def start(self) -> None:
        """Begin to write what the engine pushes."""
        self._over.clear()
        self._thread = threading.Thread(target=self._run, name="rtaudio-recorder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and finish both files. Does nothing the second time."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._drain()
        for _, file in self._files:
            try:
                file.close()
            except OSError as error:
                self.error = AudioFileError(f"{file.path}: can't be written: {error.strerror}")

    def __enter__(self) -> Recorder:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._over.wait(PERIOD_S):
            self._drain()

    def _drain(self) -> None:
        for ring, file in self._files:
            while fill := min(ring.fill, PIECE):
                piece = self._piece[:fill]
                ring.pull(piece)  # also after an error, so that the ring doesn't count as full
                if self.error is None:
                    self._write(file, piece)

    def _write(self, file: WavWriter, piece: np.ndarray) -> None:
        try:
            file.write(piece)
        except OSError as error:
            why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror
            self._ended(file, why or "")

    def _ended(self, file: WavWriter, reason: str) -> None:
        if self.error is None:
            seconds = file.n_samples / file.sample_rate
            self.error = AudioFileError(f"{file.path}: recording ended after {seconds:.1f} s: {reason}")
