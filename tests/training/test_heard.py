"""Phones of recordings: which clips are listened to, and that phones are found where they are."""

import shutil
import subprocess

import numpy as np
import pytest

from rtaudio.training import heard
from rtaudio.training.data import ClipStore, append_clips
from rtaudio.training.heard import known_words, listen, phones_in
from rtaudio.training.phones import FRAME, PHONES, UNKNOWN, phone_row, phone_rows, phone_track, phones_file

RATE = 16000


def spell(times):
    return " ".join(PHONES[phone] if phone != UNKNOWN else "?" for phone, _ in times)


def test_without_a_recogniser_nothing_is_heard(tmp_path, monkeypatch):
    monkeypatch.setattr(heard.importlib.util, "find_spec", lambda name: None)
    rows = [{"path": "so/1", "source": "s", "group": "speechocean762/a", "licence": "none"}]
    append_clips(tmp_path, rows, [np.zeros(3 * RATE, np.float32)], RATE)
    listen(ClipStore(tmp_path), ())
    assert phone_rows(tmp_path) == []


def test_what_is_known_held_out_or_not_english_is_not_listened_to(tmp_path, monkeypatch):
    pytest.importorskip("pocketsphinx")
    asked = []
    monkeypatch.setattr(heard, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(heard, "phones_in", lambda wave, words: asked.append(words) or [(7, 3)])
    store = ClipStore(made_store(tmp_path))
    phones_file(tmp_path).write_text(phone_row("keywords/jarvis/there", [(7, 3)]), encoding="utf-8")
    listen(store, ("amelia",))
    assert [row["path"] for row in phone_rows(tmp_path)] == [
        "keywords/jarvis/there", "keywords/smart_mirror/new", "speech/english",
    ]  # fmt: skip
    assert asked == [[("smart", 1.0), ("mirror", 1.0)], []]


class Here:
    """A pool of processes that is this one."""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def map(self, function, *arguments):
        return map(heard.phones_in, *arguments)


def made_store(folder):
    """Clips of a quarter of a second: keywords and running speech, as a data folder would have them."""
    paths = {
        "keywords/jarvis/there": "a", "keywords/smart_mirror/new": "a", "keywords/amelia/held_out": "a",
        "keywords/_negative/x": "a", "speech/english": "speechocean762/b", "speech/german": "kerstin/c",
    }  # fmt: skip
    rows = [{"path": path, "source": "s", "group": group, "licence": "none"} for path, group in paths.items()]
    append_clips(folder, rows, [np.zeros(RATE // 4, np.float32)] * len(rows), RATE)
    listed = folder / "clips.jsonl"
    listed.write_text(listed.read_text().replace('"synthetic/', '"'))  # recorded, not made
    return folder


def test_a_word_that_is_not_sure_has_unknown_phones_and_the_pause_beside_it_stays():
    class Entry:
        def __init__(self, name, *phones):
            self.name, self._phones = name, phones

        def __iter__(self):
            return iter(self._phones)

    class Phone:
        def __init__(self, name, start, duration):
            self.name, self.start, self.duration = name, start, duration

    alignment = [
        Entry("<sil>", Phone("SIL", 0, 5)), Entry("a", Phone("AH", 5, 4)),
        Entry("<sil>", Phone("SIL", 9, 1)), Entry("me", Phone("M", 10, 6), Phone("IY", 16, 4)),
    ]  # fmt: skip
    times = heard._times(alignment, [("a", 0.2), ("me", 0.9)])
    assert spell(times) == "SIL ? SIL M IY"
    assert [end for _, end in times] == [5, 9, 10, 16, 20]


@pytest.mark.skipif(not shutil.which("flite"), reason="flite is not installed")
@pytest.mark.parametrize("words", [[], [("brown", 1.0), ("sugar", 1.0)]])
def test_phones_of_a_spoken_phrase_are_found_with_their_times(tmp_path, words):
    pytest.importorskip("pocketsphinx")
    soundfile = pytest.importorskip("soundfile")
    command = ["flite", "-voice", "rms", "-psdur", "-t", "Brown sugar", "-o", str(tmp_path / "a.wav")]
    told = subprocess.run(command, check=True, capture_output=True, timeout=60, text=True).stdout
    wave, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    assert rate == RATE
    times = phones_in(wave, words)
    assert "SH UH G ER" in spell(times)
    true = {name: float(end) for name, end in (entry.split(":") for entry in told.split())}
    track = phone_track(times, wave.size // FRAME)
    last = np.flatnonzero(track == PHONES.index("SH"))[-1]
    assert abs(last / 100 - true["sh"]) < 0.05


def test_words_that_the_dictionary_lacks_have_no_phones():
    pytest.importorskip("pocketsphinx")
    assert phones_in(np.zeros(RATE, np.float32), [("xqzzy", 1.0)]) == []


def test_words_of_a_keyword_are_its_folders(tmp_path):
    clips = {clip.path: clip for clip in ClipStore(made_store(tmp_path)).clips}
    assert known_words(clips["keywords/smart_mirror/new"]) == [("smart", 1.0), ("mirror", 1.0)]
    assert known_words(clips["speech/english"]) == []
