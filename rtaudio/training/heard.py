"""Which English words running speech holds, and where: told by PocketSphinx, for the word embedding.

The recordings come without transcripts. A recogniser that is often wrong still says, with its posterior,
which words it is sure of; those make classes of words that many people said. Only the times and the
spelling are kept. PocketSphinx carries its own model of US English (BSD licence, as the program).
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.training.data import Clip, ClipStore

Word = tuple[str, int, int, float]
"""Spelling, first and last frame, posterior."""

ENGLISH = (
    "speechocean762/", "speech-to-intent-benchmark/", "alphanumeric-audio-dataset/",
    "dataset-voice-kathleen/", "asp-audio/asp_en", "GCompris-voices/gc_en",
)  # fmt: skip
"""Starts of the groups of voices that speak English."""
SURE = 0.5
"""Posterior from which a word counts as heard."""
FRAME = 160
"""Samples of 10 ms, in which times of words are told."""
SHORTEST_S, LONGEST_S, LETTERS = 0.3, 1.2, 4
"""Of what becomes a class: a word, or two in a row, and the letters it must have; what is shorter sounds
too much alike."""


@dataclass(frozen=True)
class Heard:
    """A word, or two in a row (`brown_sugar`), somewhere in a clip: its first and last sample."""

    text: str
    clip: Clip
    start: int
    end: int


def transcribe(store: ClipStore, on_progress: Callable[[int, int], None] | None = None) -> None:
    """Add to the store's `heard.jsonl` the words of each English clip that it does not list yet.

    Does nothing where PocketSphinx is not installed.
    """
    if importlib.util.find_spec("pocketsphinx") is None:
        return
    path = store.folder / "heard.jsonl"
    there = {row["path"] for row in _rows(path)}
    clips = [c for c in store.select("speech", "train") if c.group.startswith(ENGLISH)]
    clips = [c for c in clips if c.path not in there and not c.synthetic]
    with (
        ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool,
        path.open("a", encoding="utf-8") as file,
    ):
        waves = (store.read(clip, 0, clip.length) for clip in clips)
        for done, (clip, words) in enumerate(zip(clips, pool.map(recognise, waves), strict=True), 1):
            file.write(json.dumps({"path": clip.path, "words": words}) + "\n")
            file.flush()
            if on_progress:
                on_progress(done, len(clips))


def recognise(wave: NDArray[np.float32]) -> list[Word]:
    """Words of samples at 16 kHz, in order."""
    decoder = _decoder()
    level = 20000 / max(float(np.abs(wave).max(initial=0.0)), 1e-3)
    decoder.start_utt()
    decoder.process_raw((wave * level).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    words = [(s.word, s.start_frame, s.end_frame, float(s.prob)) for s in decoder.seg()]
    return [(word.split("(")[0], *place) for word, *place in words if word[0] not in "<["]


@cache
def _decoder() -> Any:
    from pocketsphinx import Decoder

    return Decoder(samprate=16000, loglevel="FATAL")


def heard_words(store: ClipStore) -> list[Heard]:
    """Words of the store's English speech that were surely heard, alone and two in a row."""
    clips = {clip.path: clip for clip in store.select("speech", "train")}
    rows = [row for row in _rows(store.folder / "heard.jsonl") if row["path"] in clips]
    return [heard for row in rows for heard in _stretches(clips[row["path"]], row["words"])]


def _stretches(clip: Clip, words: list[Word]) -> Iterator[Heard]:
    runs = [[word] for word in words] + [[a, b] for a, b in pairwise(words) if b[1] - a[2] <= 3]
    for run in runs:
        start, end = run[0][1] * FRAME, min((run[-1][2] + 1) * FRAME, clip.length)
        long_enough = SHORTEST_S <= (end - start) / (100 * FRAME) <= LONGEST_S
        text = "_".join(word[0] for word in run)
        if long_enough and len(text) >= LETTERS and min(word[3] for word in run) >= SURE:
            yield Heard(text, clip, start, end)


def _rows(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    return [json.loads(line) for line in lines]
