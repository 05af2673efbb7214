"""Words taught by synthesisers, by three recordings, and by both: how many other people's are missed.

Part of `benchmarks.keywords`, and of `rtaudio train keyword` the proof. Words of the data
that the embedding was not trained on, the first three of which English voices know how to say; who enrols
is drawn anew several times.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.enrolment import (
    FALSE_ACCEPTS_PER_HOUR,
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
from rtaudio.nn.enrolment import alike
from rtaudio.tasks.enrol import Clip
from rtaudio.tasks.synthetic import (
    BESIDE_CAUTION,
    MADE_CAUTION,
    check_installed,
    enrol_beside,
    shares,
    synthesise,
)
from rtaudio.training.synthesisers import PROGRAMS, installed

PHRASES = {
    word: word.replace("_", " ") for word in ("snowboy", "view_glass", "amelia", "dracarys", "hadouken")
}
N_OWN = 3
DRAWS, QUICK_DRAWS = 4, 1
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
    """The table: missed with no false accept in the streams, and at the word's own threshold."""
    ways = ("made", f"{N_OWN} clips", "both", "enroll")
    columns = ["word", "made", *(f"{way}, missed %" for way in ways), *(f"{way}, own t." for way in ways)]
    title = f"made, {N_OWN} clips, both, as enroll chooses: no false accept in {ground.hours:.1f} h"
    table = report.table(title, columns)
    try:
        check_installed()
        for word, phrase in list(PHRASES.items())[: QUICK_WORDS if quick else None]:
            if word in ground.heard:
                table.row(word, *_missed(ground, word, phrase, quick))
    except RtaudioError as error:
        report.note(f"no words from synthetic speech: {error}")
        return
    if not table.rows:
        report.note(f"no words from synthetic speech: no recordings of {', '.join(PHRASES)}")
        return
    table.row("mean", None, *(float(np.mean([row[k] for row in table.rows])) for k in range(2, len(columns))))
    report.show(table)
    report.note(f"own t.: at the word's own threshold; made by {' and '.join(installed())}")
    for program in set(PROGRAMS) - set(installed()):
        report.note(f"{program} is not installed: the other family alone made words")


def _missed(ground: Ground, word: str, phrase: str, quick: bool) -> list[float]:
    """Synthetic recordings; then missed % of other voices, in each way, above all streams and at its own."""
    sources, _ = synthesise(phrase, lambda *_: None)
    made = [clip.wave for source in sources for clip in source.clips[: QUICK_EACH if quick else None]]
    alone, rng = ground.fit(made, caution=MADE_CAUTION), np.random.default_rng(0)
    rows = []
    for _ in range(QUICK_DRAWS if quick else DRAWS):
        enrolled, _, rest = draw(ground.heard[word], N_OWN, rng)
        own = [one.recording.wave for one in enrolled]
        _, likenesses = alike(own, made, weights=ground.weights, negatives=ground.negatives)
        both = ground.fit([*made, *own], shares(likenesses.tolist(), len(own)), BESIDE_CAUTION)
        clips = [Clip(f"{k}", wave) for k, wave in enumerate(own)]
        chosen, _, _ = enrol_beside(word, clips, sources, false_accepts=FALSE_ACCEPTS_PER_HOUR)
        heads = (alone, ground.fit(own), both, chosen.head)
        above = [ground.missed(head, rest, ground.judge(head)[0]) for head in heads]
        rows.append(above + [ground.missed(head, rest, head.threshold) for head in heads])
    return [len(made), *np.mean(rows, axis=0).tolist()]
