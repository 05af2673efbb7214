"""`rtaudio spot` on files and pipes, what it prints, what it runs, and what it refuses."""

import argparse
import io
import json
import os
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf
from program import ENVIRONMENT, start

from rtaudio.cli.spot import per_hour, thresholds, words
from rtaudio.cli.spot_view import SCORE_BAR, obey, render, score_bar
from rtaudio.devices.pipe import WavPipe
from rtaudio.dsp.spotter import Spotter
from rtaudio.errors import AudioFileError
from rtaudio.stream.stats import StreamStats
from tests.tone_words import WORDS, script, tone_model, tone_net

SAID = ((0.5, "low"), (1.2, "high"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tone_model(tmp_path_factory.mktemp("models") / "tones.npz")


@pytest.fixture(autouse=True)
def no_words_of_ones_own(monkeypatch, tmp_path):
    monkeypatch.setenv("RTAUDIO_WORDS", str(tmp_path / "words"))


@pytest.fixture
def talk(tmp_path):
    path = tmp_path / "talk.wav"
    sf.write(path, script(44100, *SAID, seconds=2), 44100)
    return path


def lines(out):
    return [json.loads(line) for line in out.splitlines()]


def test_piped_it_prints_a_json_object_an_event(rtaudio, model, talk):
    code, out, err = rtaudio("spot", talk, "--model", model)
    first, second = lines(out)
    assert code == 0
    assert [first["word"], second["word"]] == ["low", "high"]
    assert set(first) == {"time_s", "clock", "word", "score", "start_s", "end_s"}
    assert first["start_s"] == pytest.approx(0.5, abs=0.03)
    assert first["clock"] is None
    assert "2 events in 2.0 s of sound" in err


def test_one_json_object_for_all(rtaudio, model, talk, tmp_path):
    (tmp_path / "text.wav").write_text("Dear diary")
    code, out, err = rtaudio("spot", talk, tmp_path / "text.wav", talk, "--model", model, "--json")
    told = json.loads(out)
    assert code == 2
    assert [event["word"] for event in told["events"]] == ["low", "high"] * 2
    assert {event["file"] for event in told["events"]} == {str(talk)}
    assert told["seconds"] == pytest.approx(4.0)
    assert len(told["errors"]) == 1
    assert "text.wav" in err


def test_a_bad_file_alone_is_one_line(rtaudio, model, tmp_path):
    (tmp_path / "text.wav").write_text("Dear diary")
    code, out, err = rtaudio("spot", tmp_path / "text.wav", "--model", model)
    assert (code, out) == (2, "")
    assert err == f"rtaudio: {tmp_path}/text.wav: is not audio in a format that libsndfile reads\n"


def test_people_get_a_line_an_event(rtaudio, model, talk, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _, out, _ = rtaudio("spot", talk, "--model", model)
    assert [line.split()[1] for line in out.splitlines()] == ["low", "high"]
    assert out.startswith("0:00.5")


def test_words_thresholds_and_the_rest_are_obeyed(rtaudio, model, talk):
    def told(*more):
        return [event["word"] for event in lines(rtaudio("spot", talk, "--model", model, *more)[1])]

    assert told("--keywords", "high") == ["high"]
    assert told("--threshold", "low=1,high=0.5") == ["high"]
    assert told("--patience", "64", "--threshold", "0.6") == []
    assert (
        told("--denoise", "--vad") == told("--denoise") if "vad" in rtaudio("models", "--json")[1] else True
    )


# ------------------------------------------------------------------------------------ commands


def test_a_command_runs_for_each_event_with_its_words_within_their_argument(rtaudio, model, talk, tmp_path):
    note = tmp_path / "a note"
    command = (
        f"{sys.executable} -c 'import sys; open(sys.argv[1], \"a\").write(repr(sys.argv[2:]) + chr(10))'"
    )
    code, _, err = rtaudio(
        "spot",
        talk,
        "--model",
        model,
        "--exec",
        f"{command} '{note}' {{keyword}} {{score}} '{{time}}; {{x}} $HOME'",
    )
    said = [eval(line) for line in note.read_text().splitlines()]
    assert code == 0
    assert sorted(keyword for keyword, _, _ in said) == ["high", "low"]
    assert all(float(score) >= 0.5 for _, score, _ in said)
    assert all(rest.endswith("; {x} $HOME") for _, _, rest in said)  # no shell
    assert "2 started, 0 failed" in err


def test_commands_that_fail_or_hang_are_counted_and_ended(rtaudio, model, talk, monkeypatch):
    monkeypatch.setattr(
        "rtaudio.cli.commands.Commands.__init__.__kwdefaults__", {"most": 1, "timeout_s": 0.3}
    )
    _, out, _ = rtaudio("spot", talk, "--model", model, "--json", "--exec", "sleep 600")
    assert json.loads(out)["exec"] == {"started": 1, "failed": 0, "timed_out": 1, "dropped": 1}
    _, out, _ = rtaudio("spot", talk, "--model", model, "--json", "--exec", "false")
    told = json.loads(out)["exec"]
    assert told["failed"] == told["started"]


def test_what_commands_print_stays_out_of_the_events(model, talk):
    done = subprocess.run(
        [sys.executable, "-m", "rtaudio", "spot", talk, "--model", model, "--exec", "echo {keyword}!"],
        env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [event["word"] for event in lines(done.stdout)] == ["low", "high"]
    assert "low!" in done.stderr


@pytest.mark.parametrize("command", ["", "nonexistent-program {keyword}", "echo 'unbalanced"])
def test_a_command_that_can_not_be_is_refused_before_anything_is_heard(rtaudio, model, talk, command):
    if command:
        code, out, err = rtaudio("spot", talk, "--model", model, "--exec", command)
        assert (code, out, err.count("\n")) == (2, "", 1)


# ------------------------------------------------------------------------------------ pipes


def wav(x, rate, subtype="PCM_16"):
    file = io.BytesIO()
    sf.write(file, x, rate, subtype, format="WAV")
    return file.getvalue()


def piped(data, model, *more):
    return subprocess.run(
        [sys.executable, "-m", "rtaudio", "spot", "-", "--model", str(model), *more],
        env=ENVIRONMENT, input=data, capture_output=True,
    )  # fmt: skip


def test_words_are_told_while_the_pipe_is_still_open(model):
    data = wav(script(16000, *SAID, seconds=2), 16000)
    with subprocess.Popen(
        [sys.executable, "-m", "rtaudio", "spot", "-", "--model", str(model)],
        env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdin.write(data[:44] + data[44 : 44 + 2 * 16000])  # a second
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["word"] == "low"
        process.stdin.write(data[44 + 2 * 16000 :])
        process.stdin.close()
        assert json.loads(process.stdout.readline())["word"] == "high"
        assert b"2 events in 2.0 s" in process.stderr.read()
    assert process.returncode == 0


def test_other_formats_come_through_a_pipe_too(model):
    file = io.BytesIO()
    sf.write(file, script(16000, *SAID, seconds=2), 16000, format="FLAC")
    done = piped(file.getvalue(), model)
    assert [event["word"] for event in lines(done.stdout)] == ["low", "high"]


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF" + 100 * b"x", b"not sound at all" * 10])
def test_a_pipe_without_sound_is_refused_in_a_line(model, data):
    done = piped(data, model)
    assert done.returncode == 2
    assert b"stdin" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_wav_streams_are_read_as_libsndfile_reads_them(subtype, channels):
    x = np.random.default_rng(0).uniform(-0.9, 0.9, (5000, channels)).astype(np.float32)
    data = wav(x, 8000, subtype)
    chunks = list(WavPipe(io.BytesIO(data)))
    expected, _ = sf.read(io.BytesIO(data), dtype="float32", always_2d=True)
    np.testing.assert_array_equal(np.concatenate(chunks), expected)
    assert len(chunks) > 10


def broken(**changes):
    fields = {"tag": 1, "channels": 1, "rate": 16000, "bits": 16, **changes}
    head = struct.pack("<HHIIHH", fields["tag"], fields["channels"], fields["rate"], 0, 0, fields["bits"])
    return b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + head + b"data\xff\xff\xff\xff" + b"\0" * 100


@pytest.mark.parametrize(
    "data",
    [
        broken(tag=85), broken(bits=12), broken(channels=0), broken(channels=65000), broken(rate=0),
        b"RIFF\0\0\0\0WAVEdata\0\0\0\0", b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\xff", broken()[:30],
    ],
)  # fmt: skip
def test_a_damaged_header_is_refused(data):
    with pytest.raises(AudioFileError, match="stdin"):
        WavPipe(io.BytesIO(data))


def test_nan_from_a_pipe_is_refused():
    data = wav(np.full(1000, np.nan, np.float32), 8000, "FLOAT")
    with pytest.raises(AudioFileError, match="NaN"):
        list(WavPipe(io.BytesIO(data)))


def test_an_interrupt_ends_a_pipe(model):
    with subprocess.Popen(
        [sys.executable, "-m", "rtaudio", "spot", "-", "--model", str(model), "--exec", "sleep 600"],
        env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdin.write(wav(script(16000, *SAID, seconds=2), 16000))
        process.stdin.flush()
        assert b"low" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err


# ------------------------------------------------------------------------------------ what people see


def test_the_display_tells_level_scores_and_thresholds():
    spotter = Spotter([tone_net()], WORDS)
    spotter.arena["shown"][:] = 0.9, 0.2
    spotter.enable("high", False)
    text = render(StreamStats(seconds=65, input_db=-20), spotter, WORDS, keys=True).plain
    low, high = (line for line in text.splitlines() if any(f" {word} " in line for word in WORDS))
    assert "1:05" in text
    assert "-20.0 dBFS" in text
    assert "0.90 of 0.50" in low
    assert "off" in high


@pytest.mark.parametrize(("score", "filled"), [(0.0, 0), (0.5, 15), (1.0, 30), (7.0, 30), (-1.0, 0)])
def test_a_score_bar_has_its_length_and_its_mark(score, filled):
    shown = score_bar(score, 0.8)
    assert len(shown) == SCORE_BAR
    assert shown.count("█") == filled
    assert ("┊" in shown) == (score < 0.8)


def test_keys_change_thresholds_and_words():
    spotter = Spotter([tone_net()], WORDS)
    for key in "++-":
        obey(key, spotter, WORDS)
    assert spotter.thresholds["low"] == pytest.approx(0.55)
    for key in "2", "9", "x", "", "0", "²":
        obey(key, spotter, WORDS)
    assert spotter.enabled == {"low": True, "high": False}
    for _ in range(40):
        obey("+", spotter, WORDS)
    assert spotter.thresholds["low"] == 1.0
    for _ in range(40):
        obey("-", spotter, WORDS)
    assert spotter.thresholds["low"] > 0


# ------------------------------------------------------------------------------------ usage


def test_option_values():
    assert words(" computer, jarvis,") == ["computer", "jarvis"]
    assert thresholds("0.6") == 0.6
    assert thresholds("a=0.7,b = 0.5") == {"a": 0.7, "b": 0.5}
    assert per_hour("0.5/h") == per_hour("0.5") == 0.5
    for function, text in ((words, ","), (thresholds, "a=0.7,b"), (thresholds, "=1"), (per_hour, "0/h")):
        with pytest.raises(argparse.ArgumentTypeError):
            function(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--threshold", "2"],
        ["--threshold", "loud"],
        ["--threshold", "a=x"],
        ["--keywords", ","],
        ["--keywords", "nobody"],
        ["--patience", "0"],
        ["--patience", "99"],
        ["--refractory", "-1"],
        ["--false-accepts", "never"],
        ["--false-accepts", "0.5/h"],
        ["--input", "1"],
        ["--duration", "1"],
        ["--wyoming", "tcp://127.0.0.1:10400"],
    ],
)
def test_usage(rtaudio, model, talk, arguments):
    code, out, err = rtaudio("spot", talk, "--model", model, *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("uri", ["here", "tcp://127.0.0.1", "stdio://"])
def test_a_bad_wyoming_address(rtaudio, model, uri):
    code, _, err = rtaudio("spot", "--model", model, "--wyoming", uri)
    assert (code, err.count("\n")) == (2, 1)


def test_the_wyoming_server_serves_until_it_is_interrupted(model, tmp_path):
    path = tmp_path / "wake.sock"
    with start("spot", "--model", model, "--wyoming", f"unix://{path}") as process:
        assert "serving low, high" in process.stderr.readline()
        assert path.exists()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not os.path.exists(path)
