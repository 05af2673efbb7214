"""Words taught by synthesisers, by recordings, and by both as `rtaudio enroll` does: how many are missed.

Part of `benchmarks.keywords`, and of `rtaudio train keyword` the proof. Words of the data
that the embedding was not trained on, the first three of which English voices know how to say; who enrols
is drawn anew several times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.enrolment import (
    FALSE_ACCEPTS_PER_HOUR,
    GOALS,
    Ground,
    Peer,
    draw,
    read_ground,
    run_enrolment,
    some_hours,
)
from benchmarks.report import Report
from benchmarks.streams import Samples, read_rooms
from benchmarks.word_peer import NAME, SpeechEmbedding, WordPeer, peer_negatives
from rtaudio.errors import RtaudioError
from rtaudio.nn.embedding import WordHead
from rtaudio.tasks.enrol import Clip
from rtaudio.tasks.synthetic import MADE_CAUTION, Source, check_installed, enrol_beside, synthesise
from rtaudio.training.synthesisers import PROGRAMS, installed

PHRASES = {
    word: word.replace("_", " ") for word in ("snowboy", "view_glass", "amelia", "dracarys", "hadouken")
}
DRAWS, QUICK_DRAWS = 6, 1
QUICK_WORDS, QUICK_EACH = 1, 10


def run_own_words(
    report: Report, data: Path, others: Sequence[Samples], quick: bool, negatives: Sequence[Path]
) -> None:
    """What users teach: from recordings, and from synthetic speech.

    - negatives: folders with sound to teach a peer with, which is not that of the streams `others`.
    """
    try:
        ground = read_ground(data, others, quick)
    except RtaudioError as error:
        report.note(f"no enrolment: {error}")
        return
    run_enrolment(report, ground, quick, {} if quick else word_peers(report, data, others, negatives))
    run_synthetic(report, ground, quick)


def word_peers(
    report: Report, data: Path, others: Sequence[Samples], negatives: Sequence[Path]
) -> dict[str, Peer]:
    """Those there are; of others, a note."""
    try:
        net = SpeechEmbedding()
        sound = peer_negatives(negatives, read_rooms(data.parent / "rir"))
        return {NAME: WordPeer(net, sound, some_hours(others, quick=False)).missed}
    except RtaudioError as error:
        report.note(f"words of one's own have no peer here: {error}")
        return {}


def run_synthetic(report: Report, ground: Ground, quick: bool) -> None:
    """A table for each number of recordings, and `enroll`'s goals."""
    try:
        check_installed()
    except RtaudioError as error:
        report.note(f"no words from synthetic speech: {error}")
        return
    words = [word for word in PHRASES if word in ground.heard][: QUICK_WORDS if quick else None]
    if not words:
        report.note(f"no words from synthetic speech: no recordings of {', '.join(PHRASES)}")
        return
    taught = {word: _taught(ground, word, quick) for word in words}
    for n_own, goal in GOALS.items():
        clips = f"{n_own} clip{'s' * (n_own > 1)}"
        ways = ("made", clips, "enroll")
        told = ("missed %", "own t.", "false/h")
        columns = ["word", "made", *(f"{way}, {what}" for what in told for way in ways)]
        title = f"made, {clips}, and both as enroll chooses: no false accept in {ground.hours:.1f} h"
        table = report.table(title, columns)
        for word, (sources, made) in taught.items():
            table.row(word, len(_waves(sources)), *_missed(ground, word, sources, made, n_own, quick))
        means = [float(np.mean([row[k] for row in table.rows])) for k in range(2, len(columns))]
        table.row("mean", None, *means)
        report.show(table)
        report.goal(f"enroll with {clips} and synthesisers: missed %, other voices", means[2], goal)
    report.note(f"own t., false/h: at the word's own threshold; made by {' and '.join(installed())}")
    for program in set(PROGRAMS) - set(installed()):
        report.note(f"{program} is not installed: the other family alone made words")


def _taught(ground: Ground, word: str, quick: bool) -> tuple[list[Source], WordHead]:
    """What synthesisers say, and the head that this alone makes."""
    spoken, _ = synthesise(PHRASES[word], lambda *_: None)
    sources = [replace(one, clips=one.clips[: QUICK_EACH if quick else None]) for one in spoken]
    return sources, ground.fit(_waves(sources), caution=MADE_CAUTION)


def _waves(sources: Sequence[Source]) -> list[Samples]:
    return [clip.wave for source in sources for clip in source.clips]


def _missed(
    ground: Ground, word: str, sources: Sequence[Source], made: WordHead, n_own: int, quick: bool
) -> list[float]:
    """Missed % of other voices by what synthesisers teach, by what recordings do, and as `enroll` chooses;
    then at their own thresholds; then false accepts an hour there."""
    rng, rows = np.random.default_rng(0), []
    for _ in range(QUICK_DRAWS if quick else DRAWS):
        enrolled, _, rest = draw(ground.heard[word], n_own, rng)
        own = [one.recording.wave for one in enrolled]
        clips = [Clip(f"{k}", wave) for k, wave in enumerate(own)]
        chosen, _, _ = enrol_beside(word, clips, sources, false_accepts=FALSE_ACCEPTS_PER_HOUR)
        heads = (made, ground.fit(own), chosen.head)
        above, false = zip(*(ground.judge(head) for head in heads), strict=True)
        thresholds = (*above, *(head.threshold for head in heads))
        missed = [ground.missed(head, rest, at) for head, at in zip(2 * heads, thresholds, strict=True)]
        rows.append([*missed, *false])
    return [float(share) for share in np.mean(rows, axis=0)]
