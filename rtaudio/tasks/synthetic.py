"""Teach a word that nobody says: synthesisers do, in many voices, perhaps beside recordings of one's own.

What came of it is tried on what was left out: a family of synthesisers, or one's own recordings. That is
kinder than life is, for people's voices differ more than one family's do from another's.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from rtaudio.errors import ConfigError, MissingLibraryError
from rtaudio.nn.enrolment import CAUTION, alike, check_clip
from rtaudio.nn.weights import Weights, find_weights, load_weights
from rtaudio.tasks.enrol import Clip, check_clips, enrol, fitted, recognised
from rtaudio.tasks.spot import DEFAULT_FALSE_ACCEPTS, EMBEDDING_MODEL
from rtaudio.tasks.words import UserWord
from rtaudio.training.synthesisers import FAILURES, PROGRAMS, installed, manners, speak

EACH = 24
"""Recordings by each family: of espeak-ng's voices twice each, of flite's six times."""
LEAST = 8
"""Of them, for a family to be of use."""
MOST_LETTERS = 40
"""The longest that most voices say within the 3 s of a word."""
OWN = "your own"
MADE_COUNT = 2
"""Recordings of people that all made ones together count as: the fewer there are, the more these tell."""
LIKENESS_POWER = 5
"""Made recordings share that by this power of how alike they and one's own are: some families and
voices say a word as people do (cosines of 0.8), others draw it away from them (0.3)."""
BESIDE_CAUTION, MADE_CAUTION = 2, 0.4
"""`CAUTION` where synthesisers teach beside people, and where nobody else does: the negatives hold some of
the same voices, which pass more easily than any people. Asked for 0.5 false accepts an hour, four words that
no table tests came to 0.2 of both at 2, with three recordings by people, and to 0.8 at 1.2; of synthesisers
alone to 0.3 at 0.25 and to none at 0.5 (in 1.7 h)."""
ALIKE = 0.35
"""From where on (`alike`) recordings and synthetic speech are taken for the same word."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is, and of how much."""


@dataclass(frozen=True)
class Source:
    """Recordings of a word by one family of synthesisers, or by people (`OWN`).

    - likenesses: how alike each and those by people are, where there are such.
    """

    name: str
    clips: tuple[Clip, ...]
    voices: int
    likenesses: tuple[float, ...] = ()


@dataclass(frozen=True)
class Check:
    """How many recordings of a source are recognised by a word that was taught by the others alone."""

    left_out: str
    recordings: int
    found: int


@dataclass(frozen=True)
class Taught:
    """A word, and what it was taught by and tried on."""

    word: UserWord
    sources: tuple[Source, ...]
    checks: tuple[Check, ...]


def check_phrase(phrase: str) -> str:
    """A phrase that an English voice can say, its spaces made single. Raises ConfigError for any other."""
    plain = " ".join(phrase.split())
    letters = plain.replace(" ", "").replace("'", "").replace("-", "")
    if not letters:
        raise ConfigError(f"{phrase!r} has no word in it")
    if not (letters.isalpha() and letters.isascii()):
        raise ConfigError(
            f"{phrase!r}: the voices are English; write it in the letters a to z, as it is said, numbers too"
        )
    if len(letters) > MOST_LETTERS:
        raise ConfigError(f"{len(letters)} letters are too many for a word: {MOST_LETTERS} at most")
    return plain


def check_installed() -> None:
    """Raise MissingLibraryError where there is no synthesiser."""
    if not installed():
        programs = " ".join(PROGRAMS)
        raise MissingLibraryError(f"no synthesiser is installed: sudo apt install {programs}")


def synthesise(phrase: str, on_progress: Progress) -> tuple[list[Source], list[str]]:
    """The phrase by each family that can say it, and what is wrong with the others.

    Raises ConfigError where none can.
    """
    sources, troubles, families = [], [], installed()
    with tempfile.TemporaryDirectory() as folder:
        for number, program in enumerate(families):

            def told(done: int, before: int = EACH * number, program: str = program) -> None:
                on_progress(f"{program} speaks", before + done, EACH * len(families))

            source, wrong = _spoken(phrase, program, Path(folder) / "spoken.wav", told)
            if len(source.clips) >= LEAST:
                sources.append(source)
            else:
                troubles.append(f"{program}: {wrong}")
    if not sources:
        raise ConfigError(f"no synthesiser here can say {phrase!r}: {'; '.join(troubles)}")
    return sources, troubles


def _spoken(phrase: str, program: str, path: Path, told: Callable[[int], None]) -> tuple[Source, str]:
    """What a family made of the phrase, and what went wrong last."""
    clips, voices, wrong = [], set(), ""
    for done, manner in enumerate(manners(program, EACH), 1):
        try:
            wave = speak(phrase, manner, path)
        except subprocess.TimeoutExpired:
            wrong = "doesn't come to an end"
            break
        except FAILURES:
            wrong = f"fails as the voice {manner.voice}"
            continue
        finally:
            told(done)
        if trouble := check_clip(wave):
            wrong = f"what it says is {trouble}"
            continue
        clips.append(Clip(f"{program}, {manner.voice}", wave))
        voices.add(manner.voice)
    return Source(program, tuple(clips), len(voices)), wrong


def teach(
    name: str,
    spoken: Sequence[Source],
    own: Sequence[Clip] = (),
    *,
    false_accepts: float = DEFAULT_FALSE_ACCEPTS,
    on_progress: Progress = lambda *_: None,
) -> Taught:
    """A word from synthetic recordings and perhaps one's own, tried on each source in turn left out.

    Nothing is written: `save_word` does. Raises ConfigError for recordings that can't teach a word.
    """
    embedding = load_weights(find_weights(EMBEDDING_MODEL))
    sources = list(spoken)
    if own:
        check_clips(own)
        sources = [*_likened(spoken, own, embedding)[1], Source(OWN, tuple(own), 1)]
    checks: list[Check] = []
    rounds = len(sources) if len(sources) > 1 else 0
    for done, source in enumerate(sources[:rounds]):
        on_progress(f"tried without {source.name}", done, rounds + 1)
        others = [other for other in sources if other is not source]
        word = _fitted(name, others, embedding, false_accepts)
        found = sum(recognised(word, embedding, clip.wave) for clip in source.clips)
        checks.append(Check(source.name, len(source.clips), found))
    on_progress("fitted to all", rounds, rounds + 1)
    word = _fitted(name, sources, embedding, false_accepts)
    word.card["checks"] = [asdict(check) for check in checks]
    return Taught(word, tuple(sources), tuple(checks))


def enrol_beside(
    name: str,
    own: Sequence[Clip],
    spoken: Sequence[Source],
    *,
    false_accepts: float = DEFAULT_FALSE_ACCEPTS,
) -> tuple[UserWord, list[str], bool]:
    """A word from one's own recordings and synthetic ones beside them, as `enrol` gives it.

    The last tells whether the synthetic ones were taken. They are not where they sound like another word
    (somebody named a phrase otherwise than it is said), nor where the word would then miss a recording of
    one's own that it finds without them.
    """
    word, unheard = enrol(name, own, false_accepts=false_accepts)
    embedding = load_weights(find_weights(EMBEDDING_MODEL))
    likeness, likened = _likened(spoken, own, embedding) if spoken else (-1.0, [])
    if likeness < ALIKE:
        return word, unheard, False
    both = _fitted(name, [*likened, Source(OWN, tuple(own), 1)], embedding, false_accepts)
    missed = [clip.name for clip in own if not recognised(both, embedding, clip.wave)]
    return (both, missed, True) if set(missed) <= set(unheard) else (word, unheard, False)


def _likened(spoken: Sequence[Source], own: Sequence[Clip], embedding: Weights) -> tuple[float, list[Source]]:
    """How alike synthetic recordings and one's own are, and the former with how alike each is."""
    made = [clip.wave for source in spoken for clip in source.clips]
    together, each = alike([clip.wave for clip in own], made, weights=embedding)
    parts = np.split(each, np.cumsum([len(source.clips) for source in spoken])[:-1])
    told = zip(spoken, parts, strict=True)
    return together, [replace(source, likenesses=tuple(part.tolist())) for source, part in told]


def _fitted(name: str, sources: Sequence[Source], embedding: Weights, false_accepts: float) -> UserWord:
    """A word from all the recordings of the sources, one's own last."""
    clips = [clip for source in sources for clip in source.clips]
    counts = {source.name: len(source.clips) for source in sources}
    likenesses = [likeness for source in sources for likeness in source.likenesses]
    own = counts.get(OWN, 0)
    alone = CAUTION if own else MADE_CAUTION
    return fitted(
        name,
        clips,
        embedding,
        false_accepts=false_accepts,
        shares=shares(likenesses, own) if own and likenesses else None,
        caution=BESIDE_CAUTION if 0 < own < len(clips) else alone,
        recordings=len(clips),
        by=counts,
    )


def shares(likenesses: Sequence[float], own: int) -> list[float]:
    """What each of the made recordings, then of one's own, counts for; together 1."""
    made = np.maximum(likenesses, 1e-3) ** LIKENESS_POWER
    share = 1 / (MADE_COUNT + own)
    return [*(MADE_COUNT * share * made / made.sum()).tolist(), *[share] * own]
