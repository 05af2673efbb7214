"""`rtaudio virtual-mic`: look at virtual microphones, and take away what is left of them."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from rtaudio.cli.options import Verbs, verb

DESCRIPTION = """\
A virtual microphone lasts as long as the `rtaudio denoise --virtual-mic` that made it. What a
killed one left behind is removed when the next one starts, or by --unload.
"""


def add_parser(verbs: Verbs) -> None:
    parser = verb(
        verbs,
        "virtual-mic",
        run,
        help="list or remove virtual microphones",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--status", action="store_true", help="list those there are")
    what.add_argument("--unload", action="store_true", help="remove all of them, also those in use")


def run(args: argparse.Namespace) -> int:
    from rtaudio.cli.terminal import print_json
    from rtaudio.devices.virtual_mic import status, unload

    found = unload() if args.unload else status()
    if args.json:
        print_json([asdict(mic) for mic in found])
        return 0
    for mic in found:
        state = "removed" if args.unload else "in use" if mic.alive else "left behind; --unload removes it"
        print(f"{mic.name}  made by process {mic.pid}  {state}")
    if not found:
        print("no virtual microphone")
    return 0
