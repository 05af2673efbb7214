"""Words spoken by synthesisers: the keywords, near misses of them, made-up words.

They teach a keyword in more voices, and what is *not* one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

import numpy as np

from rtaudio.training.data import append_clips, listed_paths
from rtaudio.training.synthesisers import SAMPLE_RATE, WORDS_A_MINUTE, Manner, Samples, installed, speak

FLITE_VOICES = ("kal", "kal16", "awb", "rms", "slt")
ESPEAK_ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-gb-x-gbclan", "en-us-nyc")
ESPEAK_VARIANTS = (
    *(f"m{n}" for n in range(1, 9)), *(f"f{n}" for n in range(1, 6)), "klatt", "klatt2", "klatt3", "klatt4",
    "Annie", "Andrea", "Andy", "linda", "steph", "Denis", "Michael", "belinda", "benjamin", "david", "ed",
    "aunty", "grandma", "grandpa", "anika", "travis", "victor", "shelby", "caleb", "Gene", "Alicia", "robert",
)  # fmt: skip
"""More than those who teach a user's word (`synthesisers.PROGRAMS`): odd ones are of use here."""
MADE_WORDS, VOICES_EACH = 1200, 8

NEAR_WORDS = (
    "commuter", "compute", "computing", "competitor", "complete her", "come pewter", "composer", "company",
    "jealous", "harvest", "service", "java", "jarred", "garbage", "nervous", "charge this", "travis",
    "snowball", "snowman", "snow", "cowboy", "low boy", "no boy", "slow buoy", "snow blower", "oh boy",
    "smart", "mirror", "smart meter", "start mirror", "smart manner", "small mirror", "part mirror",
    "view", "glass", "blue glass", "few glasses", "new glass", "the class", "view class", "viewing gas",
    "alex", "a lexus", "election", "alexis", "elect her", "a lecture", "relax a", "selector",
    "anthem", "athens", "arena", "a thinner", "hyena", "antenna", "martina", "adeline", "at eden",
    "a million", "emily", "familiar", "camellia", "a media", "ophelia", "ameliorate", "a meal", "aurelia",
)  # fmt: skip

ONSETS = [*"bdfghjklmnprstvwz", "bl", "br", "dr", "fl", "fr", "gl", "gr", "kl", "kr", "pl", "pr", "sh",
          "sk", "sl", "sm", "sn", "sp", "st", "str", "th", "tr", "ch"]  # fmt: skip
NUCLEI = [*"aeiou", "ee", "oo", "ai", "ow", "ar", "or", "er"]
CODAS = ["", "", "", "n", "l", "s", "t", "m", "k", "nd", "st", "rk", "x", "sh"]


def made_word(rng: np.random.Generator) -> str:
    """Two to four syllables that mean nothing, spelt so that programs read them alike."""
    syllables = [str(rng.choice(ONSETS)) + str(rng.choice(NUCLEI)) for _ in range(rng.integers(2, 5))]
    return "".join(syllables) + str(rng.choice(CODAS))


def vocabulary(made_words: int = MADE_WORDS, seed: int = 0) -> list[str]:
    """Near misses, then made-up words; the same for the same seed."""
    rng = np.random.default_rng(seed)
    made = dict.fromkeys(made_word(rng) for _ in range(2 * made_words))
    return [*NEAR_WORDS, *list(made)[:made_words]]


def manner(program: str, rng: np.random.Generator) -> Manner:
    """A voice of a family, and how it speaks, drawn."""
    if program == "flite":
        return Manner("flite", str(rng.choice(FLITE_VOICES)), 1 / float(rng.uniform(0.8, 1.35)))
    voice = f"{rng.choice(ESPEAK_ACCENTS)}+{rng.choice(ESPEAK_VARIANTS)}"
    return Manner("espeak-ng", voice, rng.integers(120, 200) / WORDS_A_MINUTE, rng.integers(20, 85) / 99)


def synthesise(
    store: Path, words: Mapping[str, int], on_progress: Callable[[int, int], None] | None = None
) -> bool:
    """Add each word in so many voices to a store, those it has left out; whether any were.

    Words are named as keywords are: `hey_computer` is spoken as two. False, and nothing done, where
    neither program is installed.
    """
    programs = installed()
    if not programs:
        return False
    there = listed_paths(store)
    missing = {
        word: [k for k in range(voices) if f"synthetic/{word}/{k}" not in there]
        for word, voices in words.items()
    }
    missing = {word: numbers for word, numbers in missing.items() if numbers}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:

        def spoken(task: tuple[int, str]) -> list[tuple[str, Samples]]:
            i, word = task
            rng, path = np.random.default_rng((17, crc32(word.encode()))), Path(folder) / f"{i}.wav"
            manners = [manner(programs[k % len(programs)], rng) for k in range(words[word])]
            chosen = [manners[k] for k in missing[word]]
            return [(m.voice, speak(word.replace("_", " "), m, path)) for m in chosen]

        told = pool.map(spoken, enumerate(missing))
        for done, (word, voices) in enumerate(zip(missing, told, strict=True), 1):
            rows = [
                {"path": f"{word}/{k}", "source": "synthesised", "group": voice, "licence": "none needed"}
                for k, (voice, _) in zip(missing[word], voices, strict=True)
            ]
            append_clips(store, rows, [wave for _, wave in voices], SAMPLE_RATE)
            if on_progress:
                on_progress(len(words) - len(missing) + done, len(words))
    return bool(missing)
