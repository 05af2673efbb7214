"""`rtaudio enroll`, `words` and `vad`, on files and on a simulated microphone."""

import io
import json
import os
import sys

import numpy as np
import pytest
import soundfile as sf

from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.live import LiveEngine
from tests.synthesisers import GOOD, install
from tests.tone_words import as_alike, say, script

RATE = 16000


def take(path, number, seconds=0.4, level=0.3):
    """A recording of the word "low", swelling differently each time."""
    rng, x = np.random.default_rng(number), np.zeros(RATE, np.float32)
    tone = say("low", RATE, seconds, level)
    x[4000:][: tone.size] = tone * (
        0.7 + 0.3 * np.sin(2 * np.pi * (3 + number) * np.arange(tone.size) / RATE)
    )
    sf.write(path, x + rng.normal(0, 0.001, RATE), RATE)
    return path


@pytest.fixture(autouse=True)
def no_synthesiser(tmp_path, monkeypatch):
    """None but those a test installs."""
    install(tmp_path, monkeypatch)


@pytest.fixture
def takes(tones, tmp_path):
    return [take(tmp_path / f"{name}.wav", number) for number, name in enumerate("abc")]


def assert_one_line(err, *words):
    assert err.count("\n") == 1
    assert err.startswith("rtaudio")
    for word in words:
        assert word in err


# ------------------------------------------------------------------------------------ enroll


def test_a_word_taught_from_files_is_spotted(rtaudio, takes, tmp_path):
    code, out, err = rtaudio("enroll", "Good Morning", "--from", *takes)
    assert (code, err) == (0, "")
    assert "rtaudio spot --keywords good_morning" in out
    sf.write(tmp_path / "talk.wav", script(RATE, (0.5, "low"), (1.2, "high"), seconds=2), RATE)
    code, out, _ = rtaudio("spot", tmp_path / "talk.wav", "--keywords", "good_morning")
    assert [json.loads(line)["word"] for line in out.splitlines()] == ["good_morning"]
    assert sorted(os.listdir(tmp_path / "words")) == ["good_morning.npz"]  # and no sound


def test_a_rate_that_a_word_does_not_tell_of_is_said(rtaudio, takes):
    rtaudio("enroll", "beep", "--from", *takes)  # by a stand-in that gives one threshold alone
    code, _, err = rtaudio("spot", *takes, "--keywords", "beep", "--false-accepts", "2/h")
    assert code == 0
    assert err.splitlines()[0].startswith(
        "rtaudio: no threshold for 2 false accepts an hour is known of beep,"
    )


def test_one_recording_is_enough_and_said_to_be_little(rtaudio, takes):
    code, out, err = rtaudio("enroll", "beep", "--from", takes[0], "--json")
    assert code == 0
    assert json.loads(out)["recordings"] == 1
    assert "one recording is little" in err


def test_synthesisers_say_it_too_unless_told_otherwise(rtaudio, takes, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, espeak_ng=GOOD, flite=GOOD)
    code, out, err = rtaudio("enroll", "Good Morning", "--from", *takes)
    assert (code, err) == (0, "")
    assert "by 3 recordings of yours and 48 of synthesisers" in out
    told = [
        json.loads(rtaudio("enroll", name, "--from", *takes, "--replace", "--json", *more)[1])["synthetic"]
        for name, *more in (["one", "--phrase", "two"], ["one", "--alone"], ["42"], ["guten_tag"])
    ]
    assert told == [48, 0, 0, 48]


def test_synthetic_speech_that_is_no_help_is_left_out(rtaudio, takes, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, espeak_ng=GOOD, flite="exit 1")
    monkeypatch.setattr("rtaudio.tasks.synthetic.alike", as_alike(0.2))
    code, out, err = rtaudio("enroll", "beep", "--from", *takes)
    assert code == 0
    assert_one_line(err, "'beep' doesn't go with your recordings", "left out")
    assert "synthesisers" not in out
    install(tmp_path, monkeypatch, espeak_ng="exit 1")
    assert json.loads(rtaudio("enroll", "boop", "--from", *takes, "--json")[1])["synthetic"] == 0
    code, _, err = rtaudio("enroll", "bop", "--from", *takes, "--phrase", "hello")
    assert code == 2
    assert_one_line(err, "no synthesiser here can say 'hello'")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [(["--phrase", "42"], 2, "numbers"), (["--phrase", "beep"], 3, "sudo apt install"),
     (["--phrase", "beep", "--alone"], 2, "not allowed")],
)  # fmt: skip
def test_a_phrase_that_can_not_be_said_is_one_line(rtaudio, takes, arguments, code, reason):
    told, out, err = rtaudio("enroll", "beep", "--from", *takes, *arguments)
    assert (told, out) == (code, "")
    assert_one_line(err, reason)


def recordings(folder):
    silence, noise = np.zeros(RATE), 0.1 * np.random.default_rng(0).standard_normal(RATE)
    clipped = np.clip(20 * sf.read(folder / "a.wav")[0], -1, 1)
    return {
        "silence": (silence, "too quiet"), "noise": (noise, "no speech"), "clipped": (clipped, "clipped"),
        "long": (np.zeros(20 * RATE), "too long"), "empty": (silence[:0], "no samples"),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["silence", "noise", "clipped", "long", "empty", "copy", "text", "missing"])
def test_a_recording_that_can_not_teach_is_told_and_nothing_is_kept(rtaudio, takes, tmp_path, name):
    path = tmp_path / f"{name}.wav"
    if name == "copy":
        path.write_bytes(takes[0].read_bytes())
    elif name == "text":
        path.write_text("Dear diary")
    elif name != "missing":
        sf.write(path, recordings(tmp_path)[name][0], RATE)
    word = {"copy": "same recording", "text": "not audio", "missing": "no such file"}
    code, out, err = rtaudio("enroll", "beep", "--from", *takes, path)
    assert (code, out) == (2, "")
    assert_one_line(err, f"{name}.wav", word.get(name) or recordings(tmp_path)[name][1])
    assert os.listdir(tmp_path / "words") == []


def test_names_that_are_taken(rtaudio, takes):
    assert_one_line(rtaudio("enroll", "LOW", "--from", *takes)[2], "built-in")
    assert_one_line(rtaudio("enroll", "a/b", "--from", *takes)[2], "word's name")
    assert rtaudio("enroll", "beep", "--from", *takes)[0] == 0
    code, _, err = rtaudio("enroll", "beep", "--from", *takes)
    assert code == 2
    assert_one_line(err, "--replace")
    assert rtaudio("enroll", "beep", "--from", *takes, "--replace")[0] == 0


def test_a_folder_that_can_not_be_written_is_told_before_anybody_speaks(
    rtaudio, takes, monkeypatch, tmp_path
):
    monkeypatch.setenv("RTAUDIO_WORDS", str(takes[0] / "words"))
    code, _, err = rtaudio("enroll", "beep")
    assert code == 2
    assert_one_line(err, "can't be kept there")


@pytest.mark.parametrize(
    "arguments",
    [[], ["beep", "--from"], ["beep", "--times", "0"], ["beep", "--from", "a.wav", "--keep", "x"]],
)
def test_usage_of_enroll(rtaudio, tones, arguments):
    code, _, err = rtaudio("enroll", *arguments)
    assert code == 2
    assert_one_line(err)


@pytest.fixture
def microphone(monkeypatch):
    """Give the sound of a simulated microphone, 48 kHz."""

    def hears(x, **device):
        def open_microphone(build, source):
            stage = build(48000)
            made = SimulatedDevice(x.astype(np.float32), 48000, 480, clock="real", out_channels=0, **device)
            engine = LiveEngine(stage, made)
            engine.start()
            return engine, stage

        for home in ("rtaudio.tasks.record", "rtaudio.cli.vad_live"):
            monkeypatch.setattr(f"{home}.open_microphone", open_microphone)

    return hears


def test_a_word_taught_at_the_microphone(rtaudio, tones, microphone, tmp_path):
    x = script(48000, (0.5, "low"), seconds=1.5)
    swell = np.concatenate(
        [x * (0.6 + 0.4 * np.sin(np.arange(x.size) / 48000 * f)) for f in (20, 33, 47, 61)]
    )
    microphone(swell + 0.001 * np.random.default_rng(0).standard_normal(swell.size), duration_s=60)
    (tmp_path / "kept").mkdir()
    code, out, err = rtaudio("enroll", "beep", "--keep", tmp_path / "kept")
    assert code == 0, err
    assert "'beep' is taught" in out
    assert "rtaudio: 1 of 3: say 'beep' now\n" in err
    assert err.count("good: 0.") == 3
    assert sorted(os.listdir(tmp_path / "kept")) == ["beep_1.wav", "beep_2.wav", "beep_3.wav"]


def test_what_goes_wrong_at_the_microphone_is_asked_for_once_more(rtaudio, tones, microphone, tmp_path):
    x = np.clip(20 * script(48000, (0.5, "low"), seconds=1.5), -1, 1)
    microphone(x + 0.001 * np.random.default_rng(0).standard_normal(x.size), duration_s=60)
    code, _, err = rtaudio("enroll", "beep", "--times", "1")
    assert code == 2
    assert err.count("clipped, once more") == 4
    assert "came to nothing: clipped" in err.splitlines()[-1]
    assert os.listdir(tmp_path / "words") == []


# ------------------------------------------------------------------------------------ words


def test_words_are_listed_given_away_taken_and_removed(rtaudio, takes, tmp_path):
    assert [row["name"] for row in json.loads(rtaudio("words", "--json")[1])] == ["low", "high"]
    rtaudio("enroll", "beep", "--from", *takes)
    code, out, _ = rtaudio("words", "list")
    assert code == 0
    assert "beep" in out
    assert "yours" in out
    assert "exported" in rtaudio("words", "export", "beep", tmp_path / "give.npz")[1]
    assert "removed" in rtaudio("words", "remove", "beep")[1]
    assert_one_line(rtaudio("words", "remove", "beep")[2], "none yet")
    assert "imported" in rtaudio("words", "import", tmp_path / "give.npz")[1]
    assert_one_line(rtaudio("words", "import", tmp_path / "give.npz")[2], "beep")
    assert [row["name"] for row in json.loads(rtaudio("words", "--json")[1])] == ["low", "high", "beep"]


def test_a_damaged_word_is_listed_as_such_and_named_when_spotting(rtaudio, takes, tmp_path):
    rtaudio("enroll", "beep", "--from", *takes)
    (tmp_path / "words" / "beep.npz").write_text("hello")
    code, out, _ = rtaudio("words", "--json")
    assert code == 0
    assert "not a weights file" in json.loads(out)[-1]["error"]
    code, _, err = rtaudio("spot", takes[0], "--keywords", "beep")
    assert code == 2
    assert_one_line(err, "beep.npz")
    assert_one_line(rtaudio("words", "import", takes[0])[2], "a.wav")


# ------------------------------------------------------------------------------------ vad


@pytest.fixture
def talk(tones, tmp_path):
    path = tmp_path / "my talk.wav"
    sf.write(path, script(44100, (0.5, "low"), (1.5, "high"), seconds=2.5), 44100)
    return path


def test_segments_are_json_lines(rtaudio, talk):
    code, out, _ = rtaudio("vad", talk)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [row["file"] for row in rows] == [str(talk)] * 2
    assert [row["start_s"] for row in rows] == pytest.approx([0.47, 1.47], abs=0.04)
    assert [row["end_s"] for row in rows] == pytest.approx([0.83, 1.83], abs=0.04)


def test_rttm_and_rules(rtaudio, talk):
    out = rtaudio("vad", talk, "--rttm", "--pad", "0", "--min-silence", "900")[1]
    (line,) = out.splitlines()
    kind, name, channel, start, length, *rest = line.split(" ")
    assert (kind, name, channel) == ("SPEAKER", "my_talk", "1")
    assert (float(start), float(length)) == pytest.approx((0.5, 1.3), abs=0.05)
    assert rest == ["<NA>", "<NA>", "speech", "<NA>", "<NA>"]
    assert rtaudio("vad", talk, "--min-speech", "500")[1] == ""
    assert rtaudio("vad", talk, "--open", "0.9999")[1] == ""


def test_one_bad_file_of_two(rtaudio, talk, tmp_path):
    (tmp_path / "text.wav").write_text("hello")
    code, out, err = rtaudio("vad", tmp_path / "text.wav", talk, "--json")
    told = json.loads(out)
    assert code == 2
    assert_one_line(err, "text.wav")
    assert (len(told["segments"]), len(told["errors"])) == (2, 1)


def test_a_pipe(rtaudio, talk, monkeypatch):
    class Stdin:
        buffer = io.BufferedReader(io.BytesIO(talk.read_bytes()))

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert len(rtaudio("vad", "-")[1].splitlines()) == 2


def test_segments_at_the_microphone_have_the_time_of_day(rtaudio, tones, microphone):
    microphone(script(48000, (0.3, "low"), seconds=1), duration_s=60)
    code, out, _ = rtaudio("vad", "--duration", "1.6")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert rows
    assert rows[0]["clock"].endswith("+00:00")


@pytest.mark.parametrize(
    "arguments",
    [["--open", "2"], ["--close", "0.9"], ["--pad", "-1"], ["--min-speech", "x"], ["-i", "1"],
     ["--duration", "3"], ["--model", "mystery"]],
)  # fmt: skip
def test_usage_of_vad(rtaudio, talk, arguments):
    code, out, err = rtaudio("vad", talk, *arguments)
    assert (code, out) == (2, "")
    assert_one_line(err)
