"""`rtaudio vad INPUT …`: speech in recordings, or in what comes through a pipe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rtaudio.cli.terminal import as_json, note, print_json
from rtaudio.devices.pipe import open_sound
from rtaudio.errors import AudioFileError
from rtaudio.tasks.vad import Segment, SegmentRules, build_vad, segments


def run(args: argparse.Namespace, rules: SegmentRules) -> int:
    listener = build_vad(model=args.model)
    rows: list[dict[str, Any]] = []
    failed = []
    for name in args.inputs:
        listener.reset()
        try:
            with open_sound(name) as sound:
                for segment in segments(listener, sound, sound.sample_rate, rules):
                    tell(segment, args, rows, name)
        except AudioFileError as error:
            note(str(error))
            failed.append(str(error))
    if args.json:
        print_json({"segments": rows, "errors": failed})
    return 2 if failed else 0


def tell(
    segment: Segment, args: argparse.Namespace, rows: list[dict[str, Any]], file: str | None, **more: Any
) -> None:
    """Print a segment as the arguments ask, or keep it for `--json`."""
    row = {**({"file": file} if file else {}), "start_s": segment.start_s, "end_s": segment.end_s, **more}
    if args.json:
        rows.append(row)
    elif args.rttm:
        print(rttm(segment, Path(file).stem if file not in (None, "-") else "live"), flush=True)
    else:
        print(as_json(row), flush=True)


def rttm(segment: Segment, name: str) -> str:
    """NIST's Rich Transcription Time Marked line: file, channel, start, duration; no blank in a name."""
    length = segment.end_s - segment.start_s
    return f"SPEAKER {'_'.join(name.split())} 1 {segment.start_s:.2f} {length:.2f} <NA> <NA> speech <NA> <NA>"
