"""`rtaudio doctor`: what is wrong with live audio on this machine, and how to mend it."""

from __future__ import annotations

import argparse

from rtaudio.cli.options import Verbs, verb

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def add_parser(verbs: Verbs) -> None:
    verb(verbs, "doctor", run, help="check what live audio needs, and say how to mend it")


def run(args: argparse.Namespace) -> int:
    from rich.text import Text

    from rtaudio.cli.terminal import console, print_json
    from rtaudio.tasks.health import Check, run_checks

    found: list[Check] = []
    out = console()
    for check in run_checks():
        found.append(check)
        if not args.json:
            line = Text.assemble(
                (f"{check.level:4}", COLOURS[check.level]), f"  {check.name:19} {check.text}"
            )
            out.print(line, soft_wrap=True)
            if check.mend:
                out.print(Text(f"      mend: {check.mend}", "dim"), soft_wrap=True)
    healthy = all(check.level != "fail" for check in found)
    if args.json:
        print_json({"healthy": healthy, "checks": [check.as_dict() for check in found]})
    return 0 if healthy else 3
