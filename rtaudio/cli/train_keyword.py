"""`rtaudio train keyword "phrase"`: a word of one's own from synthetic speech."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from rtaudio.cli.enroll import add_teaching
from rtaudio.cli.options import Verbs, use_one_blas_thread, verb

if TYPE_CHECKING:
    from rtaudio.tasks.synthetic import Taught

DESCRIPTION = """\
Teach a word without saying it: espeak-ng and flite do, in as many voices as they have, at several
paces and pitches. No net is trained, so no torch is needed; it takes some seconds.

People differ more than synthesisers do: a word taught like this alone misses many of them. With
recordings of your own beside it (--from), which count for as much as all the others, it misses fewer.
It tells how many recordings of a family of voices are found by a word that was taught without them.
"""

SPEAKING_SHARE = 0.3
"""Of the time it takes, about."""


def add_parser(verbs: Verbs) -> None:
    parser = verb(
        verbs,
        "keyword",
        run,
        help="a word of your own from synthetic speech (needs espeak-ng or flite, no torch)",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("phrase", metavar="PHRASE", help='what is said, such as "good morning"')
    parser.add_argument("--name", metavar="NAME", help="what the word is called (the phrase)")
    parser.add_argument("--from", dest="files", nargs="+", metavar="FILE", help="your own recordings of it")
    add_teaching(parser)


def run(args: argparse.Namespace) -> int:
    use_one_blas_thread()
    from rtaudio.cli.terminal import Bar, note, print_json
    from rtaudio.nn.weights import find_weights, load_weights
    from rtaudio.tasks.enrol import check_name, read_clip
    from rtaudio.tasks.spot import EMBEDDING_MODEL
    from rtaudio.tasks.synthetic import check_installed, check_phrase, synthesise, teach
    from rtaudio.tasks.words import check_folder, save_word

    phrase = check_phrase(args.phrase)
    name = check_name(args.name or phrase.replace("'", ""), replace=args.replace)
    check_installed()
    check_folder()
    load_weights(find_weights(EMBEDDING_MODEL))
    own = [read_clip(file) for file in args.files or ()]
    with Bar("") as bar:
        spoken, troubles = synthesise(
            phrase, lambda what, done, of: bar.show(SPEAKING_SHARE * done / of, what)
        )
        taught = teach(
            name,
            spoken,
            own,
            false_accepts=args.false_accepts,
            on_progress=lambda what, done, of: bar.show(
                SPEAKING_SHARE + (1 - SPEAKING_SHARE) * done / of, what
            ),
        )
    path = save_word(taught.word)
    for trouble in troubles:
        note(f"{trouble}; it was left out")
    if args.json:
        told = {"name": name, "phrase": phrase, "file": str(path), "left_out": troubles, **_summary(taught)}
        print_json(told)
    else:
        _tell(taught)
    return 0


def _summary(taught: Taught) -> dict[str, object]:
    sources = [{"name": s.name, "recordings": len(s.clips), "voices": s.voices} for s in taught.sources]
    return {"sources": sources, "checks": [asdict(check) for check in taught.checks]}


def _tell(taught: Taught) -> None:
    """What it was taught by, what the check says, and what that is worth."""
    from rtaudio.tasks.synthetic import OWN
    from rtaudio.training.synthesisers import PROGRAMS

    for source in taught.sources:
        voices = "" if source.name == OWN else f" by {source.voices} voices"
        print(f"  {source.name}: {len(source.clips)} recordings{voices}")
    for check in taught.checks:
        print(f"  taught without {check.left_out}, it finds {check.found} of those {check.recordings}")
    if taught.checks and all(check.found < check.recordings / 2 for check in taught.checks):
        print("  that is poor: try a longer phrase, which less of other speech sounds like")
    names = [source.name for source in taught.sources]
    if missing := [program for program in PROGRAMS if program not in names]:
        print(f"  {missing[0]} would help: another family of voices is worth more than more of one")
    if OWN not in names:
        print("  people differ more: expect to be missed more often; --from three recordings of yours helps")
    name = taught.word.name
    print(f"{name!r} is taught: rtaudio spot --keywords {name}")
