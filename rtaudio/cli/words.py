"""`rtaudio words`: the words there are to spot, and what to do with one's own."""

from __future__ import annotations

import argparse
from typing import Any

from rtaudio.cli.options import Verbs, verb
from rtaudio.errors import ConfigError

DESCRIPTION = """\
Words there are to spot: those built in, and your own (`rtaudio enroll` teaches them).

  rtaudio words                              list them
  rtaudio words remove NAME                  forget one of your own
  rtaudio words export NAME FILE|FOLDER      give it to somebody; no sound is in it
  rtaudio words import FILE                  take somebody else's
"""


def add_parser(verbs: Verbs) -> None:
    parser = verb(
        verbs,
        "words",
        run,
        help="list, remove, export and import words",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_subparsers(dest="what", metavar="WHAT")
    what.add_parser("list", help="list them")
    for name, texts in {"remove": ["name"], "export": ["name", "target"], "import": ["file"]}.items():
        action = what.add_parser(name)
        for text in texts:
            action.add_argument(text, metavar=text.upper())


def run(args: argparse.Namespace) -> int:
    from rtaudio.cli.terminal import print_json

    if args.what in (None, "list"):
        rows = _list()
        if args.json:
            print_json(rows)
        else:
            _print_list(rows)
        return 0
    done = {"remove": _remove, "export": _export, "import": _import}[args.what](args)
    if args.json:
        print_json(done)
    else:
        print(f"{done['name']}: {done['done']} {done['file']}")
    return 0


def _remove(args: argparse.Namespace) -> dict[str, Any]:
    from rtaudio.tasks.words import plain_name, remove_word

    return {"name": plain_name(args.name), "done": "removed", "file": str(remove_word(args.name))}


def _export(args: argparse.Namespace) -> dict[str, Any]:
    from rtaudio.tasks.words import export_word, plain_name

    return {
        "name": plain_name(args.name),
        "done": "exported to",
        "file": str(export_word(args.name, args.target)),
    }


def _import(args: argparse.Namespace) -> dict[str, Any]:
    from rtaudio.tasks.enrol import check_name
    from rtaudio.tasks.words import import_word, read_word

    try:
        check_name(read_word(args.file).name)
    except ConfigError as error:
        raise ConfigError(f"{args.file}: {error}") from None
    return {"name": import_word(args.file).name, "done": "imported from", "file": args.file}


def _list() -> list[dict[str, Any]]:
    from rtaudio.errors import WeightsError
    from rtaudio.tasks.spot import Vocabulary
    from rtaudio.tasks.words import load_word, word_names, words_folder

    rows: list[dict[str, Any]] = [{"name": word, "kind": "built in"} for word in Vocabulary().built_in]
    for name in word_names():
        row: dict[str, Any] = {"name": name, "kind": "yours", "file": str(words_folder() / f"{name}.npz")}
        try:
            row |= load_word(name).card
        except WeightsError as error:
            row["error"] = str(error)
        rows.append(row)
    return rows


def _print_list(rows: list[dict[str, Any]]) -> None:
    from rtaudio.cli.terminal import console, table

    shown = table("Words", "word", "", "taught", "recordings", right=(3,))
    for row in rows:
        made = row.get("error") or str(row.get("made", ""))[:10]
        shown.add_row(row["name"], row["kind"], made, str(row.get("recordings", "")))
    console().print(shown)
