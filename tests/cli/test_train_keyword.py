"""`rtaudio train keyword`, with programs that stand in for synthesisers, and once with the real ones."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import soundfile as sf

from tests.cli.program import ENVIRONMENT, start
from tests.synthesisers import GOOD, RATE, install
from tests.tone_words import say, script


@pytest.fixture
def both(tones, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, espeak_ng=GOOD, flite=GOOD)


def assert_one_line(err, *words):
    assert err.count("\n") == 1
    assert err.startswith("rtaudio")
    for word in words:
        assert word in err


def test_a_word_is_taught_and_spotted(rtaudio, both, tmp_path):
    code, out, err = rtaudio("train", "keyword", "Good Morning")
    assert (code, err) == (0, "")
    assert "espeak-ng: 24 recordings by 12 voices" in out
    assert "taught without flite, it finds 24 of those 24" in out
    assert "people differ more" in out
    assert out.splitlines()[-1] == "'good_morning' is taught: rtaudio spot --keywords good_morning"
    sf.write(tmp_path / "talk.wav", script(RATE, (0.5, "low"), seconds=2), RATE)
    events = rtaudio("spot", tmp_path / "talk.wav", "--keywords", "good_morning")[1]
    assert [json.loads(line)["word"] for line in events.splitlines()] == ["good_morning"]


def test_json_name_and_recordings_of_ones_own(rtaudio, both, tmp_path):
    rng, x = np.random.default_rng(0), np.zeros(RATE)
    x[4000:][: RATE // 2] = say("low", RATE, 0.5)
    sf.write(tmp_path / "me.wav", x + rng.normal(0, 0.001, RATE), RATE)
    arguments = ("train", "keyword", "hello there", "--name", "hi", "--from", tmp_path / "me.wav", "--json")
    code, out, err = rtaudio(*arguments)
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert (told["name"], told["phrase"], told["left_out"]) == ("hi", "hello there", [])
    assert [source["name"] for source in told["sources"]] == ["espeak-ng", "flite", "your own"]
    assert told["checks"][-1] == {"left_out": "your own", "recordings": 1, "found": 1}
    assert os.path.exists(told["file"])
    assert_one_line(rtaudio(*arguments)[2], "--replace")
    assert rtaudio(*arguments, "--replace")[0] == 0


def test_a_family_that_is_missing_or_fails_is_told(rtaudio, tones, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, espeak_ng="exit 1", flite=GOOD)
    code, out, err = rtaudio("train", "keyword", "good morning")
    assert code == 0
    assert_one_line(err, "espeak-ng: fails", "left out")
    assert "espeak-ng would help" in out
    assert "taught without" not in out


def test_a_word_that_is_hardly_found_is_told(rtaudio, tones, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, espeak_ng=GOOD.replace("low.wav", "high.wav"), flite=GOOD)
    shutil.copy(tmp_path / "low.wav", tmp_path / "high.wav")
    assert "poor" not in rtaudio("train", "keyword", "good morning")[1]
    monkeypatch.setattr("rtaudio.tasks.synthetic.recognised", lambda *_: False)
    assert "that is poor" in rtaudio("train", "keyword", "good evening")[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["-"], "no word"), (["42"], "numbers"), (["你好"], "English"), (["a" * 50], "50 letters"),
     (["low"], "built-in"), (["hello", "--name", "HIGH"], "built-in"), (["hello", "--name", "a/b"], "name"),
     (["hello", "--from", "nowhere.wav"], "nowhere.wav"), (["hello", "--false-accepts", "0"], "above zero"),
     ([], "PHRASE")],
)  # fmt: skip
def test_what_can_not_be_taught_is_one_line(rtaudio, both, tmp_path, arguments, reason):
    code, out, err = rtaudio("train", "keyword", *arguments)
    assert (code, out) == (2, "")
    assert_one_line(err, reason)
    assert not (tmp_path / "words").exists() or os.listdir(tmp_path / "words") == []


def test_no_synthesiser(rtaudio, tones, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    code, out, err = rtaudio("train", "keyword", "hello")
    assert (code, out) == (3, "")
    assert_one_line(err, "sudo apt install espeak-ng flite")


def test_synthesisers_that_all_fail(rtaudio, tones, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, espeak_ng="exit 1", flite="exit 1")
    code, _, err = rtaudio("train", "keyword", "hello")
    assert code == 2
    assert_one_line(err, "no synthesiser here can say 'hello'")


def test_a_folder_that_can_not_be_written(rtaudio, both, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RTAUDIO_WORDS", str(tmp_path / "file" / "words"))
    code, _, err = rtaudio("train", "keyword", "hello")
    assert code == 2
    assert_one_line(err, "can't be kept there")


def test_it_needs_no_torch(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, flite=GOOD)
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    path = os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]])
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", path)
    monkeypatch.setitem(ENVIRONMENT, "PATH", str(tmp_path / "bin"))
    monkeypatch.setitem(ENVIRONMENT, "RTAUDIO_WORDS", str(tmp_path / "words"))
    program = start("train", "keyword", "hello there")
    out, err = program.communicate()
    assert program.returncode == 0, err
    assert "is taught" in out


def test_ctrl_c_ends_it_and_keeps_nothing(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, flite=f"echo > {tmp_path}/begun; exec /bin/sleep 100")
    monkeypatch.setitem(ENVIRONMENT, "PATH", str(tmp_path / "bin"))
    monkeypatch.setitem(ENVIRONMENT, "RTAUDIO_WORDS", str(tmp_path / "words"))
    os.mkfifo(tmp_path / "begun")
    program = start("train", "keyword", "hello there")
    (tmp_path / "begun").read_text()  # until it speaks
    program.send_signal(signal.SIGINT)
    out, err = program.communicate()
    assert (program.returncode, out) == (130, "")
    assert_one_line(err, "interrupted")
    assert os.listdir(tmp_path / "words") == []


def test_with_the_real_ones_and_the_shipped_net(rtaudio, tmp_path, monkeypatch):
    if not shutil.which("espeak-ng") or not shutil.which("flite"):
        pytest.skip("espeak-ng and flite are not installed")
    monkeypatch.setenv("RTAUDIO_WORDS", str(tmp_path / "words"))
    code, out, err = rtaudio("train", "keyword", "brown sugar please", "--json")
    assert (code, err) == (0, "")
    assert [source["recordings"] for source in json.loads(out)["sources"]] == [24, 24]
