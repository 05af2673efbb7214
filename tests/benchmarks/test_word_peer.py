"""Words over Google's speech embedding: the package's own numbers, and words that can be told apart."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

from benchmarks import enrolment, word_peer
from benchmarks.enrolment import Heard, run_enrolment
from benchmarks.report import Report
from benchmarks.streams import Recording
from benchmarks.synthetic_words import word_peers
from benchmarks.word_peer import FIRST, STEPS, SpeechEmbedding, WordPeer, peer_negatives, scores, windows
from rtaudio.errors import ConfigError, MissingLibraryError

RATE = 16000
WORDS = {"rising": (300, 700, 1500), "falling": (1700, 800, 350)}


def tones(pitches, seed):
    """Tones one after the other, with silence around, as if pitches were sounds."""
    rng, t = np.random.default_rng(seed), np.arange(RATE // 5) / RATE
    off = rng.uniform(0.95, 1.05)
    voiced = [sum(np.sin(2 * np.pi * k * p * off * t) / k for k in (1, 2, 3)) for p in pitches]
    wave = 0.1 * np.concatenate([np.zeros(RATE // 4), *voiced, np.zeros(RATE // 4)])
    return (wave + 1e-4 * rng.standard_normal(wave.size)).astype(np.float32)


def babble(seconds, seed):
    rng = np.random.default_rng(seed)
    return np.concatenate([tones(rng.uniform(200, 2500, 3), k) for k in range(int(seconds / 1.1))])


def said(word, count, first):
    return [
        Heard(None, Recording(word, f"{k}", tones(WORDS[word], k)), k) for k in range(first, first + count)
    ]


def streamed(wave):
    """What the package says of a wave that comes 10 ms at a time, without that of the silence before."""
    from pyopen_wakeword import OpenWakeWordFeatures

    features = OpenWakeWordFeatures.from_builtin()
    pcm = (np.clip(wave, -1, 1) * 32767).astype(np.int16)
    found = []
    for start in range(0, pcm.size, 160):
        new = list(features.process_streaming(pcm[start : start + 160].tobytes()))
        found += [embedding.reshape(96) for embedding in new] if start else []  # silence comes at once
    return np.array(found)


@pytest.fixture(scope="module")
def net():
    pytest.importorskip("pyopen_wakeword")
    return SpeechEmbedding()


@pytest.fixture(scope="module")
def peer(net):
    others = [one.wave for one in said("falling", 6, 100)]
    return WordPeer(net, [babble(60, 1)], [babble(30, 2), np.concatenate(others)])


@pytest.mark.parametrize("hops", [3, 11, 90, 1200])
def test_embeddings_are_those_of_the_package(net, hops):
    """Loud, then so quiet that spectra are cut 80 dB below the loudest; more than are computed at once."""
    rng = np.random.default_rng(hops)
    loudness = np.where(np.arange(160 * hops) % 40000 < 25000, 0.2, 3e-5)
    wave = (loudness * rng.standard_normal(160 * hops)).astype(np.float32)
    np.testing.assert_allclose(net(wave), streamed(wave), atol=1e-3)


def test_a_score_comes_with_its_embedding_and_stays():
    embeddings = np.random.default_rng(0).standard_normal((9, 96)).astype(np.float32)
    weight = np.random.default_rng(1).standard_normal(96 * STEPS).astype(np.float32)
    expected, hops = windows(embeddings) @ weight, 70
    known = np.clip((160 * (np.arange(hops) + 1) - FIRST) // 1280, 0, None)
    np.testing.assert_allclose(scores(weight, embeddings, hops), expected[known], rtol=1e-4, atol=1e-4)


def test_a_word_is_found_when_said_again_and_another_is_not(peer):
    enrolled, again, another = said("rising", 3, 0), said("rising", 4, 10), said("falling", 4, 20)
    others, own = peer.missed(enrolled, again, another)
    assert (others, own) == (100.0, 0.0)


def test_a_voice_without_other_recordings_has_no_share(peer):
    assert np.isnan(peer.missed(said("rising", 1, 0), [], said("rising", 2, 5))[1])


def write_folder(folder, splits):
    folder.mkdir()
    with (folder / "index.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "split"])
        for k, split in enumerate(splits):
            soundfile.write(folder / f"{k}.wav", tones((200, 400, 600), k), RATE)
            rows.writerow([f"{k}.wav", split])


def test_only_what_is_marked_train_is_taught_with(tmp_path, monkeypatch):
    taken = []
    monkeypatch.setattr(word_peer, "negative_streams", lambda every, *_: taken.extend(every) or iter(()))
    monkeypatch.setattr(word_peer, "EVERY", 1)
    for name in ("speech", "noise"):
        write_folder(tmp_path / name, ["train", "valid", "train"])
    peer_negatives([tmp_path / "speech", tmp_path / "noise"], [])
    assert [one.word for one in taken] == 2 * ["0.wav", "2.wav"]


def test_every_so_many_recordings(tmp_path):
    write_folder(tmp_path / "speech", ["train"] * 7)
    kept = word_peer.read_recordings(tmp_path / "speech", "train", every=3)
    assert [one.word for one in kept] == ["0.wav", "3.wav", "6.wav"]


def test_nothing_marked_train_is_told(tmp_path):
    write_folder(tmp_path / "noise", ["valid"])
    with pytest.raises(ConfigError, match="marks 'train'"):
        peer_negatives([tmp_path / "noise", tmp_path / "missing"], [])


def test_the_package_is_asked_for_by_name(monkeypatch):
    monkeypatch.setattr(word_peer, "installed", lambda package: None)
    with pytest.raises(MissingLibraryError, match="pyopen-wakeword is not installed"):
        SpeechEmbedding()


def test_without_the_package_there_is_a_note_and_no_peer(tmp_path, monkeypatch):
    monkeypatch.setattr(word_peer, "installed", lambda package: None)
    report = Report("test")
    assert word_peers(report, tmp_path, [], []) == {}
    assert report.notes == ["words of one's own have no peer here: pyopen-wakeword is not installed"]


class Everything:
    """Ground on which every other voice is missed, and which knows whom it was asked about."""

    hours = 1.0

    def __init__(self, heard):
        self.heard, self.asked = heard, []

    def fit(self, clips):
        self.asked.append([clips])
        return SimpleNamespace(threshold=0.5)

    def judge(self, head):
        return 1.0, 0.0

    def missed(self, head, heard, threshold):
        self.asked[-1].append(heard)
        return 100.0


def test_a_peer_is_taught_and_tested_with_the_same_draws():
    voices = [Heard(None, Recording("word", f"{k // 4}", tones((300, 700), k)), k) for k in range(12)]
    ground, asked = Everything({"word": voices}), []

    def peer(enrolled, own, rest):
        asked.append([[one.recording.wave for one in enrolled], rest, own, rest])
        return 30.0, 10.0

    report = Report("test")
    run_enrolment(report, ground, quick=True, peers={"theirs": peer})
    assert asked == ground.asked
    assert [len(row) for row in report.tables[0].rows] == [len(report.tables[0].columns)] * 2
    assert report.tables[0].columns[-2:] == ["theirs, others", "theirs, own voice"]
    assert [row[-2:] for row in report.tables[0].rows] == [[30.0, 10.0]] * 2


def test_some_hours_end_after_the_stream_that_fills_them(monkeypatch):
    monkeypatch.setattr(enrolment, "MOST_HOURS", 1 / 3600)
    waves = [np.zeros(size, np.float32) for size in (RATE // 2, RATE // 2 - 1, 1, RATE)]
    assert [wave.size for wave in enrolment.some_hours(waves, quick=False)] == [8000, 7999, 1]
