import contextlib
import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console
from toy_recordings import write_words

from rtaudio.errors import ConfigError
from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.keywords_config import KeywordConfig
from rtaudio.nn.vad_config import VadConfig
from rtaudio.nn.weights import load_weights
from rtaudio.training import embedding as embedding_training
from rtaudio.training import speech_loop
from rtaudio.training.data import ClipStore, build_store
from rtaudio.training.denoise import TrainPaths
from rtaudio.training.embedding import EmbeddingLoop, held_out_items
from rtaudio.training.export import sources
from rtaudio.training.keywords import KeywordLoop, SpokenStreams, found_percent, keyword_loss, wanted
from rtaudio.training.loop import RunConfig
from rtaudio.training.phones import phone_row, phones_file
from rtaudio.training.speech_loop import train_speech
from rtaudio.training.spoken import (
    RECIPE,
    SAMPLE_RATE,
    SpokenConfig,
    Track,
    Words,
    at_speed,
    other_paces,
    other_throats,
    said,
)
from rtaudio.training.vad import VadLoop, auc, speech_frames
from rtaudio.training.voices import NEAR_WORDS, synthesise, vocabulary
from tests.synthesisers import GOOD, install

SMALL = SpokenConfig(n_frames=120, n_rooms=3)
TINY = {"channels": 24, "dilations": (1, 2), "kernel_size": 3}
WORDS = ("yes", "stop")
RUN = RunConfig(hours=None, steps=3, batch=4, workers=0)


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    write_words(folder)
    return folder


@pytest.fixture(scope="module")
def store(words, tmp_path_factory):
    store = build_store(words, tmp_path_factory.mktemp("cache"), recipe=RECIPE)
    give_phones(store)
    return store


def give_phones(store, *_):
    """In place of `listen`: each word of the toy data is one phone."""
    rows = [phone_row(clip.path, [(0, 50), (5, 130)]) for clip in store.clips if said(clip) in WORDS]
    phones_file(store.folder).write_text("".join(rows), encoding="utf-8")


def test_items_are_settled_by_their_seed_and_hold_their_word_where_they_say(store):
    streams = SpokenStreams(store, "train", WORDS, dataclasses.replace(SMALL, clean=1.0, reverberant=0.0), 0)
    first, places = streams.batch((0, 1), 24)
    again, _ = streams.batch((0, 1), 24)
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    said = places[:, 0] >= 0
    assert said.any()
    assert not said.all()
    assert (places[said, 2] > places[said, 1]).all()
    assert (places[said, 2] < SMALL.n_frames).all()
    power = first.square().sum((2, 3))
    for item in torch.nonzero(said)[:, 0].tolist():
        _, start, end = places[item].tolist()
        assert power[item, max(start, 0) : end].mean() > 1e-3 * power[item].max()


def test_the_loss_falls_when_words_are_found_and_when_nothing_else_is():
    places = torch.tensor([[1, 20, 60], [-1, 0, 0]])
    logits = torch.full((2, 60, 2), -8.0)
    silent = keyword_loss(logits, places, 2)
    found = logits.clone()
    found[0, 30:36, 1] = 8.0
    wrong = logits.clone()
    wrong[1, 30:36, 1] = 8.0
    assert keyword_loss(found, places, 2) < silent < keyword_loss(wrong, places, 2)


def test_found_percent_counts_words_above_every_false_accept():
    places = torch.tensor([[0, 20, 60]] * 4 + [[-1, 0, 0]] * 4)
    logits = torch.full((8, 60, 1), -8.0)
    logits[:3, 30:36] = 4.0
    logits[5, 10:20] = 0.0
    assert found_percent(logits, places, 2) == pytest.approx(75)


def test_speed_changes_length_and_pitch():
    tone = np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    faster = at_speed(tone, 1.25)
    assert faster.size == pytest.approx(SAMPLE_RATE / 1.25, rel=0.02)
    spectrum = np.abs(np.fft.rfft(faster * np.hanning(faster.size)))
    assert spectrum.argmax() * SAMPLE_RATE / faster.size == pytest.approx(1250, rel=0.02)
    assert np.abs(faster).max() == pytest.approx(1, abs=0.1)


def test_closures_belong_to_speech_and_pauses_do_not():
    rng = np.random.default_rng(0)
    loud, gap, pause = (int(s * SAMPLE_RATE) for s in (0.4, 0.09, 0.6))
    x = np.zeros(2 * loud + gap + 2 * pause + loud)
    for at in (pause, pause + loud + gap, 2 * pause + 2 * loud + gap):
        x[at : at + loud] = 0.1 * rng.standard_normal(x[at : at + loud].size)
    active = speech_frames((x + 1e-5 * rng.standard_normal(x.size)).astype(np.float32))
    middle = (pause + loud + gap // 2) * 100 // SAMPLE_RATE
    assert active[middle]
    assert not active[(pause + 2 * loud + gap + pause // 2) * 100 // SAMPLE_RATE]


def test_auc_is_the_share_of_pairs_in_order():
    scores = np.array([0.1, 0.4, 0.4, 0.9], np.float32)
    assert auc(scores, np.array([False, False, True, True])) == pytest.approx((1 + 1 + 0.5 + 1) / 4)


def test_the_vocabulary_has_no_keyword_in_it():
    made = vocabulary()
    assert made == vocabulary()
    assert made[: len(NEAR_WORDS)] == list(NEAR_WORDS)
    assert not {
        "computer",
        "jarvis",
        "snowboy",
        "smart mirror",
        "view glass",
        "alexa",
        "athena",
        "amelia",
    } & {*made}


class TinyKeywords(KeywordLoop):
    def __init__(self, store, run):
        super().__init__(store, run, KeywordConfig(words=WORDS, **TINY), SMALL, validation_items=48)


class TinyVad(VadLoop):
    def __init__(self, store, run):
        super().__init__(store, run, VadConfig(**TINY), SMALL, validation_batches=1)


class TinyEmbedding(EmbeddingLoop):
    held_out = scored = ("stop",)

    def __init__(self, store, run):
        mix = dataclasses.replace(SMALL, n_frames=170)
        super().__init__(store, run, EmbeddingConfig(size=8, **TINY), mix)


@pytest.mark.parametrize(
    ("name", "kind"), [("keywords", TinyKeywords), ("vad", TinyVad), ("embedding", TinyEmbedding)]
)
def test_training_end_to_end_leaves_weights_curves_and_a_checkpoint(words, tmp_path, monkeypatch, name, kind):
    monkeypatch.setattr(speech_loop, "synthesise", lambda *_, **__: False)
    monkeypatch.setattr(embedding_training, "listen", give_phones)
    monkeypatch.setattr(embedding_training, "speak_phrases", lambda *_: None)
    monkeypatch.setattr(embedding_training, "NEGATIVE_STREAMS", 1)
    monkeypatch.setattr(embedding_training, "NEGATIVE_S", 4.0)
    paths = TrainPaths(words, tmp_path / "out", tmp_path / "cache")
    loop = train_speech(kind, paths, RUN, console=Console(quiet=True))
    weights = load_weights(paths.out / f"{name}.npz")
    assert weights.net == name
    assert weights.card["run"]["step"] == 3
    assert np.isfinite(loop.progress.history[-1][loop.score_name])
    assert (paths.out / "curves.png").read_bytes().startswith(b"\x89PNG")
    again = train_speech(
        kind, paths, dataclasses.replace(RUN, steps=4), resume=True, console=Console(quiet=True)
    )
    assert again.progress.step == 4


def test_steps_on_one_batch_bring_its_loss_down(store):
    loop = TinyKeywords(store, RUN)
    batch = loop._prepare(0)
    losses = [loop.step(*batch) for _ in range(40)]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("kind", [TinyKeywords, TinyVad, TinyEmbedding])
def test_batches_and_losses_are_where_the_net_is(store, kind, monkeypatch):
    """The device "meta" computes nothing and, as a GPU does, refuses tensors that are elsewhere."""
    monkeypatch.setattr(torch, "autocast", lambda *_: contextlib.nullcontext())  # which it has none of
    loop = kind(store, dataclasses.replace(RUN, device="meta"))
    batch = loop._prepare(0)
    assert {tensor.device.type for tensor in batch} == {"meta"}
    loss = loop._loss(*batch)
    loss.backward()
    assert loss.device.type == "meta"
    assert all(p.grad.device.type == "meta" for p in loop.net.parameters())


def test_other_throats_move_a_tone_by_up_to_15_percent():
    spectra = torch.zeros(64, 3, 161, 2)
    spectra[:, :, 79:82] = 1.0  # three bins: one might fall between two that are read
    places = other_throats(spectra, (1,))[:, 0, :, 0].argmax(1)
    assert torch.equal(other_throats(spectra, (1,)), other_throats(spectra, (1,)))
    assert (places >= 79 / 1.17).all()
    assert (places <= 81 * 1.17).all()
    assert places.unique().numel() > 8


def test_other_paces_move_the_frames_of_a_word_about_its_end():
    spectra = torch.zeros(64, 100, 2, 2)
    spectra[:, 40:70] = 1.0
    places = torch.tensor([[1, 40, 70]] * 63 + [[-1, 0, 0]])
    moved, there = other_paces(spectra, places, (1,))
    torch.testing.assert_close(there[63], places[63])
    torch.testing.assert_close(there[:, (0, 2)], places[:, (0, 2)])
    lengths = 70 - there[:63, 1]
    assert lengths.min() < 26
    assert lengths.max() > 33
    for item, (_, start, end) in zip(moved[:63, :, 0, 0], there[:63].tolist(), strict=True):
        assert abs(int(torch.nonzero(item)[0]) - start) <= 1
        assert abs(int(torch.nonzero(item)[-1]) + 1 - end) <= 1


def test_voices_get_other_throats_and_paces_and_noise_does_not(store):
    quiet = dataclasses.replace(SMALL, clean=1.0, reverberant=0.0, transients=0.0, hiss=0.0, equalised=0.0)
    streams = SpokenStreams(store, "train", WORDS, quiet, 0)
    assert not torch.equal(streams.batch((3,), 8)[0], streams.other_voices((3,), 8)[0])
    streams.track = lambda rng: Track(np.zeros(SMALL.n_samples, np.float32))
    streams.scenery.config = dataclasses.replace(quiet, hiss=1.0)
    torch.testing.assert_close(streams.batch((3,), 8)[0], streams.other_voices((3,), 8)[0], rtol=0, atol=0)


def test_a_synthesised_voice_is_drawn_as_often_as_its_weight_says(store):
    recorded = next(clip for clip in store.clips if clip.path == "keywords/yes/0.wav")
    made = dataclasses.replace(recorded, path="synthetic/yes/0", group="made")
    bank, rng = Words(store, [recorded, made], synthetic_weight=0.25), np.random.default_rng(0)
    share = np.mean([bank.draw("yes", rng).synthetic for _ in range(1000)])
    assert share == pytest.approx(0.2, abs=0.04)


def test_a_run_starts_from_weights_that_were_trained(words, tmp_path, monkeypatch):
    monkeypatch.setattr(speech_loop, "synthesise", lambda *_, **__: False)
    paths = [TrainPaths(words, tmp_path / name, tmp_path / "cache") for name in ("first", "second")]
    first = train_speech(TinyKeywords, paths[0], RUN, console=Console(quiet=True))
    still = dataclasses.replace(RUN, steps=1, rate=1e-9)
    start = [paths[0].out / "keywords.npz"] * 2  # whose mean is the same
    second = train_speech(TinyKeywords, paths[1], still, start=start, console=Console(quiet=True))
    for a, b in zip(first.average.parameters(), second.net.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_an_embedding_comes_nearer_to_what_its_teachers_say(store, words, tmp_path, monkeypatch):
    monkeypatch.setattr(speech_loop, "speech_store", lambda *_: store)
    monkeypatch.setattr(embedding_training, "NEGATIVE_STREAMS", 1)
    monkeypatch.setattr(embedding_training, "NEGATIVE_S", 4.0)
    paths = TrainPaths(words, tmp_path, tmp_path)
    train_speech(TinyEmbedding, paths, RUN, console=Console(quiet=True))
    teacher = shutil.copy(tmp_path / "embedding.npz", tmp_path / "teacher.npz")
    pupil = TinyEmbedding(store, dataclasses.replace(RUN, seed=1))
    pupil.learn_from(teacher, teacher)
    features, _, wanted = batch = pupil._prepare(0)

    @torch.no_grad()
    def apart():
        trunk = pupil.net.trunk
        said, _ = trunk.logits(features, trunk.initial_state(len(features)).past)
        return 1 - float(torch.nn.functional.cosine_similarity(said, wanted, dim=-1).mean())

    before = apart()
    for _ in range(30):
        pupil.step(*batch)
    assert apart() < 0.1 * before  # phones alone bring it to 0.4


def test_only_an_embedding_has_teachers(store):
    with pytest.raises(ConfigError, match="'vad' has no teachers"):
        TinyVad(store, RUN).learn_from("any.npz")


def test_the_keyword_net_learns_from_synthetic_words_that_are_its_own(store):
    clip = store.clips[0]
    assert wanted(dataclasses.replace(clip, path="keywords/computer/1.opus"))
    assert wanted(dataclasses.replace(clip, path=f"synthetic/{NEAR_WORDS[0]}/0"))
    assert wanted(dataclasses.replace(clip, path="synthetic/computer/0"))
    assert not wanted(dataclasses.replace(clip, path="synthetic/computer/0"), ("jarvis",))
    assert not wanted(dataclasses.replace(clip, path="synthetic/turn_on/0"))


def test_a_card_lists_what_a_net_heard_of_a_store(store):
    clip = store.clips[0]
    made = dataclasses.replace(clip, path="synthetic/so/0")
    assert [TinyVad(store, RUN).hears(one) for one in (clip, made)] == [True, False]
    embedding = TinyEmbedding(store, RUN)
    held_out = dataclasses.replace(clip, path="keywords/stop/1")
    assert [embedding.hears(one) for one in (clip, made, held_out)] == [True, False, False]
    listed = sources(
        filter(TinyVad(store, RUN).hears, [*store.clips, dataclasses.replace(made, source="robots")])
    )
    assert "robots" not in {row["source"] for row in listed}


def test_the_embedding_hears_neither_the_words_of_its_test_nor_those_it_is_chosen_with(store):
    class Whole(TinyEmbedding):
        held_out = EmbeddingLoop.held_out

    clip = store.clips[0]
    tested, chosen, heard = (
        dataclasses.replace(clip, path=f"keywords/{word}/1") for word in ("amelia", "athena", "alexa")
    )
    loop = Whole(store, RUN)
    assert [loop.hears(one) for one in (tested, chosen, heard)] == [False, False, True]


def test_each_word_is_spoken_once_in_as_many_voices_as_asked(store, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, espeak_ng=GOOD, flite=GOOD)
    folder = tmp_path / "store"
    shutil.copytree(store.folder, folder)

    def spoken():
        return [clip.path for clip in ClipStore(folder).clips if clip.synthetic]

    assert synthesise(folder, {"smart_mirror": 3, "so": 1})
    assert spoken() == [*(f"synthetic/smart_mirror/{k}" for k in range(3)), "synthetic/so/0"]
    assert not synthesise(folder, {"smart_mirror": 2})
    assert synthesise(folder, {"smart_mirror": 4})
    assert spoken()[4:] == ["synthetic/smart_mirror/3"]


def test_data_without_the_words_that_runs_are_scored_with_is_one_line():
    with pytest.raises(ConfigError, match=r"no recording of a word that runs are scored with: computer"):
        held_out_items(SimpleNamespace(clips=[]), None, ("computer", "jarvis"))
