"""What the embedding is trained with: sound and its phones together, and a loss that asks for them."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_recordings import write_words

from rtaudio.errors import ConfigError
from rtaudio.nn.embedding import LAG, TAPS
from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.training.data import build_store
from rtaudio.training.embedding import DELAYS, PhoneReader, stacked
from rtaudio.training.phones import PHONES, UNKNOWN, phone_row, phones_file
from rtaudio.training.spoken import RECIPE, said
from rtaudio.training.utterances import MIX, Utterances, place

QUIET = dataclasses.replace(
    MIX, n_rooms=2, clean=1.0, reverberant=0.0, transients=0.0, hiss=0.0, equalised=0.0, narrow=0.0
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Words in tones between half a second of silence; "yes" is one phone, "stop" another."""
    folder, cache = tmp_path_factory.mktemp("words"), tmp_path_factory.mktemp("cache")
    write_words(folder)
    store = build_store(folder, cache, recipe=RECIPE)
    rows = [
        phone_row(clip.path, [(0, 50), (5 if said(clip) == "yes" else 9, 130), (0, 180)])
        for clip in store.clips
        if said(clip) in ("yes", "stop")
    ]
    phones_file(cache).write_text("".join(rows), encoding="utf-8")
    return store


def test_sound_is_where_its_phones_are(store):
    items = Utterances(store, None, QUIET, 0, ())
    spectra, phones = items.batch((0, 1), 16)
    power = spectra.square().sum((2, 3)).log10()
    spoken = phones > 0
    assert 0.2 < spoken.float().mean() < 0.8
    inner = spoken[:, 2:-2] & spoken[:, :-4] & spoken[:, 4:]
    outer = ~(spoken[:, 2:-2] | spoken[:, :-4] | spoken[:, 4:])
    assert power[:, 2:-2][inner].quantile(0.02) > power[:, 2:-2][outer].quantile(0.98)
    again = items.batch((0, 1), 16)
    torch.testing.assert_close(again, (spectra, phones), rtol=0, atol=0)


def test_held_out_words_are_not_heard(store):
    items = Utterances(store, None, QUIET, 0, ("stop",))
    phones = items.batch((0, 1), 8)[1]
    assert set(phones.unique().tolist()) == {0, 5}


def test_where_nobody_tells_phones_nothing_can_be_trained(store):
    with pytest.raises(ConfigError, match="espeak-ng"):
        Utterances(store, None, QUIET, 0, ("stop", "yes"))


@given(st.integers(0, 12), st.integers(0, 12), st.integers(-15, 15))
def test_a_part_is_placed_where_it_fits(size, length, at):
    track, part = np.zeros(size, np.uint8), np.arange(1, length + 1, dtype=np.uint8)
    place(track, part, at)
    wide = np.zeros(60, np.uint8)
    wide[20 + at : 20 + at + length] = part
    np.testing.assert_array_equal(track, wide[20 : 20 + size])


def reader():
    """A net whose embedding is its phones: DELAYS times a one-hot each."""
    net = PhoneReader(EmbeddingConfig(size=len(DELAYS) * len(PHONES), channels=8, dilations=(1,)))
    torch.nn.init.eye_(net.read.weight)
    torch.nn.init.zeros_(net.read.bias)
    return net


def told(phones, late=0):
    """Embeddings that say which phones there were DELAYS ago, or `late` strides later."""
    strides = phones[:, 1::2].clamp_max(len(PHONES) - 1)
    parts = [
        torch.nn.functional.one_hot(strides.roll(delay + late, 1), len(PHONES)).float() for delay in DELAYS
    ]
    return torch.cat(parts, -1)


def test_the_loss_is_least_where_phones_are_told_after_their_delays():
    phones = torch.randint(0, len(PHONES), (3, 40), generator=torch.manual_seed(0)).repeat_interleave(2, 1)
    net = reader()
    right, late = net.loss(told(phones), phones), net.loss(told(phones, 1), phones)
    assert right < 0.1
    assert late > 5


def test_of_an_unknown_phone_nothing_is_asked():
    phones = torch.randint(0, len(PHONES), (1, 100), generator=torch.manual_seed(0))
    phones[:, 30:50] = UNKNOWN
    other = phones.clone()
    other[:, 30:50] = 7
    net, embeddings = reader(), told(phones)
    assert net.loss(embeddings, phones) < net.loss(embeddings, other)
    embeddings.requires_grad_()
    net.loss(embeddings, torch.full_like(phones, UNKNOWN).index_fill(1, torch.arange(60, 100), 3)).backward()
    assert not embeddings.grad[:, : 30 + min(DELAYS)].any()
    assert embeddings.grad[:, 30 + min(DELAYS) :].any()


def test_what_is_stacked_is_what_a_head_sees():
    x = np.arange(80, dtype=np.float32)[None, :, None]
    windows = stacked(x)
    assert windows.shape == (1, 80 - (TAPS - 1) * LAG, TAPS)
    np.testing.assert_array_equal(windows[0, 3], 3 + LAG * np.arange(TAPS))
