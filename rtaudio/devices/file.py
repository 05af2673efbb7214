"""Audio files read and written in chunks, whatever libsndfile knows; `-` is stdin and stdout.

A file that is broken is refused, never half used; a file that is written appears under its name
only when it is whole.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from rtaudio.errors import AudioFileError

Frames = NDArray[np.float32]
"""Shape (frames, channels)."""

CHUNK = 1 << 16
"""Frames read at a time: 1.4 s at 48 kHz, half a megabyte in stereo."""

STREAMED = 0x7FF00000
"""Sizes from here on are what programs that write to a pipe put in a header, not a real length."""

DECLARED = re.compile(r"^\s*(?:data|SSND|riff|Riff size|Data Size)\s*:\s*(\d+) \(should be (\d+)\)", re.M)

FORMATS = {"OGA": "OGG", "OPUS": "OGG", "AIF": "AIFF", "AIFC": "AIFF", "SND": "AU", "WAVE": "WAV"}
"""Extensions libsndfile's list doesn't have, and the format they mean."""

NOT_AUDIO = {"RAW", "MAT4", "MAT5", "HTK", "XI", "SDS", "SD2"}
"""Formats of libsndfile that aren't recordings, or can't be told by their extension."""


def format_of(path: Path) -> str:
    """libsndfile's name of the format an extension means; AudioFileError where it means none."""
    extension = path.suffix[1:].upper()
    name = FORMATS.get(extension, extension)
    if name not in known_formats():
        names = " ".join(sorted(n.lower() for n in known_formats()))
        raise AudioFileError(f"{path}: unknown extension {path.suffix!r}; it may be one of: {names}")
    return name


def known_formats() -> set[str]:
    """Names of the formats that are read and written."""
    return set(sf.available_formats()) - NOT_AUDIO


def is_audio_name(path: Path) -> bool:
    """Whether the extension is one of audio; says nothing about what is in the file."""
    extension = path.suffix[1:].upper()
    return FORMATS.get(extension, extension) in known_formats()


SYSTEM_ERROR = 2
"""libsndfile's code where not the request is at fault, but the system refused to read or write."""


class AudioReader:
    """An audio file as float32 chunks `(frames, channels)`.

    Raises AudioFileError where it is missing, empty, not audio, or shorter than its header says,
    and, while it is read, where it breaks off or holds NaN or infinite samples.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = "stdin" if str(path) == "-" else str(path)
        self._source = _spool(sys.stdin.buffer) if str(path) == "-" else None
        self._file = _open(self._source or Path(path), self.name)
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.frames: int = self._file.frames
        self.format: str = self._file.format
        self.subtype: str = self._file.subtype
        try:
            self._refuse_broken(Path(path))
        except AudioFileError:
            self.close()
            raise

    def _refuse_broken(self, path: Path) -> None:
        for declared, real in DECLARED.findall(self._file.extra_info):
            if int(real) < int(declared) < STREAMED:
                self._truncated(f"the header declares {declared} bytes of sound, {real} are there")
        if self.format == "OGG" and self._source is None and not _ogg_ends(path):
            self._truncated("its last page is missing")
        if self.frames == 0:
            raise AudioFileError(f"{self.name}: has no samples in it")

    def _truncated(self, reason: str) -> None:
        raise AudioFileError(f"{self.name}: is truncated: {reason}")

    def __iter__(self) -> Iterator[Frames]:
        done = 0
        while done < self.frames:
            try:
                chunk = self._file.read(min(CHUNK, self.frames - done), np.float32, always_2d=True)
            except sf.SoundFileError:
                chunk = np.empty((0, self.channels), np.float32)
                done = max(done, self._decoded())  # what came before the error is thrown away with it
            if len(chunk) == 0:
                self._truncated(f"it breaks off at {done} of {self.frames} samples")
            if not np.isfinite(chunk).all():
                first = done + int(np.argmin(np.isfinite(chunk).all(axis=1)))
                raise AudioFileError(
                    f"{self.name}: has samples that are no numbers (NaN or infinite), "
                    f"the first {first / self.sample_rate:.3f} s in"
                )
            done += len(chunk)
            yield chunk

    def _decoded(self) -> int:
        """How many samples the decoder says it has given; 0 where it doesn't tell."""
        with contextlib.suppress(sf.SoundFileError):
            return int(self._file.tell())
        return 0

    def close(self) -> None:
        self._file.close()
        if self._source is not None:
            self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _open(source: Path | IO[bytes], name: str) -> Any:
    if isinstance(source, Path):
        if source.is_dir():
            raise AudioFileError(f"{name}: is a folder, not an audio file")
        if not source.exists():
            raise AudioFileError(f"{name}: no such file")
        if not os.access(source, os.R_OK):
            raise AudioFileError(f"{name}: cannot be read (permission denied)")
        if source.is_file() and source.stat().st_size == 0:
            raise AudioFileError(f"{name}: is empty")
    try:
        return sf.SoundFile(source if not isinstance(source, Path) else str(source))
    except (sf.SoundFileError, TypeError, OSError):
        raise AudioFileError(f"{name}: is not audio in a format that libsndfile reads") from None


def _spool(stream: IO[bytes]) -> IO[bytes]:
    """A pipe as a file that can be sought in, which reading a header asks for."""
    spooled = tempfile.TemporaryFile()  # noqa: SIM115 - the reader closes it
    shutil.copyfileobj(stream, spooled)
    if spooled.tell() == 0:
        spooled.close()
        raise AudioFileError("stdin: is empty")
    spooled.seek(0)
    return spooled


def _ogg_ends(path: Path) -> bool:
    """Whether the last Ogg page is marked as the end of its stream (RFC 3533, section 6)."""
    largest_page = 65307
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, largest_page), os.SEEK_END)
        tail = file.read()
    page = tail.rfind(b"OggS")
    return page >= 0 and len(tail) > page + 5 and bool(tail[page + 5] & 4)


UNTOUCHED_S = 600.0
"""A writer in another container, or on another machine, doesn't run as far as one can see from here;
its file is written to, though."""


def _remove_leftovers(folder: Path, stem: str) -> None:
    """Remove the half-written files of processes that were killed, once they were let be for a while."""
    for part in folder.glob(f"{glob.escape(stem)}-*-*.part"):
        pid = part.name.split("-")[-2]
        if pid.isdecimal() and not _runs(int(pid)):
            with contextlib.suppress(OSError):
                if time.time() - part.stat().st_mtime > UNTOUCHED_S:
                    part.unlink()


def _runs(pid: int) -> bool:
    if os.name != "posix":  # elsewhere there is no asking without ending it
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


class AudioWriter:
    """Writes chunks to a file beside `path`, which takes its place when all went well.

    Used as a context manager: leaving it by an exception removes what was written and keeps
    what was there before. The format comes from the extension; `subtype` (PCM_16, FLOAT, …)
    is kept where that format has it. `-` writes a WAV file to stdout.

    Raises AudioFileError where the extension is unknown, the format can't hold the rate or the
    channels, or nothing can be written there.
    """

    def __init__(self, path: str | Path, sample_rate: int, channels: int, subtype: str | None = None) -> None:
        self.path = None if str(path) == "-" else Path(path)
        self.name = "stdout" if self.path is None else str(path)
        file_format = "WAV" if self.path is None else format_of(self.path)
        if self.path is not None and self.path.suffix.lower() == ".opus":
            subtype = "OPUS"
        if subtype is None or not sf.check_format(file_format, subtype):
            subtype = sf.default_subtype(file_format)
        self._part = self._unused_path()
        # Known before the file is there: an interrupt at any moment leaves nothing behind.
        self._discard = weakref.finalize(self, self._part.unlink, missing_ok=True)
        try:
            os.close(os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except OSError as error:
            raise AudioFileError(f"{self.name}: cannot be written ({error.strerror})") from None
        try:
            self._file = sf.SoundFile(self._part, "w", sample_rate, channels, subtype, format=file_format)
        except (sf.SoundFileError, ValueError, TypeError) as error:
            self._discard()
            if getattr(error, "code", None) == SYSTEM_ERROR:
                raise AudioFileError(f"{self.name}: cannot be written: is the disk full?") from None
            raise AudioFileError(
                f"{self.name}: {file_format} cannot hold {channels} channels at {sample_rate} Hz"
            ) from None

    def _unused_path(self) -> Path:
        folder = None if self.path is None else self.path.parent
        if folder is not None and not folder.is_dir():
            raise AudioFileError(f"{self.name}: there is no folder {folder}")
        if self.path is not None and self.path.is_dir():
            raise AudioFileError(f"{self.name}: is a folder")
        stem = ".rtaudio" if self.path is None else f".{self.path.stem}"
        beside = Path(folder or tempfile.gettempdir())
        _remove_leftovers(beside, stem)
        return beside / f"{stem}-{os.getpid()}-{secrets.token_hex(4)}.part"

    def write(self, x: Frames) -> None:
        """Append frames `(n, channels)`; integer formats clip at full scale."""
        try:
            self._file.write(x)
        except (sf.SoundFileError, OSError):
            raise AudioFileError(f"{self.name}: cannot be written: is the disk full?") from None

    def _commit(self) -> None:
        self._file.close()
        if self.path is None:
            with self._part.open("rb") as whole:
                shutil.copyfileobj(whole, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        umask = os.umask(0)
        os.umask(umask)
        self._part.chmod(0o666 & ~umask)  # what open() would have given; mkstemp gives 0600
        self._part.replace(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._commit()
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise AudioFileError(f"{self.name}: cannot be written ({error.strerror})") from None
        finally:
            self._file.close()
            self._discard()
