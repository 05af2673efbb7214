"""Options and value types shared by the verbs."""

from __future__ import annotations

import argparse
import math
import os
from typing import Any

from rtaudio.tasks import DEFAULT_ATTEN_LIMIT_DB, DEFAULT_MODEL, DEFAULT_PRECISION

HOUR_MS = 3_600_000

Verbs = Any  # argparse's `_SubParsersAction`, which has no public name


def verb(verbs: Verbs, name: str, run: Any, **texts: Any) -> argparse.ArgumentParser:
    """Add a verb that calls `run(args)`; every verb has `--json`."""
    parser: argparse.ArgumentParser = verbs.add_parser(name, **texts)
    parser.set_defaults(run=run)
    add_json(parser)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def not_empty(text: str) -> str:
    """A text of one character or more."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def milliseconds(text: str) -> float:
    """`40`, `40ms` or `0.04s`, above zero and up to an hour."""
    if text.endswith("ms"):
        value = _number(text[:-2])
    elif text.endswith("s"):
        value = 1000 * _number(text[:-1])
    else:
        value = _number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be a time above zero, such as 40ms")
    if value > HOUR_MS:
        raise argparse.ArgumentTypeError(f"{text!r} must be an hour at most")
    return value


def positive(text: str) -> float:
    """A number above zero."""
    value = _number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be above zero")
    return value


def non_negative(text: str) -> float:
    """A number, zero or more."""
    value = _number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be 0 or more")
    return value


def decibels(text: str) -> float:
    """`12` or `12dB`, zero or more."""
    value = _number(text[:-2] if text.lower().endswith("db") else text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be 0 dB or more")
    return value


def fraction(text: str) -> float:
    """A number from 0 to 1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} must lie between 0 and 1")
    return value


def count(text: str) -> int:
    """A whole number, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, 1 or more")
    return int(text)


def milliseconds_list(text: str) -> tuple[float, ...]:
    """`2.5ms,5ms`, each once."""
    return tuple(dict.fromkeys(milliseconds(part) for part in text.split(",")))


def count_list(text: str) -> tuple[int, ...]:
    """`1,8,64`, each once, the least first."""
    return tuple(sorted({count(part) for part in text.split(",")}))


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """What the denoiser is built from."""
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help="see `rtaudio models`")
    parser.add_argument(
        "--strength", type=fraction, default=1.0, metavar="0..1", help="1 removes all it can, 0 nothing"
    )
    parser.add_argument(
        "--atten-limit",
        type=decibels,
        metavar="DB",
        help="never lower anything by more (what suits the model: 36 for standard and low-latency, 20 for"
        f" cnn, {DEFAULT_ATTEN_LIMIT_DB:g} for others); 100 is as good as no limit",
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "int8"),
        default=DEFAULT_PRECISION,
        help="of the net; int8 costs less and sounds the same but for a trace",
    )


def model_options(args: argparse.Namespace) -> dict[str, Any]:
    """What `add_model_options` read, as arguments of `build_denoiser`."""
    return {
        "model": args.model,
        "strength": args.strength,
        "atten_limit_db": "model" if args.atten_limit is None else args.atten_limit,
        "precision": args.precision,
    }


def use_one_blas_thread() -> None:
    """Where numpy isn't imported yet: fitting a word multiplies small matrices.

    OpenBLAS shares them out to threads that spin: beside another busy program that takes ten times as long.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
