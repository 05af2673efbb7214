"""`rtaudio bench`: will it run on this machine, and where does the time go?"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from rtaudio.cli.options import Verbs, count_list, milliseconds, milliseconds_list, positive

DESCRIPTION = """\
Run a model as live audio does, a hop at a time at the pace of sound, for a minute, and tell whether
it keeps up: first in one line, then in numbers. Caches go cold between hops, so this costs several
times what a loop without pauses would tell (shown beside it as "warm").

The native backend is what live denoising runs. onnx and torch run the same net from Python, between
the same STFT and inverse, in turn with it; the first backend named is the one that is judged. ONNX
models run at their own rate. What Python runs is judged by the deadline of the worker it has live.

Of several models or backends each is set beside the first: how many times as long its hops take,
with a 95 % interval. They took turns, so this is fairer than --compare with an older run.

--hop calls the same step at other paces, each its own deadline: what a net of this size with that
hop would cost. --streams runs many denoisers in one batched step, other models one after the
other within the hop. Each list takes --duration once more.
A round trip is measured by chirp: through the engine with the first model, on a server set up for
it (--jack, --pulse), or through a cable between two devices (--loopback), in blocks as `rtaudio denoise
--budget` would choose there (a cable on PulseAudio: in blocks of a hop). Then the answer is about that path,
by its longest run: through the engine as measured, beside a cable with the engine's own parts.

A model that fails, hangs or gives NaN on the way is named, and what was measured until then is told.
Exit code 2 then; 4 with --fail-over-budget where a budget doesn't hold; else 1 where --compare finds
something slower than before or, with no file, than the first:
bench --model released.npz new.npz --compare
"""


IN_TURN = "-"
"""`--compare` with no file."""


def add_parser(verbs: Verbs) -> None:
    parser: argparse.ArgumentParser = verbs.add_parser(
        "bench",
        help="measure what a model costs here, and whether it keeps up",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--model",
        nargs="+",
        default=["standard"],
        metavar="NAME|FILE",
        help="one or more, which take turns; see `rtaudio models`",
    )
    parser.add_argument(
        "--backend", default="native", metavar="LIST", help="of native, int8, onnx, torch (native)"
    )
    parser.add_argument("--device", default="cpu", metavar="LIST", help="of cpu, cuda; torch runs on both")
    parser.add_argument(
        "--budget", type=milliseconds, default=40.0, metavar="MS", help="delay to stay within (40ms)"
    )
    parser.add_argument(
        "--duration", type=positive, default=60.0, metavar="S", help="seconds of live pace, all backends (60)"
    )
    parser.add_argument(
        "--hop", type=milliseconds_list, default=(), metavar="MS,…", help="other paces for a net of this size"
    )
    parser.add_argument(
        "--streams",
        type=count_list,
        default=(),
        metavar="N,…",
        help="as many streams on one core",
    )
    trip = parser.add_mutually_exclusive_group()
    trip.add_argument("--loopback", metavar="IN:OUT", help="chirp through a cable, OUT to IN")
    trip.add_argument(
        "--jack", dest="server", action="store_const", const="jack", help="… on a JACK of our own"
    )
    trip.add_argument("--pulse", dest="server", action="store_const", const="pulse", help="… on a PulseAudio")
    parser.add_argument(
        "--load",
        choices=("none", "gil", "cpu"),
        default="none",
        help="other work meanwhile: busy Python, busy cores",
    )
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write the report there, or print it instead of text",
    )
    parser.add_argument("--html", metavar="FILE", help="write a page with pictures")
    parser.add_argument(
        "--png", metavar="FOLDER", help="write the pictures there as PNG files (needs the extra plot)"
    )
    parser.add_argument(
        "--compare",
        nargs="?",
        const=IN_TURN,
        metavar="OLD.json",
        help="an older report to set against this one; with no file, what is named first in this one",
    )
    parser.add_argument(
        "--fail-over-budget", action="store_true", help="exit with 4 if the budget doesn't hold"
    )


def run(args: argparse.Namespace) -> int:
    from rtaudio.cli.bench_text import NOTHING_BESIDE, failure_lines, print_report, slower_lines
    from rtaudio.cli.interrupts import Interrupts
    from rtaudio.cli.terminal import Bar, note, print_json
    from rtaudio.errors import ConfigError
    from rtaudio.nn.optional import require
    from rtaudio.tasks.bench import BenchSettings, run_bench
    from rtaudio.tasks.bench_compare import compare, read_report

    settings = BenchSettings(
        tuple(args.model),
        _names(args.backend),
        args.budget,
        args.duration,
        args.load,
        _names(args.device),
        args.hop,
        args.streams,
        args.server or "",
        args.loopback or "",
    )
    in_turn = args.compare == IN_TURN
    if in_turn and len(settings.models) * len(settings.backends) * len(settings.devices) < 2:
        raise ConfigError(NOTHING_BESIDE)
    old = read_report(args.compare) if args.compare and not in_turn else None
    if args.html == "-":
        raise ConfigError("--html=- must be a file; `--json -` is what goes to stdout")
    for path in (args.json, args.html):
        if path and path != "-":
            _check_writable(Path(path))
    if args.png:
        require("--png", "plot", "matplotlib")
        _check_folder(Path(args.png))
    with Interrupts() as interrupts, Bar("measuring") as bar:
        report = run_bench(settings, bar.show, lambda: not interrupts.wanted)
    if old is not None:
        report["comparison"] = compare(old, report)
    _write(args, report, old)
    if args.json == "-":
        print_json(report)
    else:
        print_report(report)
    failures = failure_lines(report)
    slower = slower_lines(report) if in_turn else []
    for line in (*failures, *slower):
        note(line)
    return _exit_code(args, report, failed=bool(failures), slower=bool(slower))


def _names(text: str) -> tuple[str, ...]:
    """`native, int8`, with spaces or without."""
    return tuple(name.strip() for name in text.split(","))


def _exit_code(args: argparse.Namespace, report: dict[str, Any], *, failed: bool, slower: bool) -> int:
    if not report["finished"]:
        return 130
    if failed:
        return 2
    if args.fail_over_budget and not all(model["verdict"]["fits"] for model in report["models"]):
        return 4
    return 1 if slower or report.get("comparison", {}).get("regressions") else 0


def _check_writable(path: Path) -> None:
    """Before a minute is spent on what can't be kept."""
    from rtaudio.errors import ConfigError

    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"{path}: {'is a folder' if path.is_dir() else 'no folder ' + str(path.parent)}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"{path}: cannot be written")


def _check_folder(path: Path) -> None:
    """As `_check_writable`; a folder that isn't there is made."""
    from rtaudio.errors import ConfigError

    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigError(f"{path}: is a file, no folder") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    if not os.access(path, os.W_OK):
        raise ConfigError(f"{path}: cannot be written")


def _write(args: argparse.Namespace, report: dict[str, Any], old: dict[str, Any] | None) -> None:
    """The files that were asked for, each whole or not at all."""
    from rtaudio.cli.bench_page import page
    from rtaudio.cli.terminal import as_json
    from rtaudio.files import whole

    contents = {args.json: as_json(report)} if args.json not in (None, "-") else {}
    if args.html:
        contents[args.html] = page(report, old)
    for name, text in contents.items():
        with whole(Path(name)) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    if args.png:
        from rtaudio.cli.bench_png import save_pictures

        save_pictures(report, Path(args.png))
