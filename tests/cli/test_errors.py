"""What goes wrong is told in one line, with an exit code, and never by a traceback."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from rtaudio.cli.main import main

NOISE = 0.1 * np.random.default_rng(0).standard_normal((24000, 2)).astype(np.float32)


def assert_one_line(err, *words):
    assert err.count("\n") == 1
    assert err.startswith("rtaudio")
    assert "Traceback" not in err
    for word in words:
        assert word in err


def bad_files():
    nan = NOISE.copy()
    nan[100] = np.nan
    return {
        "text.wav": b"Dear diary,\n" * 50,
        "empty.flac": b"",
        "nan.wav": nan,
        "silent.wav": NOISE[:0],
        "short.wav": "truncated",
    }


def make_bad(folder, name):
    content = bad_files()[name]
    path = folder / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        sf.write(path, NOISE if isinstance(content, str) else content, 48000, subtype="FLOAT")
    if isinstance(content, str):
        os.truncate(path, 5000)
    return path


@pytest.mark.parametrize("name", bad_files())
def test_bad_audio(rtaudio, model, tmp_path, name):
    code, out, err = rtaudio(
        "denoise", make_bad(tmp_path, name), "-O", tmp_path / "out.wav", "--model", model
    )
    assert (code, out) == (2, "")
    assert_one_line(err, name)
    assert sorted(os.listdir(tmp_path)) == [name]


@pytest.mark.parametrize(
    ("source", "target", "word"),
    [
        ("nope.wav", "out.wav", "no such file"),
        (".", "out.wav", "--out-dir"),
        ("talk.wav", "talk.wav", "the input itself"),
        ("talk.wav", "nowhere/out.wav", "no folder"),
        ("talk.wav", "out.doc", "unknown extension"),
        ("talk.wav", ".", "unknown extension"),
    ],
)
def test_bad_paths(rtaudio, model, recording, tmp_path, source, target, word):
    before = recording.read_bytes()
    code, _, err = rtaudio("denoise", tmp_path / source, "-O", tmp_path / target, "--model", model)
    assert code == 2
    assert_one_line(err, word)
    assert recording.read_bytes() == before
    assert os.listdir(tmp_path) == ["talk.wav"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sing"],
        ["denoise", "--budget", "-3"],
        ["denoise", "--budget", "soon"],
        ["denoise", "--duration", "0"],
        ["denoise", "--strength", "1.5"],
        ["denoise", "--strength", "nan"],
        ["denoise", "--atten-limit", "-6"],
        ["denoise", "a.wav"],
        ["denoise", "a.wav", "--jobs", "0", "-O", "b.wav"],
        ["denoise", "a.wav", "-O", "b.wav", "--out-dir", "c"],
        ["denoise", "a.wav", "-O", "b.wav", "--budget", "40"],
        ["denoise", "-O", "b.wav"],
        ["denoise", "--jobs", "2"],
        ["denoise", "--virtual-mic", "me", "--output", "speakers"],
        ["demo", "--budget", "-1ms"],
    ],
)
def test_usage(rtaudio, arguments):
    code, out, err = rtaudio(*arguments)
    assert (code, out) == (2, "")
    assert_one_line(err)


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("--budget", "-40ms", "must be a time above zero"),
        ("--budget", "1e300", "must be an hour at most"),
        ("--duration", "-1e3", "must be above zero"),
        ("--strength", "-50%", "is not a number"),
        ("--atten-limit", "-3dB", "must be 0 dB or more"),
        ("--jobs", "-2", "must be a whole number, 1 or more"),
    ],
)
def test_what_is_wrong_with_a_value_is_told(rtaudio, option, value, rule):
    code, _, err = rtaudio("denoise", option, value)
    assert code == 2
    assert_one_line(err, option, f"{value!r} {rule}")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["denoise", "."], "--out-dir"),
        (["denoise", "a.wav"], "--out-file"),
        (["denoise"], "INPUT"),
        (["denoise"], "--virtual-mic"),
        (["spot"], "--exec"),
        (["vad"], "INPUT"),
        (["enroll", "computer"], "--keep"),
        (["words", "export", "computer"], "TARGET"),
        (["train", "denoise"], "--data"),
    ],
)
def test_nothing_is_named_by_an_empty_text(rtaudio, tmp_path, monkeypatch, arguments, named):
    monkeypatch.chdir(tmp_path)
    option = [named] if named.startswith("--") else []
    code, out, err = rtaudio(*arguments, *option, "")
    assert (code, out) == (2, "")
    assert_one_line(err, named, "must not be empty")


@pytest.mark.parametrize("verb", ["demo", "denoise"])
def test_a_budget_nobody_can_meet(rtaudio, model, tmp_path, verb):
    extra = ["--out-dir", tmp_path / "out"] if verb == "demo" else []
    code, _, err = rtaudio(verb, "--budget", "1ms", "--model", model, *extra)
    assert code == 4
    assert_one_line(err, "1 ms", "algorithmic")


@pytest.mark.parametrize("damage", ["foreign", "flipped", "unknown"])
def test_bad_weights(rtaudio, model, recording, tmp_path, damage):
    name = tmp_path / "net.npz"
    if damage == "foreign":
        np.savez(name, a=np.zeros(3))
    elif damage == "flipped":
        data = bytearray(Path(model).read_bytes())
        data[len(data) // 2] ^= 0xFF
        name.write_bytes(data)
    code, _, err = rtaudio(
        "denoise", recording, "-O", tmp_path / "o.wav", "--model", "mystery" if damage == "unknown" else name
    )
    assert code == 2
    assert_one_line(err, "mystery" if damage == "unknown" else "net.npz")


def test_one_bad_file_of_many(rtaudio, model, recording, tmp_path):
    make_bad(tmp_path, "text.wav")
    code, _, err = rtaudio("denoise", tmp_path, "--out-dir", tmp_path / "clean", "--model", model)
    assert code == 2
    assert "text.wav: is not audio" in err
    assert "1 done, 0 skipped, 1 failed" in err
    assert os.listdir(tmp_path / "clean") == ["talk.wav"]


def test_what_may_not_be_read_or_written_is_one_line(rtaudio, monkeypatch):
    monkeypatch.setattr("rtaudio.nn.weights.list_models", lambda: open_what_is_not_ours())

    def open_what_is_not_ours():
        raise PermissionError(errno.EACCES, "Permission denied", "runs")

    code, _, err = rtaudio("models")
    assert (code, err) == (2, "rtaudio: runs: permission denied\n")


def test_a_refusal_without_a_name_blames_nothing(monkeypatch, capsys):
    def refuse(args):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("rtaudio.cli.devices.run", refuse)
    assert main(["devices"]) == 2
    assert capsys.readouterr().err == "rtaudio: permission denied\n"


def test_a_surprise_is_one_line_with_a_hint(rtaudio, monkeypatch):
    from rtaudio.cli import models

    monkeypatch.setattr(models, "_describe", lambda name: 1 / 0)
    monkeypatch.setattr("rtaudio.nn.weights.list_models", lambda: ["standard"])
    code, _, err = rtaudio("models")
    assert code == 1
    assert_one_line(err, "ZeroDivisionError", "RTAUDIO_DEBUG=1")
    monkeypatch.setenv("RTAUDIO_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["models"])
