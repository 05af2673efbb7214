"""Words in a row, spoken by synthesisers that tell where each phone lies.

espeak-ng's library calls back with phones as it makes them (by ctypes: any accent and variant, a hundred
times as fast as speech); flite prints them (`-psdur`). The words are any of the CMU dictionary, so that
what follows what is not what English likes best.
"""

from __future__ import annotations

import ctypes
import importlib.util
import re
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from rtaudio.training.data import append_clips, listed_paths
from rtaudio.training.phones import FRAME, Times, espeak_phone, flite_phone, phone_row, phones_file
from rtaudio.training.synthesisers import (
    FAILURES,
    SAMPLE_RATE,
    TIMEOUT_S,
    WORDS_A_MINUTE,
    Manner,
    Samples,
    installed,
)
from rtaudio.training.voices import made_word, manner

PARTS, EACH = 2, 5000
"""Lists of phrases, and how long each is: 5.5 hours of speech."""
FLITE_SHARE = 3
"""Of ten phrases: it has five voices, espeak-ng 266."""
LEFT_OUT = re.compile("amelia|snowbo|glass|hadouk|dracar|computer|jarvis|athena|mirror|alexa")
"""Parts of keywords: they are recorded, and some are what the embedding is tested with."""
BATCH = 100
"""Phrases that are written at once."""

Spoken = tuple[Samples, Times]

# espeak-ng's speak_lib.h
SYNCHRONOUS, PHONEME_EVENTS, UTF8, CHARACTERS = 2, 1, 1, 1
RATE, PITCH, PHONEME = 1, 3, 7


class _Name(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("pointer", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int), ("unique", ctypes.c_uint), ("text_position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_position_ms", ctypes.c_int), ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p), ("id", _Name),
    )  # fmt: skip


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """espeak-ng's library in this process. It has one voice at a time, and is not for several threads."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self._rate = self._library.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEME_EVENTS)
        self._parts: list[Any] = []
        self._starts: list[tuple[str, int]] = []
        self._callback = _Callback(self._made)  # kept, or it is collected while the library calls it
        self._library.espeak_SetSynthCallback(self._callback)

    def _made(self, wave: Any, count: int, events: Any) -> int:
        if wave and count:
            self._parts.append(np.ctypeslib.as_array(wave, (count,)).copy())
        at = 0
        while events[at].type:  # 0 ends the list
            if events[at].type == PHONEME:
                self._starts.append((events[at].id.string.decode(), events[at].sample))
            at += 1
        return 0

    def speak(self, text: str, manner: Manner) -> Spoken:
        """A text in a voice. Its events say where phones start; each ends where the next one does."""
        self._parts, self._starts = [], []
        pitch = 0.5 if manner.pitch is None else manner.pitch
        self._library.espeak_SetVoiceByName(manner.voice.encode())
        self._library.espeak_SetParameter(RATE, round(WORDS_A_MINUTE * manner.pace), 0)
        self._library.espeak_SetParameter(PITCH, round(99 * pitch), 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, CHARACTERS, 0, UTF8, None, None)
        wave = np.concatenate(self._parts) / np.float32(32768)
        ends = [start for _, start in self._starts[1:]] + [wave.size]
        frames = [round(end / self._rate * SAMPLE_RATE / FRAME) for end in ends]
        names = [name for name, _ in self._starts]
        times = [(espeak_phone(name), frame) for name, frame in zip(names, frames, strict=True)]
        return soxr.resample(wave, self._rate, SAMPLE_RATE).astype(np.float32), times


@cache
def _espeak() -> Espeak:
    return Espeak()


def speak_flite(text: str, manner: Manner, path: Path) -> Spoken:
    """A text in one of flite's voices, by way of a file that is gone afterwards. Raises FAILURES."""
    try:
        command = [*manner.command(text, path), "-psdur"]
        told = subprocess.run(
            command, check=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        audio, rate = soundfile.read(path, dtype="float32")
    finally:
        path.unlink(missing_ok=True)
    ends = re.findall(r"(\S+):([\d.]+)", told.stdout)
    times = [(flite_phone(name), round(float(end) * SAMPLE_RATE / FRAME)) for name, end in ends]
    return soxr.resample(audio, rate, SAMPLE_RATE).astype(np.float32), times


@dataclass(frozen=True)
class Phrase:
    """What is to be said, in whose voice, and what its clip is called."""

    path: str
    text: str
    manner: Manner

    def spoken(self) -> Spoken | None:
        """Samples at 16 kHz, and its phones; None where the program fails."""
        try:
            if self.manner.program == "espeak-ng":
                return _espeak().speak(self.text, self.manner)
            with tempfile.TemporaryDirectory() as folder:
                return speak_flite(self.text, self.manner, Path(folder) / "a.wav")
        except FAILURES:
            return None


def dictionary() -> list[str]:
    """Words of the CMU dictionary that PocketSphinx carries; made-up ones where it is not installed."""
    if importlib.util.find_spec("pocketsphinx") is None:
        rng = np.random.default_rng(0)
        return [made_word(rng) for _ in range(5000)]
    from pocketsphinx import get_model_path

    lines = Path(get_model_path("en-us/cmudict-en-us.dict")).read_text(encoding="utf-8").splitlines()
    words = [line.split()[0] for line in lines]
    return [word for word in words if re.fullmatch("[a-z]{2,14}", word) and not LEFT_OUT.search(word)]


def phrases(count: int = EACH, programs: tuple[str, ...] | None = None) -> list[Phrase]:
    """Two to five words each, always the same; of the programs that are installed unless told."""
    programs = installed() if programs is None else programs
    words, found = np.array(dictionary()), []
    for part in range(PARTS):
        rng = np.random.default_rng((5, part))
        for k in range(count):
            voice = manner("flite" if k % 10 < FLITE_SHARE else "espeak-ng", rng)
            text = " ".join(rng.choice(words, rng.integers(2, 6)))
            found.append(Phrase(f"phrases/{part}-{k}", text, voice))
    return [phrase for phrase in found if phrase.manner.program in programs]


def speak_phrases(
    folder: Path, on_progress: Callable[[int, int], None] | None = None, count: int = EACH
) -> None:
    """Bring a store of phrases and their phones up to its full length."""
    folder.mkdir(parents=True, exist_ok=True)
    there, wanted = listed_paths(folder), phrases(count)
    missing = [phrase for phrase in wanted if f"synthetic/{phrase.path}" not in there]
    if not missing:
        return
    with (
        ProcessPoolExecutor(2, get_context("spawn")) as pool,
        phones_file(folder).open("a", encoding="utf-8") as file,
    ):
        for first in range(0, len(missing), BATCH):
            batch = missing[first : first + BATCH]
            told = zip(batch, pool.map(Phrase.spoken, batch), strict=True)
            kept = [(phrase, *spoken) for phrase, spoken in told if spoken is not None]
            file.writelines(phone_row(f"synthetic/{phrase.path}", times) for phrase, _, times in kept)
            file.flush()  # before the clips are listed: what is listed is not asked for again
            append_clips(
                folder, [_row(phrase) for phrase, *_ in kept], [_loud(w) for _, w, _ in kept], SAMPLE_RATE
            )
            if on_progress:
                on_progress(len(wanted) - len(missing) + first + len(batch), len(wanted))


def _row(phrase: Phrase) -> dict[str, str]:
    manner = phrase.manner
    return {"path": phrase.path, "source": manner.program, "group": manner.voice, "licence": "none needed"}


def _loud(wave: Samples) -> Samples:
    return wave * np.float32(0.9 / max(float(np.abs(wave).max(initial=0.0)), 1e-6))
