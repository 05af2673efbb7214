"""A WAV file that can be played at any moment of its making, and grows beyond 4 GiB.

The header is written again after every piece of sound, so that a file cut short by a crash or a
full disk holds all the sound that was written. Until it is finished it goes by another name, so
that it never replaces a good file half-done.

Format: mono float32, with room kept (chunk `JUNK`) for the 64-bit sizes of RF64, which begin
where 32 bits end (EBU Tech 3306).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import struct
from pathlib import Path

from rtaudio.errors import AudioFileError
from rtaudio.stream.stage import Samples

HEADER = 12 + 36 + 24 + 8  # RIFF; JUNK or ds64 with 28 bytes; fmt with 16; data
LIMIT = 2**32 - 1
FLOAT = 3  # WAVE_FORMAT_IEEE_FLOAT


def header(sample_rate: int, n_samples: int) -> bytes:
    """The bytes before the samples of a mono float32 file."""
    size = 4 * n_samples
    large = HEADER + size > LIMIT
    sizes = struct.pack("<QQQI", HEADER - 8 + size, size, n_samples, 0)
    return b"".join(
        (
            struct.pack(
                "<4sI4s", b"RF64" if large else b"RIFF", LIMIT if large else HEADER - 8 + size, b"WAVE"
            ),
            struct.pack("<4sI28s", b"ds64" if large else b"JUNK", 28, sizes if large else bytes(28)),
            struct.pack("<4sIHHIIHH", b"fmt ", 16, FLOAT, 1, sample_rate, 4 * sample_rate, 4, 32),
            struct.pack("<4sI", b"data", LIMIT if large else size),
        )
    )


def _create_beside(path: Path) -> tuple[Path, int]:
    """A new file `name.part.wav`, or `name.part2.wav` and so on: one that is there is what a crash saved."""
    for n in itertools.count(1):
        part = path.with_suffix(f".part{n if n > 1 else ''}.wav")
        with contextlib.suppress(FileExistsError):
            return part, os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    raise AssertionError  # the count never ends


class WavWriter:
    """Writes mono float32 samples to `path`; `write` may raise OSError, and what was written stays.

    Raises AudioFileError where `path` doesn't end in .wav or can't be written.
    """

    def __init__(self, path: str | Path, sample_rate: int) -> None:
        self.path, self.sample_rate, self.n_samples = Path(path), sample_rate, 0
        if self.path.suffix.lower() != ".wav":
            raise AudioFileError(f"{self.path}: recordings are WAV, the name must end in .wav")
        if self.path.is_dir() or (self.path.exists() and not os.access(self.path, os.W_OK)):
            raise AudioFileError(f"{self.path}: can't be written")
        try:
            self._part, self._file = _create_beside(self.path)
            try:
                os.pwrite(self._file, header(sample_rate, 0), 0)
            except OSError:
                self.discard()
                raise
        except OSError as error:
            raise AudioFileError(f"{self.path}: can't be written: {error.strerror}") from None

    def write(self, x: Samples) -> None:
        """Append contiguous float32 samples, then make the header say so."""
        left = x.data.cast("B")
        at = HEADER + 4 * self.n_samples
        try:
            while left:
                done = os.pwrite(self._file, left, at)
                left, at = left[done:], at + done
        finally:
            self.n_samples = (at - HEADER) // 4
            os.pwrite(self._file, header(self.sample_rate, self.n_samples), 0)

    def close(self) -> None:
        """Finish the file and give it its name. Does nothing the second time.

        Without a sample in it, as where no device could be opened, it never replaces another.
        """
        if self._file < 0:
            return
        if self.n_samples == 0 and self.path.exists():
            self.discard()
            return
        os.ftruncate(self._file, HEADER + 4 * self.n_samples)
        os.close(self._file)
        self._file = -1
        os.replace(self._part, self.path)

    def discard(self) -> None:
        """Give up a file that was never written to."""
        os.close(self._file)
        self._file = -1
        self._part.unlink()
