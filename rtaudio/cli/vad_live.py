"""`rtaudio vad` without files: speech at the microphone."""

from __future__ import annotations

import argparse
import functools
import sys
import time
from datetime import UTC, datetime
from typing import Any

from rtaudio.cli.interrupts import Interrupts
from rtaudio.cli.terminal import note, print_json
from rtaudio.cli.vad_files import tell
from rtaudio.engine.watchdog import Watchdog
from rtaudio.tasks.listen import open_microphone
from rtaudio.tasks.spotting import POLL_S
from rtaudio.tasks.vad import Segment, Segmenter, SegmentRules, Teller, build_vad, teller_of


def run(args: argparse.Namespace, rules: SegmentRules) -> int:
    rows: list[dict[str, Any]] = []
    with Interrupts() as interrupts:
        engine, listener = open_microphone(functools.partial(build_vad, model=args.model), args.input)
        watchdog = Watchdog(engine, note)
        watchdog.start()
        if not sys.stderr.isatty():
            note("running; Ctrl-C stops")
        try:
            _listen(rules, teller_of(listener), interrupts, args, rows)
        finally:
            watchdog.stop()
            engine.stop()
    if args.json:
        print_json({"segments": rows, "seconds": engine.stats().seconds})
    return 130 if interrupts.wanted else 0


def _listen(
    rules: SegmentRules,
    teller: Teller,
    interrupts: Interrupts,
    args: argparse.Namespace,
    rows: list[dict[str, Any]],
) -> None:
    """Tell of segments, with the time of day they began at, until the end."""
    segmenter = Segmenter(rules, teller.frames_per_s)
    begun_s, heard = time.monotonic(), 0

    def say(segment: Segment) -> None:
        clock_s = time.time() - (heard / teller.frames_per_s - segment.start_s)
        clock = datetime.fromtimestamp(clock_s, UTC).isoformat("T", "milliseconds")
        tell(segment, args, rows, None, clock=clock)

    while not interrupts.wanted and (args.duration is None or time.monotonic() - begun_s < args.duration):
        time.sleep(POLL_S)
        probabilities = teller.probabilities()
        heard += len(probabilities)
        for segment in segmenter.feed(probabilities):
            say(segment)
    for segment in segmenter.finish():
        say(segment)
