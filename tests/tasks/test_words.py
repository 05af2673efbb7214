"""Words of one's own as files: kept, found, given away, and refused where they are damaged."""

import os

import numpy as np
import pytest

from rtaudio.errors import ConfigError, WeightsError
from rtaudio.nn.embedding import TAPS, WordHead
from rtaudio.nn.sequence import CONTEXT, STATES, WordStates
from rtaudio.nn.weights import digest, find_weights, load_weights, save_weights
from rtaudio.tasks.spot import Vocabulary, build_spotter
from rtaudio.tasks.words import (
    UserWord,
    export_word,
    import_word,
    load_word,
    plain_name,
    remove_word,
    save_word,
    word_names,
    words_folder,
)


@pytest.fixture
def word(tones):
    embedding = load_weights(find_weights("embedding"))
    weight = np.linspace(-1, 1, STATES * CONTEXT * 3, dtype=np.float32).reshape(STATES, -1)
    states = WordStates(weight, np.linspace(0, 1, STATES, dtype=np.float32), 0.75, 4)
    head = WordHead(np.linspace(-1, 1, TAPS * 3, dtype=np.float32), 0.25, 0.5, {0.5: 0.5, 2.0: 0.3}, states)
    return UserWord("good_morning", head, digest(embedding.tensors), {"recordings": 3})


def test_a_word_is_kept_and_read_back(word):
    save_word(word)
    got = load_word("Good Morning")
    np.testing.assert_array_equal(got.head.weight, word.head.weight)
    assert (got.name, got.head.bias, got.head.threshold) == ("good_morning", 0.25, 0.5)
    assert got.head.thresholds == {0.5: 0.5, 2.0: 0.3}
    np.testing.assert_array_equal(got.head.states.weight, word.head.states.weight)
    np.testing.assert_array_equal(got.head.states.bias, word.head.states.bias)
    assert (got.head.states.skip, got.head.states.most) == (0.75, 4)
    assert (got.embedding, got.card) == (word.embedding, word.card)
    assert word_names() == ["good_morning"]


def test_a_word_from_before_there_were_states_is_kept_as_it_was(word):
    save_word(old(word, "beep"))
    assert load_word("beep").head.states is None
    assert build_spotter(["beep"]).words == ("beep",)


@pytest.mark.parametrize(
    ("config", "tensors", "told"),
    [
        ({"skip": None}, {}, "skip and most"),
        ({"most": 2.5}, {}, "skip and most"),
        ({"most": True}, {}, "skip and most"),
        ({"most": 10**9}, {}, "most="),
        ({"skip": -1.0}, {}, "skip="),
        ({}, {"states": np.zeros((2, 15), np.float32)}, "states of shapes"),
        ({}, {"state_biases": np.zeros(5, np.float32)}, "states of shapes"),
        ({}, {"more": np.zeros(5, np.float32)}, "holds no word"),
    ],
)
def test_states_without_sense_are_refused_in_a_line(word, tmp_path, config, tensors, told):
    weights = load_weights(save_word(word))
    path = save_weights(
        tmp_path / "word.npz", "word", weights.config | config, weights.tensors | tensors, **weights.card
    )
    remove_word(word.name)
    with pytest.raises(WeightsError, match=told) as error:
        import_word(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    assert word_names() == []


def test_it_is_spotted_beside_the_built_in_words(word):
    save_word(word)
    assert Vocabulary().choose(None) == ("low", "high", "good_morning")
    assert build_spotter().words == ("low", "high", "good_morning")
    assert build_spotter(["good morning"]).words == ("good_morning",)  # one net only


def old(word, name):
    """A word from before thresholds of several rates were kept."""
    return UserWord(name, WordHead(word.head.weight, word.head.bias, 0.6), word.embedding)


def test_its_threshold_is_that_of_the_rate_asked_for(word):
    save_word(word)
    asked = {None: 0.5, 0.5: 0.5, 1.0: 0.5, 2.0: 0.3, 9.0: 0.3}
    for rate, threshold in asked.items():
        spotter = build_spotter(["good_morning"], false_accepts=rate)
        assert spotter.thresholds == pytest.approx({"good_morning": threshold})
    spotter = build_spotter(["good_morning"], false_accepts=2.0, threshold=0.9)
    assert spotter.thresholds == pytest.approx({"good_morning": 0.9})


def test_words_that_tell_no_such_rate_are_named_once(word):
    for made in (word, old(word, "beep"), old(word, "boop")):
        save_word(made)
    told = []
    names = ["beep", "good_morning", "boop"]
    spotter = build_spotter(names, false_accepts=2.0, warn=told.append)
    assert spotter.thresholds == pytest.approx({"beep": 0.6, "good_morning": 0.3, "boop": 0.6})
    (line,) = told
    assert "2 false accepts an hour is known of beep, boop," in line
    build_spotter(names, false_accepts=0.1, warn=told.append)
    assert "0.1 false accepts an hour is known of beep, good_morning, boop," in told[1]
    build_spotter(names, warn=told.append)
    build_spotter(["beep"], false_accepts=2.0, threshold={"beep": 0.7}, warn=told.append)
    assert len(told) == 2
    with pytest.warns(UserWarning, match="known of beep"):
        build_spotter(["beep"], false_accepts=2.0)


def test_the_folder_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.delenv("RTAUDIO_WORDS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert words_folder() == tmp_path / "xdg/rtaudio/words"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert words_folder() == tmp_path / ".local/share/rtaudio/words"
    assert word_names() == []


@pytest.mark.parametrize(
    ("name", "plain"), [("Computer", "computer"), (" good  morning ", "good_morning"), ("Übung-2", "übung-2")]
)
def test_names_are_plain(name, plain):
    assert plain_name(name) == plain


@pytest.mark.parametrize(
    "name", ["", " ", "../x", "a/b", "a,b", "a=b", "a.b", "-a", "x" * 65, "a\0b", "a\nb!"]
)
def test_names_that_would_be_more_than_a_name_are_refused(name):
    with pytest.raises(ConfigError, match="word's name"):
        plain_name(name)


def test_removing(word):
    path = save_word(word)
    assert remove_word("good morning") == path
    assert word_names() == []
    with pytest.raises(WeightsError, match="none yet"):
        remove_word("good morning")


def test_giving_away_and_taking(word, tmp_path):
    save_word(word)
    file = export_word("good_morning", tmp_path)
    assert file == tmp_path / "good_morning.npz"
    with pytest.raises(ConfigError, match="there already"):
        export_word("good_morning", file)
    with pytest.raises(ConfigError, match="can't be written"):
        export_word("good_morning", tmp_path / "nowhere" / "x.npz")
    with pytest.raises(ConfigError, match="remove it first"):
        import_word(file)
    remove_word("good_morning")
    assert import_word(file).name == "good_morning"
    assert word_names() == ["good_morning"]
    assert load_word("good_morning").head.thresholds == word.head.thresholds
    np.testing.assert_array_equal(load_word("good_morning").head.states.weight, word.head.states.weight)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "text", "empty", "foreign"])
def test_a_damaged_file_is_told_in_a_line_and_can_be_removed(word, damage):
    path = save_word(word)
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[data.find(word.head.weight.tobytes())] ^= 0xFF
    contents = {"truncated": data[:100], "text": b"hello", "empty": b"", "flipped": data}
    if damage == "foreign":
        save_weights(path, "keywords", {}, {"a": np.zeros(3, np.float32)})
    else:
        path.write_bytes(contents[damage])
    with pytest.raises(WeightsError) as told:
        build_spotter()
    assert "\n" not in str(told.value)
    assert "good_morning" in str(told.value)
    remove_word("good_morning")
    assert build_spotter().words == ("low", "high")


@pytest.mark.parametrize(
    "config",
    [{}, {"name": "x"}, {"name": "../x", "threshold": 0.5}, {"name": 5, "threshold": 0.5},
     {"name": "x", "threshold": 2.0}, {"name": "x", "threshold": "high"},
     *({"name": "x", "threshold": 0.5, "thresholds": wrong}
       for wrong in ({"0.5": 2.0}, {"0": 0.5}, {"often": 0.5}, {"0.5": "high"}, [0.5], None))],
)  # fmt: skip
def test_a_manifest_without_sense_is_refused(word, tmp_path, config):
    tensors = {"weight": word.head.weight, "bias": np.zeros(1, np.float32)}
    with pytest.raises(WeightsError):
        import_word(save_weights(tmp_path / "word.npz", "word", config, tensors))
    assert word_names() == []


def test_a_word_of_another_net_is_refused(word):
    save_word(UserWord(word.name, word.head, "0" * 64))
    with pytest.raises(WeightsError, match="enrol it again"):
        build_spotter()
    save_word(UserWord(word.name, WordHead(np.zeros(5, np.float32), 0.0, 0.5), word.embedding))
    with pytest.raises(WeightsError, match="doesn't fit"):
        build_spotter()


def test_a_folder_that_can_not_be_written_is_told(word, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("RTAUDIO_WORDS", str(tmp_path / "file" / "words"))
    with pytest.raises(ConfigError, match="can't be kept there"):
        save_word(word)
    assert word_names() == []
    assert not os.path.exists(tmp_path / "file" / "words")
