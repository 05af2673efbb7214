"""One small set of phones, the CMU dictionary's, for what recogniser and synthesisers each call theirs.

A track of phones is a uint8 a frame of 10 ms: a place in PHONES, or UNKNOWN where nobody knows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.training.data import Clip, ClipStore

PHONES = (
    "SIL", "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH",
    "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W",
    "Y", "Z", "ZH",
)  # fmt: skip
SILENCE, UNKNOWN = 0, 255
FRAME = 160
"""Samples of 10 ms at 16 kHz, in which times are told."""

_PLACES = {phone: place for place, phone in enumerate(PHONES)}
_FLITE = {"PAU": "SIL", "AX": "AH", "AXR": "ER", "IX": "IH"}
_ESPEAK = {
    "_": "SIL", "_:": "SIL", "?": "SIL",
    "A:": "AA", "A@": "AA", "0": "AA", "a": "AE", "aa": "AE", "a#": "AH", "@": "AH", "@-": "AH", "@2": "AH",
    "V": "AH", "O:": "AO", "O": "AO", "O2": "AO", "O@": "AO", "o@": "AO", "aU": "AW", "aI": "AY", "aI@": "AY",
    "aI2": "AY", "aI3": "AY", "b": "B", "tS": "CH", "d": "D", "D": "DH", "E": "EH", "e@": "EH", "3": "ER",
    "3:": "ER", "VR": "ER", "IR": "ER", "eI": "EY", "f": "F", "g": "G", "h": "HH", "I": "IH", "I2": "IH",
    "I#": "IH", "i": "IY", "i:": "IY", "i@": "IY", "i@3": "IY", "dZ": "JH", "k": "K", "x": "K", "l": "L",
    "@L": "L", "m": "M", "n": "N", "n-": "N", "N": "NG", "oU": "OW", "OI": "OY", "p": "P", "r": "R",
    "r-": "R", "s": "S", "S": "SH", "t": "T", "t#": "T", "t2": "T", "t[": "T", "T": "TH", "U": "UH",
    "U@": "UH", "u:": "UW", "v": "V", "w": "W", "w#": "W", "j": "Y", ";": "Y", "z": "Z", "Z": "ZH",
}  # fmt: skip
"""espeak-ng's mnemonics in its English accents; a vowel that an R colours is the vowel."""

Times = list[tuple[int, int]]
"""Phones of a recording in order: place in PHONES (or UNKNOWN), and the frame before which it ends."""
Track = NDArray[np.uint8]


def cmu_phone(name: str) -> int:
    """By the CMU dictionary's name, stressed or not; what is none of them, noise, is silence."""
    return _PLACES.get(name.rstrip("012"), SILENCE)


def flite_phone(name: str) -> int:
    """By flite's name; UNKNOWN where it says another."""
    return _PLACES.get(_FLITE.get(name.upper(), name.upper()), UNKNOWN)


def espeak_phone(name: str) -> int:
    """By espeak-ng's mnemonic; UNKNOWN where it says another."""
    return _PLACES[_ESPEAK[name]] if name in _ESPEAK else UNKNOWN


def phone_track(times: Iterable[tuple[int, int]], n_frames: int) -> Track:
    """Phones `(n_frames,)`, one a frame; silence after the last."""
    track, start = np.zeros(n_frames, np.uint8), 0
    for phone, end in times:
        end = min(n_frames, max(start, end))
        track[start:end] = phone
        start = end
    return track


def at_other_speed(track: Track, speed: float, n_frames: int) -> Track:
    """The first `n_frames` of a track whose sound is played `speed` times as fast."""
    return track[np.minimum((np.arange(n_frames) * speed).astype(int), len(track) - 1)]


def phones_file(store: Path) -> Path:
    """Where a store keeps its phones: rows of a clip's path, and the times."""
    return store / "phones.jsonl"


def phone_rows(store: Path) -> list[dict[str, Any]]:
    """Its whole rows; none where there is no such file."""
    path = phones_file(store)
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    return [json.loads(line) for line in lines]


def phone_row(path: str, times: Times) -> str:
    """A row of that file."""
    return json.dumps({"path": path, "phones": times}) + "\n"


def labelled(store: ClipStore) -> list[tuple[Clip, Track]]:
    """Clips whose phones are known, in a store's order, with their tracks."""
    times = {row["path"]: row["phones"] for row in phone_rows(store.folder) if row["phones"]}
    clips = (clip for clip in store.select("speech", "train") if clip.path in times)
    return [(clip, phone_track(times[clip.path], clip.length // FRAME + 1)) for clip in clips]
