"""A WAV stream from stdin, heard as it comes: what `arecord` and `ffmpeg -f wav -` write to a pipe."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from typing import BinaryIO, Self

import numpy as np

from rtaudio.devices.file import AudioReader, Frames
from rtaudio.errors import AudioFileError

CHUNK_S = 0.05
"""What is waited for before it is passed on: less than anybody notices."""

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
LONGEST_HEADER = 1 << 16

SAMPLES = {(PCM, 8): "u1", (PCM, 16): "<i2", (PCM, 24): "u1", (PCM, 32): "<i4", (FLOAT, 32): "<f4"}
"""Tags and bits of the samples that are read, and their types; 24 bits are three bytes each."""


def open_sound(path: str) -> AudioReader | WavPipe:
    """A file to read; `-` is stdin, as it comes where it is WAV. Raises AudioFileError."""
    if path == "-" and hasattr(sys.stdin.buffer, "peek") and sys.stdin.buffer.peek(4)[:4] == b"RIFF":
        return WavPipe(sys.stdin.buffer)
    return AudioReader(path)


def as_frames(data: bytes, bits: int, channels: int, tag: int = PCM) -> Frames:
    """Interleaved samples, as WAV has them, as float32 `(n, channels)` in ±1; a torn frame is left out."""
    frame_bytes = bits // 8 * channels
    x = np.frombuffer(data[: len(data) // frame_bytes * frame_bytes], SAMPLES[tag, bits])
    if bits == 24:
        x = np.pad(x.reshape(-1, 3), ((0, 0), (1, 0))).view("<i4").ravel()
    values: Frames = x.astype(np.float32)
    if bits == 8:
        values = (values - np.float32(128)) / np.float32(128)
    elif x.dtype.kind == "i":
        values /= np.float32(-float(np.iinfo(x.dtype).min))
    return values.reshape(-1, channels)


class WavPipe:
    """Chunks `(frames, channels)` of float32 from a WAV stream, as `AudioReader` gives of a file.

    The sizes in its header are not believed: who writes to a pipe doesn't know them. Raises
    AudioFileError for a format that isn't read, and for NaN or infinite samples.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        tag, self.channels, self.sample_rate, bits = self._read_header()
        if (tag, bits) not in SAMPLES or not 1 <= self.channels <= 64 or self.sample_rate < 1:
            raise AudioFileError(
                f"stdin: WAV with format {tag}, {bits} bits, {self.channels} channels is not read"
            )
        self._tag, self._bits = tag, bits
        self._frame_bytes = bits // 8 * self.channels

    def _read_header(self) -> tuple[int, int, int, int]:
        """Format tag, channels, rate and bits; the stream is then at its first sample."""
        self._exactly(12)
        format_: tuple[int, int, int, int] | None = None
        while True:
            name, size = struct.unpack("<4sI", self._exactly(8))
            if name == b"data":
                break
            if size > LONGEST_HEADER:
                raise AudioFileError("stdin: is not WAV, or damaged: its header never ends")
            body = self._exactly(size + size % 2)
            if name == b"fmt " and size >= 16:
                tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
                if tag == EXTENSIBLE and size >= 26:  # the tag is then the head of a GUID
                    (tag,) = struct.unpack("<H", body[24:26])
                format_ = tag, channels, rate, bits
        if format_ is None:
            raise AudioFileError("stdin: is WAV without a format")
        return format_

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise AudioFileError("stdin: is truncated: its header breaks off")
        return data

    def __iter__(self) -> Iterator[Frames]:
        size = max(1, round(CHUNK_S * self.sample_rate)) * self._frame_bytes
        while data := self._stream.read(size):
            chunk = as_frames(data, self._bits, self.channels, self._tag)
            if not np.isfinite(chunk).all():
                raise AudioFileError("stdin: has samples that are no numbers (NaN or infinite)")
            yield chunk

    def close(self) -> None:
        """Stdin stays open: it is the process's."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
