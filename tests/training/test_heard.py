"""Words heard in running speech: which stretches become classes, and that they are found where they are."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from rtaudio.training import heard
from rtaudio.training.data import ClipStore, append_clips
from rtaudio.training.heard import FRAME, heard_words, recognise, transcribe
from rtaudio.training.utterances import by_text

RATE = 16000
WORDS = [("brown", 10, 49, 0.9), ("sugar", 50, 99, 0.8), ("the", 100, 140, 0.9), ("milk", 200, 239, 0.3)]


@pytest.fixture
def store(tmp_path):
    rows = [{"path": "so/1", "source": "s", "group": "speechocean762/a", "licence": "none"}]
    append_clips(tmp_path, rows, [np.zeros(3 * RATE, np.float32)], RATE)
    line = json.dumps({"path": "synthetic/so/1", "words": WORDS}) + "\n"
    (tmp_path / "heard.jsonl").write_text(line, encoding="utf-8")
    return ClipStore(tmp_path)


def test_sure_words_of_some_length_are_classes_alone_and_two_in_a_row(store):
    places = {take.text: (take.start, take.end) for take in heard_words(store)}
    assert places == {
        "brown": (10 * FRAME, 50 * FRAME),
        "sugar": (50 * FRAME, 100 * FRAME),
        "brown_sugar": (10 * FRAME, 100 * FRAME),
        "sugar_the": (50 * FRAME, 141 * FRAME),
    }


def test_held_out_words_are_never_taken(store):
    assert by_text(heard_words(store), ("brown_sugar", "sugar")).keys() == {"brown", "sugar_the"}


def test_without_a_recogniser_nothing_is_heard(store, monkeypatch):
    monkeypatch.setattr(heard.importlib.util, "find_spec", lambda name: None)
    (store.folder / "heard.jsonl").unlink()
    transcribe(store)
    assert heard_words(store) == []


@pytest.mark.skipif(not shutil.which("flite"), reason="flite is not installed")
def test_a_spoken_sentence_is_recognised_with_times(tmp_path):
    pytest.importorskip("pocketsphinx")
    soundfile = pytest.importorskip("soundfile")
    command = ["flite", "-voice", "rms", "-t", "Brown sugar with coffee", "-o", str(tmp_path / "a.wav")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    wave, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert rate == RATE
    words = recognise(wave)
    assert {"sugar", "coffee"} <= {word for word, *_ in words}
    assert all(0 <= first <= last <= wave.size // FRAME for _, first, last, _ in words)
