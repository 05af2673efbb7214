import errno
import os

import numpy as np
import pytest
import soundfile

from rtaudio.devices import recorder, wav
from rtaudio.devices.recorder import Recorder
from rtaudio.devices.wav import WavWriter
from rtaudio.errors import AudioFileError, ConfigError

RATE = 48000
NOISE = np.random.default_rng(0).uniform(-1.5, 1.5, RATE).astype(np.float32)


def test_a_file_is_playable_after_every_write_and_named_at_the_end(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(b"the good old one")
    writer = WavWriter(path, RATE)
    for end in (0, 100, 4801, RATE):
        writer.write(NOISE[writer.n_samples : end])
        heard, rate = soundfile.read(tmp_path / "x.part.wav", dtype="float32")
        np.testing.assert_array_equal(heard, NOISE[:end])
        assert rate == RATE
        assert path.read_bytes() == b"the good old one"
    writer.close()
    writer.close()
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], NOISE)
    assert os.listdir(tmp_path) == ["x.wav"]


def test_a_disk_full_from_the_beginning_leaves_no_file(tmp_path, monkeypatch):
    def pwrite(file, data, at):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(AudioFileError, match=r"x\.wav: can't be written: No space left"):
        WavWriter(tmp_path / "x.wav", RATE)
    assert os.listdir(tmp_path) == []


def test_beyond_4_gib_the_header_is_rf64(tmp_path):
    n, path = 2**30, tmp_path / "long.wav"
    assert wav.header(RATE, 2**20)[:4] == b"RIFF"
    path.write_bytes(wav.header(RATE, n))
    os.truncate(path, wav.HEADER + 4 * n)  # a hole: takes no room on the disk
    info = soundfile.info(path)
    assert (info.frames, info.format) == (n, "RF64")


def test_both_ends_are_recorded_to_the_sample(tmp_path):
    with Recorder(tmp_path / "in.wav", tmp_path / "out.wav", RATE) as rec:
        for hop in NOISE.reshape(-1, 480):
            assert rec.in_ring.push(hop)
            assert rec.out_ring.push(-hop)
    rec.stop()
    assert rec.error is None
    assert rec.n_samples == (RATE, RATE)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "in.wav", dtype="float32")[0], NOISE)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "out.wav", dtype="float32")[0], -NOISE)


def test_a_full_disk_ends_the_recording_and_keeps_what_was_written(tmp_path, monkeypatch):
    room, write = wav.HEADER + 4 * 1000, os.pwrite

    def pwrite(file, data, at):
        if at >= room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, bytes(data)[: room - at], at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    rec = Recorder(tmp_path / "in.wav", tmp_path / "out.wav", RATE)
    for hop in NOISE.reshape(-1, 480):
        rec.in_ring.push(hop)
    rec.stop()
    assert str(rec.error) == f"{tmp_path}/in.wav: recording ended after 0.0 s: the disk is full"
    assert rec.in_ring.fill == 0
    np.testing.assert_array_equal(soundfile.read(tmp_path / "in.wav", dtype="float32")[0], NOISE[:1000])


def test_a_full_ring_loses_new_sound_only(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "CAPACITY", 1024)
    rec = Recorder(tmp_path / "in.wav", tmp_path / "out.wav", RATE)
    assert [rec.in_ring.push(hop) for hop in NOISE[:1440].reshape(-1, 480)] == [True, True, False]
    rec.stop()
    assert rec.n_samples == (960, 0)


@pytest.mark.parametrize("name", ["x.mp3", "missing/x.wav", "folder.wav"])
def test_paths_that_cannot_be_written_are_refused_at_once(tmp_path, name):
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(AudioFileError, match=rf"{name}: "):
        Recorder(tmp_path / "in.wav", tmp_path / name, RATE)
    assert os.listdir(tmp_path) == ["folder.wav"]


@pytest.mark.parametrize("other", ["a.wav", "folder/../a.wav", "link.wav"])
def test_one_file_for_both_is_refused(tmp_path, other):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.wav").symlink_to("a.wav")
    with pytest.raises(ConfigError, match="the same file"):
        Recorder(tmp_path / "a.wav", tmp_path / other, RATE)


def test_what_a_killed_program_recorded_is_kept(tmp_path):
    killed = WavWriter(tmp_path / "x.wav", RATE)
    killed.write(NOISE)
    after = WavWriter(tmp_path / "x.wav", RATE)
    after.write(-NOISE)
    after.close()
    np.testing.assert_array_equal(soundfile.read(tmp_path / "x.part.wav", dtype="float32")[0], NOISE)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "x.wav", dtype="float32")[0], -NOISE)
    killed.discard()


def test_an_empty_recording_replaces_nothing(tmp_path):
    (tmp_path / "in.wav").write_bytes(b"the good old one")
    with Recorder(tmp_path / "in.wav", tmp_path / "out.wav", RATE):
        pass
    assert (tmp_path / "in.wav").read_bytes() == b"the good old one"
    assert sorted(os.listdir(tmp_path)) == ["in.wav", "out.wav"]


def test_one_that_cannot_be_finished_is_told_and_the_other_is(tmp_path):
    rec = Recorder(tmp_path / "in.wav", tmp_path / "out.wav", RATE)
    (tmp_path / "in.part.wav").unlink()
    rec.out_ring.push(NOISE[:480])
    rec.stop()
    rec.stop()
    assert str(rec.error) == f"{tmp_path}/in.wav: can't be written: No such file or directory"
    assert soundfile.info(tmp_path / "out.wav").frames == 480
