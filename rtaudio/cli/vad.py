"""`rtaudio vad`: where somebody speaks, live or in files."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rtaudio.cli.options import Verbs, fraction, non_negative, positive, verb
from rtaudio.errors import ConfigError

if TYPE_CHECKING:
    from rtaudio.tasks.vad import SegmentRules

DESCRIPTION = """\
Tell where somebody speaks: a JSON object a segment, as soon as its end is certain.

Without INPUT: live, from the microphone, until Ctrl-C.
With INPUT: audio files of any format, rate and channel count; - is stdin (WAV is heard as it comes).
"""


def add_parser(verbs: Verbs) -> None:
    parser = verb(
        verbs,
        "vad",
        run,
        help="tell where somebody speaks, live or in files",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("inputs", nargs="*", metavar="INPUT", help="audio files, or -")
    parser.add_argument("-i", "--input", metavar="DEVICE", help="see `rtaudio devices`")
    parser.add_argument("--rttm", action="store_true", help="NIST RTTM lines instead of JSON")
    parser.add_argument("--duration", type=positive, metavar="S", help="live: stop after so many seconds")
    parser.add_argument(
        "--model", metavar="NAME", default="vad", help="another net, an ONNX model or its manifest"
    )
    rules = parser.add_argument_group("what is a segment")
    rules.add_argument("--open", type=fraction, metavar="0..1", help="probability that begins one (0.5)")
    rules.add_argument(
        "--close", type=fraction, metavar="0..1", help="probability that keeps it going (0.35)"
    )
    rules.add_argument("--min-speech", type=non_negative, metavar="MS", help="shorter ones are none (100)")
    rules.add_argument("--min-silence", type=non_negative, metavar="MS", help="shorter gaps are none (200)")
    rules.add_argument("--pad", type=non_negative, metavar="MS", help="added at both ends (30)")


def rules_of(args: argparse.Namespace) -> SegmentRules:
    """What the arguments say a segment is; an `--open` alone takes `--close` along."""
    from rtaudio.tasks.vad import SegmentRules

    given = {
        "open": args.open,
        "close": args.close,
        "min_speech_ms": args.min_speech,
        "min_silence_ms": args.min_silence,
        "pad_ms": args.pad,
    }
    if args.open is not None and args.close is None:
        given["close"] = min(args.open, SegmentRules.close)
    return SegmentRules(**{name: value for name, value in given.items() if value is not None})


def run(args: argparse.Namespace) -> int:
    if args.inputs and (args.input or args.duration):
        raise ConfigError("--input and --duration are for live audio, and an INPUT file was given")
    rules = rules_of(args)
    if args.inputs:
        from rtaudio.cli.vad_files import run as run_files

        return run_files(args, rules)
    from rtaudio.cli.vad_live import run as run_live

    return run_live(args, rules)
