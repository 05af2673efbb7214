"""`rtaudio spot`: words as they are spoken, from a microphone, from files, or for Home Assistant."""

from __future__ import annotations

import argparse

from rtaudio.cli.options import Verbs, count, fraction, positive, verb
from rtaudio.errors import ConfigError

DESCRIPTION = """\
Spot words while you speak, or in recordings: an event for each time one is said.

Without INPUT: live, from the microphone; no speakers are needed. While it runs, + and - change
the thresholds, digits switch words off and on, q quits.
With INPUT: audio files of any format, rate and channel count; - is stdin (WAV is heard as it comes).
With --wyoming: a wake-word server that Home Assistant can use.
"""

EPILOG = """\
examples:
  rtaudio spot --keywords computer,jarvis
  rtaudio spot --keywords computer --exec 'notify-send {keyword} {score}'
  arecord -f S16_LE -r 16000 | rtaudio spot - --jsonl
  rtaudio enroll "good morning" && rtaudio spot --keywords good_morning
"""

WYOMING_URI = "tcp://127.0.0.1:10400"


def add_parser(verbs: Verbs) -> None:
    parser = verb(
        verbs,
        "spot",
        run,
        help="spot words live, or in files",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help="audio files, or -")
    parser.add_argument("-i", "--input", metavar="DEVICE", help="see `rtaudio devices`")
    _add_words(parser.add_argument_group("words"))
    _add_outlets(parser.add_argument_group("what becomes of an event"))


def _add_words(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--keywords", type=words, metavar="A,B", help="words to spot (all there are)")
    group.add_argument(
        "--threshold", type=thresholds, metavar="0.6 | A=0.7,B=0.5", help="score that is enough, 0..1"
    )
    group.add_argument(
        "--false-accepts",
        type=per_hour,
        metavar="0.5/h",
        help="the thresholds that keep to it, of those there are: for 0.5/h and 2/h",
    )
    group.add_argument(
        "--patience", type=count, default=None, metavar="N", help="frames a score is averaged over"
    )
    group.add_argument(
        "--refractory",
        type=positive,
        default=None,
        metavar="MS",
        help="least time between two events of a word",
    )
    group.add_argument("--denoise", action="store_true", help="take the noise out first")
    group.add_argument("--vad", action="store_true", help="run the nets only where there is speech")
    group.add_argument("--model", metavar="NAME", help="another net of built-in words")


def _add_outlets(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--jsonl", action="store_true", help="a JSON object a line; the default when piped")
    group.add_argument("--exec", metavar="CMD", help="run CMD; {keyword}, {score} and {time} are filled in")
    group.add_argument(
        "--wyoming",
        nargs="?",
        const=WYOMING_URI,
        metavar="URI",
        help=f"serve Home Assistant instead of listening here ({WYOMING_URI})",
    )
    group.add_argument("--no-meters", action="store_true", help="no moving display")
    group.add_argument("--duration", type=positive, metavar="S", help="live: stop after so many seconds")


def words(text: str) -> list[str]:
    """`computer,jarvis`."""
    named = [word.strip() for word in text.split(",") if word.strip()]
    if not named:
        raise argparse.ArgumentTypeError(f"{text!r} names no word")
    return named


def thresholds(text: str) -> float | dict[str, float]:
    """`0.6`, or `computer=0.7,jarvis=0.5`."""
    if "=" not in text:
        return fraction(text)
    pairs = [item.partition("=") for item in text.split(",")]
    if not all(name.strip() and sign for name, sign, _ in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number, or WORD=NUMBER,WORD=NUMBER")
    return {name.strip(): fraction(value) for name, _, value in pairs}


def per_hour(text: str) -> float:
    """`0.5/h` or `0.5`."""
    return positive(text.removesuffix("/h"))


def run(args: argparse.Namespace) -> int:
    if args.wyoming:
        _refuse(args, "--wyoming", inputs="INPUT", input="--input", exec="--exec", duration="--duration")
        from rtaudio.cli.spot_wyoming import run as serve

        return serve(args)
    if args.inputs:
        _refuse(args, "INPUT", input="--input", duration="--duration")
        from rtaudio.cli.spot_files import run as run_files

        return run_files(args)
    from rtaudio.cli.spot_live import run as run_live

    return run_live(args)


def _refuse(args: argparse.Namespace, beside: str, **options: str) -> None:
    for name, option in options.items():
        if getattr(args, name):
            raise ConfigError(f"{option} can't be given with {beside}")
