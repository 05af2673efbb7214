"""Which phones recordings hold, and where: told by PocketSphinx, for the word embedding.

Keywords are known, and only their phones are looked for. Running speech comes without transcripts: a
recogniser that is often wrong still says, with its posterior, which words it is sure of, and the phones of
those are kept. PocketSphinx carries its own model of US English (BSD licence, as the program).
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.training.data import Clip, ClipStore
from rtaudio.training.phones import UNKNOWN, Times, cmu_phone, phone_row, phone_rows, phones_file
from rtaudio.training.spoken import said

Word = tuple[str, float]
"""Spelling, and the posterior that it was said."""

ENGLISH = (
    "speech-to-intent-benchmark/", "speechocean762/", "dataset-voice-kathleen/", "asp-audio/asp_en",
    "GCompris-voices/gc_en",
)  # fmt: skip
"""Starts of the groups of voices that speak English; those that spell letters and numbers are left out."""
SURE = 0.5
"""Posterior from which a word counts as said."""
QUICK = {"fwdflat": False, "maxhmmpf": 1500, "maxwpf": 10, "topn": 2, "ds": 2, "pl_window": 8}
"""A narrower search for words: a fifth of the usual time, and as many of them sure."""
SPELT = {"fenrir": "F EH N R IH R", "chatterbox": "CH AE T ER B AA K S"}
"""Words of keywords that the dictionary lacks."""


def listen(
    store: ClipStore, held_out: Collection[str], on_progress: Callable[[int, int], None] | None = None
) -> None:
    """Add to a store the phones of its keywords and English speech, those it has left out.

    Does nothing where PocketSphinx is not installed. Held-out keywords are not listened to.
    """
    if importlib.util.find_spec("pocketsphinx") is None:
        return
    there = {row["path"] for row in phone_rows(store.folder)}
    clips = [c for c in store.select("speech", "train") if not c.synthetic and c.path not in there]
    clips = [c for c in clips if c.group.startswith(ENGLISH) or said(c) not in {"", "_negative", *held_out}]
    with (
        ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool,
        phones_file(store.folder).open("a", encoding="utf-8") as file,
    ):
        waves = (store.read(clip, 0, clip.length) for clip in clips)
        told = pool.map(phones_in, waves, map(known_words, clips))
        for done, (clip, times) in enumerate(zip(clips, told, strict=True), 1):
            file.write(phone_row(clip.path, times))
            file.flush()
            if on_progress:
                on_progress(done, len(clips))


def known_words(clip: Clip) -> list[Word]:
    """Of a keyword, as its folder is called; none of running speech."""
    return [(word, 1.0) for word in said(clip).split("_") if word]


def phones_in(wave: NDArray[np.float32], words: Sequence[Word] = ()) -> Times:
    """Phones of samples at 16 kHz in which these words are said, or whatever is heard.

    None where nothing is heard, or the words aren't found; UNKNOWN within words that are not sure.
    """
    pcm = _pcm(wave)
    words = words or recognise(pcm)
    if not words:
        return []
    decoder = _aligner()
    try:
        decoder.set_align_text(" ".join(word for word, _ in words))
        _decode(decoder, pcm)
        if decoder.hyp() is None:
            return []
        decoder.set_alignment()  # a second pass goes from words to phones
        _decode(decoder, pcm)
    except RuntimeError:  # a word that the dictionary lacks, or no way through
        return []
    return _times(decoder.get_alignment(), words)


def _times(alignment: Any, words: Sequence[Word]) -> Times:
    posteriors, times = iter([posterior for _, posterior in words]), []
    for entry in alignment:
        sure = entry.name[0] in "<[" or next(posteriors) >= SURE
        times += [(cmu_phone(p.name) if sure else UNKNOWN, p.start + p.duration) for p in entry]
    return times


def recognise(pcm: bytes) -> list[Word]:
    """Words of 16-bit samples at 16 kHz, in order."""
    decoder = _recogniser()
    _decode(decoder, pcm)
    words = [(s.word.split("(")[0], float(s.prob)) for s in decoder.seg() or ()]
    return [word for word in words if word[0][:1] not in ("", "<", "[")]


def _pcm(wave: NDArray[np.float32]) -> bytes:
    level = 20000 / max(float(np.abs(wave).max(initial=0.0)), 1e-3)
    return (wave * level).astype(np.int16).tobytes()


def _decode(decoder: Any, pcm: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


@cache
def _recogniser() -> Any:
    from pocketsphinx import Decoder

    return Decoder(samprate=16000, loglevel="FATAL", **QUICK)


@cache
def _aligner() -> Any:
    from pocketsphinx import Decoder

    decoder = Decoder(samprate=16000, loglevel="FATAL")
    for word, phones in SPELT.items():
        decoder.add_word(word, phones, True)
    return decoder
