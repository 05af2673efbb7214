import os
import re
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf

from rtaudio.devices.file import AudioReader, AudioWriter
from rtaudio.errors import AudioFileError

NOISE = 0.1 * np.random.default_rng(0).standard_normal((30000, 2)).astype(np.float32)


def read(path):
    with AudioReader(path) as reader:
        return np.concatenate(list(reader))


def write(path, x, rate=48000, subtype=None):
    with AudioWriter(path, rate, x.shape[1], subtype) as writer:
        writer.write(x)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.caf", "a.au", "a.w64"])
def test_written_is_what_is_read(tmp_path, name):
    write(tmp_path / name, NOISE, subtype="PCM_24")
    np.testing.assert_allclose(read(tmp_path / name), NOISE, atol=2.0**-23)


@pytest.mark.parametrize("name", ["a.ogg", "a.opus", "a.mp3"])
def test_lossy_formats_keep_their_length(tmp_path, name):
    write(tmp_path / name, NOISE, subtype="FLOAT")
    assert read(tmp_path / name).shape == NOISE.shape


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.au", "a.w64", "a.ogg", "a.mp3", "a.caf"])
def test_truncated_is_refused(tmp_path, name):
    path = tmp_path / name
    write(path, NOISE)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(AudioFileError, match=r"truncated|not audio"):
        read(path)


def test_a_file_that_breaks_off_says_where(tmp_path):
    path = tmp_path / "a.flac"
    write(path, NOISE)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(AudioFileError, match=r"breaks off at (\d+) of 30000") as caught:
        read(path)
    at = int(re.search(r"at (\d+)", str(caught.value))[1])
    assert 0.3 * len(NOISE) < at <= 0.5 * len(NOISE)  # of noise, each second takes as many bytes


def test_a_streamed_header_is_no_truncation(tmp_path):
    path = tmp_path / "piped.wav"
    write(path, NOISE, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(data)
    assert read(path).shape == NOISE.shape


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b"Dear diary,\n" * 99, "is not audio"), (None, "no such file")],
)
def test_what_is_no_recording_is_named(tmp_path, content, reason):
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioFileError, match=rf"bad\.wav: {reason}"):
        AudioReader(path)


def test_a_file_without_samples_is_refused(tmp_path):
    write(tmp_path / "a.wav", NOISE[:0])
    with pytest.raises(AudioFileError, match="no samples"):
        AudioReader(tmp_path / "a.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_placed(tmp_path, value):
    x = NOISE.copy()
    x[24000, 1] = value
    sf.write(tmp_path / "a.wav", x, 48000, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=r"NaN.* 0\.500 s"):
        read(tmp_path / "a.wav")


def write_and_fail(path):
    with AudioWriter(path, 48000, 2) as writer:
        writer.write(NOISE)
        raise ValueError("stop")


def test_failure_keeps_what_was_there(tmp_path):
    path = tmp_path / "good.wav"
    write(path, NOISE)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="stop"):
        write_and_fail(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["good.wav"]


def test_a_half_written_file_has_another_name(tmp_path):
    with AudioWriter(tmp_path / "a.wav", 48000, 2) as writer:
        writer.write(NOISE)
        assert not (tmp_path / "a.wav").exists()
    assert (tmp_path / "a.wav").exists()


def test_what_a_killed_process_left_of_a_file_goes_with_the_next_writing(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    left = tmp_path / f".a-{killed.pid}-0123abcd.part"
    theirs = [
        tmp_path / name for name in (f".a-{os.getppid()}-0.part", ".a-b-c.part", f".b-{killed.pid}-0.part")
    ]
    for path in (left, *theirs):
        path.write_bytes(b"half")
        os.utime(path, (0, 0))
    theirs.append(tmp_path / f".a-{killed.pid}-4567cdef.part")  # of a process of that number in a container
    theirs[-1].write_bytes(b"half")
    write(tmp_path / "a.wav", NOISE)
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "a.wav", *theirs])


@pytest.mark.parametrize(
    ("name", "rate", "reason"),
    [
        ("a.xyz", 48000, "unknown extension"),
        ("nowhere/a.wav", 48000, "no folder"),
        ("a.opus", 44100, "44100 Hz"),
    ],
)
def test_what_cannot_be_written_is_named(tmp_path, name, rate, reason):
    with pytest.raises(AudioFileError, match=reason):
        AudioWriter(tmp_path / name, rate, 2)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("size", [0, 100_000])
def test_a_full_disk_is_named(tmp_path, size):
    resource = pytest.importorskip("resource")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))  # fails as a full disk does
    try:
        with pytest.raises(AudioFileError, match=r"is the disk full\?"):
            write(tmp_path / "a.wav", np.tile(NOISE, (10, 1)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == []
