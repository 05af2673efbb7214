"""The user's own words: one small weights file each in a folder of his.

The folder is `RTAUDIO_WORDS`, else `rtaudio/words` under `XDG_DATA_HOME` or `~/.local/share`. A file
holds the word's head and states over the shared embedding net (20 kB), and the hash of the net it was made
for; no sound, and nothing that is executed when it is read.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.errors import ConfigError, WeightsError
from rtaudio.nn.embedding import TAPS, WordHead
from rtaudio.nn.sequence import WordStates
from rtaudio.nn.weights import Weights, digest, load_weights, save_weights

NET_NAME = "word"
"""What a word's file says it is for."""

HEAD, STATES = {"weight", "bias"}, {"states", "state_biases"}
"""Arrays of a word's file; words taught before there were states have none."""

LONGEST_NAME = 64


@dataclass(frozen=True)
class UserWord:
    """A word somebody taught.

    - embedding: hash of the embedding weights its head works on.
    - card: how it was made: date, clips, the false-accept rate it was fitted to.
    """

    name: str
    head: WordHead
    embedding: str
    card: dict[str, Any] = field(default_factory=dict)


def words_folder() -> Path:
    """Where the user's words lie; it need not exist."""
    if os.environ.get("RTAUDIO_WORDS"):
        return Path(os.environ["RTAUDIO_WORDS"])
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "rtaudio" / "words"


def plain_name(name: str) -> str:
    """A word as it is written everywhere: lower case, `_` for spaces. Raises ConfigError.

    Letters of any alphabet, digits, `_` and `-`: it becomes a file's name, and is listed with commas.
    """
    plain = "_".join(name.casefold().split())
    if not re.fullmatch(r"\w[\w-]*", plain) or len(plain) > LONGEST_NAME:
        raise ConfigError(
            f"{name!r} can't be a word's name: letters, digits, spaces, - and _, up to {LONGEST_NAME} of them"
        )
    return plain


def word_names() -> list[str]:
    """Names of the words there are files for, sound or not."""
    return sorted(path.stem for path in words_folder().glob("*.npz"))


def load_word(name: str) -> UserWord:
    """Read a word of the folder. Raises WeightsError in one line where it is missing or damaged."""
    path = words_folder() / f"{plain_name(name)}.npz"
    if not path.exists():
        known = ", ".join(word_names()) or "none yet"
        raise WeightsError(f"no word {name!r} in {words_folder()}; there are: {known}")
    return read_word(path)


def read_word(path: str | Path) -> UserWord:
    """Read a word's file, wherever it lies. Raises WeightsError."""
    weights = load_weights(path)
    config, tensors = weights.config, weights.tensors
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    if weights.net != NET_NAME or set(shapes) not in (HEAD, HEAD | STATES) or shapes["bias"] != (1,):
        raise WeightsError(f"{path}: holds no word, but weights of the net {weights.net!r}")
    name, threshold = config.get("name"), config.get("threshold")
    if not isinstance(name, str) or not isinstance(threshold, float) or not 0 < threshold <= 1:
        raise WeightsError(f"{path}: its manifest has no valid name and threshold")
    try:
        plain_name(name)
    except ConfigError as error:
        raise WeightsError(f"{path}: {error}") from None
    thresholds = _thresholds(path, config.get("thresholds", {}))
    states = _states(path, weights)
    head = WordHead(tensors["weight"], float(tensors["bias"][0]), threshold, thresholds, states)
    return UserWord(name, head, str(config.get("embedding")), weights.card)


def _states(path: str | Path, weights: Weights) -> WordStates | None:
    """A word's states; none in files from before there were any."""
    tensors, config = weights.tensors, weights.config
    if "states" not in tensors:
        return None
    skip, most = config.get("skip"), config.get("most")
    if not isinstance(skip, float) or type(most) is not int:
        raise WeightsError(f"{path}: its manifest has no valid skip and most of its states")
    states = WordStates(tensors["states"], tensors["state_biases"], skip, most)
    try:
        states.check(tensors["weight"].size // TAPS)
    except ConfigError as error:
        raise WeightsError(f"{path}: {error}") from None
    return states


def _thresholds(path: str | Path, told: Any) -> dict[float, float]:
    """A word's thresholds by false accepts an hour; none in files from before they were kept."""
    error = WeightsError(f"{path}: its thresholds by false accepts an hour are not valid: {told}")
    try:
        thresholds = {float(rate): threshold for rate, threshold in told.items()}
    except (AttributeError, ValueError):
        raise error from None
    if not all(rate > 0 and isinstance(x, float) and 0 < x <= 1 for rate, x in thresholds.items()):
        raise error
    return thresholds


def check_folder() -> Path:
    """The folder, made where it is missing. Raises ConfigError where it can't be written to."""
    folder = words_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise ConfigError(f"{folder}: words can't be kept there ({error.strerror})") from None


def save_word(word: UserWord) -> Path:
    """Write a word into the folder, made where it is missing; one of the same name is replaced.

    Raises ConfigError where the folder can't be written.
    """
    folder = check_folder()
    config: dict[str, Any] = {
        "name": word.name,
        "threshold": float(word.head.threshold),
        "thresholds": {str(rate): float(threshold) for rate, threshold in word.head.thresholds.items()},
        "embedding": word.embedding,
    }
    tensors = {"weight": word.head.weight, "bias": np.array([word.head.bias], np.float32)}
    if states := word.head.states:
        tensors |= {"states": states.weight, "state_biases": states.bias}
        config |= {"skip": float(states.skip), "most": states.most}
    try:
        return save_weights(folder / f"{word.name}.npz", NET_NAME, config, tensors, **word.card)
    except OSError as error:
        raise ConfigError(f"{folder}: words can't be kept there ({error.strerror})") from None


def remove_word(name: str) -> Path:
    """Delete a word's file, damaged or not. Raises WeightsError where there is none."""
    path = words_folder() / f"{plain_name(name)}.npz"
    try:
        path.unlink()
    except FileNotFoundError:
        load_word(name)  # says which there are
    except OSError as error:
        raise ConfigError(f"{path}: can't be removed ({error.strerror})") from None
    return path


def export_word(name: str, target: str | Path) -> Path:
    """Copy a word to a file, or into a folder under its own name; never over anything there."""
    word, target = load_word(name), Path(target)
    path = target / f"{word.name}.npz" if target.is_dir() else target
    data = (words_folder() / f"{word.name}.npz").read_bytes()
    try:
        with open(path, "xb") as file:
            file.write(data)
    except FileExistsError:
        raise ConfigError(f"{path}: is there already; give another name") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be written ({error.strerror})") from None
    return path


def import_word(path: str | Path) -> UserWord:
    """Take a word's file into the folder, after all checks; not over a word that is there."""
    word = read_word(path)
    if word.name in word_names():
        raise ConfigError(f"there is a word {word.name!r} already: remove it first")
    save_word(word)
    return word


def check_embedding(word: UserWord, embedding: Weights) -> None:
    """Raise WeightsError unless the word was made for this embedding net."""
    if word.embedding != digest(embedding.tensors):
        raise WeightsError(f"the word {word.name!r} was made for another version's net: enrol it again")
