"""`rtaudio VERB …`: parse, run the verb, turn what went wrong into one line and an exit code.

Exit codes: 0 ok, 1 an error nobody foresaw, 2 usage or a bad file, 3 a device or library is
missing, 4 the latency budget can't be met, 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import importlib
import io
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from rtaudio.cli.interrupts import LostInterrupts
from rtaudio.cli.options import not_empty
from rtaudio.errors import RtaudioError
from rtaudio.stream.lost import any_lost

VERBS = (
    "demo",
    "denoise",
    "spot",
    "enroll",
    "words",
    "vad",
    "devices",
    "virtual_mic",
    "doctor",
    "models",
    "bench",
    "inspect",
    "export",
    "train",
    "warm",
)

INTERRUPTED = 130

REFUSALS = {
    errno.ENOSPC: "cannot be written: the disk is full",
    errno.EACCES: "permission denied",
    errno.EROFS: "cannot be written: the disk is read-only",
}
"""What a file system says no to, to the reader as to the writer."""

EPILOG = """\
examples:
  rtaudio demo                                     hear and see what it does, no microphone needed
  rtaudio denoise                                  microphone to speakers, cleaned
  rtaudio denoise --virtual-mic                    a clean microphone for Zoom, OBS or a browser
  rtaudio denoise talk.wav -O clean.wav            a file
  rtaudio denoise recordings/ --out-dir clean/     a folder
  rtaudio spot                                     words, as you speak them
  rtaudio bench --html bench.html                  will it run on this machine? a minute, and a page
"""


NEGATIVE = re.compile(r"-[0-9.].*")
"""`-40ms` too, which argparse takes for an option."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line; no name, path or text may be empty.

    An empty path would be the current folder, and an empty text as good as none: `"$FORGOTTEN"` is both.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.register("type", None, not_empty)
        self.register("type", Path, lambda text: Path(not_empty(text)))

    def add_subparsers(self, **settings: Any) -> Any:
        verbs = super().add_subparsers(**settings)
        verbs.type = str  # all that follows the verb goes through here: whose it is, the verb's parser tells
        return verbs

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def joined(argv: Sequence[str]) -> list[str]:
    """The arguments with `--budget -40ms` as `--budget=-40ms`, so that what is wrong with it is told."""
    arguments: list[str] = []
    for text in argv:
        if NEGATIVE.fullmatch(text) and arguments and re.fullmatch("--[a-z-]+", arguments[-1]):
            arguments[-1] += f"={text}"
        else:
            arguments.append(text)
    return arguments


def build_parser() -> argparse.ArgumentParser:
    from rtaudio import __version__

    parser = Parser(
        prog="rtaudio",
        description="Real-time neural audio that Python can't make glitch.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rtaudio {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name in VERBS:
        importlib.import_module(f"rtaudio.cli.{name}").add_parser(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    interrupts: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        raise KeyboardInterrupt

    with contextlib.suppress(ValueError):  # signals can only be set in the main thread
        # SIGTERM ends a stream as Ctrl-C does: devices closed, virtual microphone gone, summary printed.
        signal.signal(signal.SIGTERM, interrupt)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, interrupt)
    try:
        with LostInterrupts():
            args = build_parser().parse_args(joined(sys.argv[1:] if argv is None else argv))
            code = int(args.run(args))
            sys.stdout.flush()
            return code
    except KeyboardInterrupt:
        # Where it struck in code run from a string (a namedtuple being made), Python notes it as unhandled
        # and would die of SIGINT at exit, instead of 130; running another string takes the note back.
        exec("")
        return _fail("interrupted", INTERRUPTED)
    except RtaudioError as error:
        return _fail(" ".join(str(error).split()), error.exit_code)
    except BrokenPipeError:
        # The reader has seen enough (`| head`). Python flushes stdout once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno in REFUSALS:
            # Only what is printed is written to without a name; a port that is refused has none either.
            name = error.filename or ("stdout" if error.errno == errno.ENOSPC else None)
            return _fail(f"{name}: {REFUSALS[error.errno]}" if name else REFUSALS[error.errno], 2)
        if interrupts:  # C code makes other exceptions of it: numpy, while it is imported, an ImportError
            return _fail("interrupted", INTERRUPTED)
        if os.environ.get("RTAUDIO_DEBUG"):
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return _fail(f"unexpected {type(error).__name__}: {reason} (RTAUDIO_DEBUG=1 shows where)", 1)


def _fail(message: str, code: int) -> int:
    with contextlib.suppress(OSError):
        print(f"rtaudio: {message}", file=sys.stderr)
    return code


def _open_what_is_closed() -> None:
    """Give a process that was started without stdin, stdout or stderr (`2>&-`) the null device there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it stays open, as the others do


def program() -> NoReturn:
    """`main` as a process, which ends even where a thread hangs in native code."""
    _open_what_is_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name it can't print is no reason to end; as stderr does
        sys.stdout.reconfigure(errors="backslashreplace")
    code = main()
    if any_lost():
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    program()
