"""Where the events of `rtaudio spot` go: a line each, a command each, a list for `--json`."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from rtaudio.cli.commands import Commands
from rtaudio.cli.terminal import as_json, note, print_json
from rtaudio.dsp.spotter import DEFAULT_PATIENCE, DEFAULT_REFRACTORY_MS, SpotEvent
from rtaudio.stream.listen import Listen
from rtaudio.tasks.spot import Vocabulary, build_listener, build_spotter, spotter_rate


def listener_builder(args: argparse.Namespace) -> Callable[[int], Listen]:
    """What builds, for sound at a given rate, the listener that the arguments ask for."""
    vocabulary = Vocabulary(args.model) if args.model else Vocabulary()
    warn = functools.cache(note)  # once, however many listeners are built

    def build(sample_rate: int) -> Listen:
        spotter = build_spotter(
            args.keywords,
            spotter_rate(sample_rate, denoise=args.denoise),
            threshold=args.threshold,
            false_accepts=args.false_accepts,
            patience=args.patience or DEFAULT_PATIENCE,
            refractory_ms=args.refractory or DEFAULT_REFRACTORY_MS,
            gate=args.vad,
            vocabulary=vocabulary,
            warn=warn,
        )
        return build_listener(spotter, sample_rate, denoise=args.denoise)

    return build


def as_row(event: SpotEvent, file: str | None = None) -> dict[str, Any]:
    """An event as its JSON line: stream time, time of day (UTC; null for a recording), word, score."""
    clock_s = event.clock_s
    clock = (
        datetime.fromtimestamp(clock_s, UTC).isoformat("T", "milliseconds") if clock_s is not None else None
    )
    row = {**asdict(event), "clock": clock}
    del row["clock_s"]
    return row if file is None else {"file": file, **row}


def as_line(event: SpotEvent, file: str | None = None) -> str:
    """An event for people: local time of day, or file and place; word; score."""
    if event.clock_s is not None:
        when = datetime.fromtimestamp(event.clock_s).strftime("%H:%M:%S.%f")[:-4]
    else:
        minutes, seconds = divmod(event.time_s, 60)
        when = f"{file or ''}  {int(minutes)}:{seconds:05.2f}".strip()
    return f"{when}  {event.word:<16} {event.score:.2f}"


class Outlets:
    """Prints each event as the arguments ask, and runs `--exec` for it."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._commands = Commands(args.exec) if args.exec else None
        self._json = args.json
        self.jsonl = args.jsonl or not (args.json or sys.stdout.isatty())
        self._rows: list[dict[str, Any]] = []
        self.n_events = 0
        self.show: Callable[[str], None] = print
        """Prints a line for people; replaced while there are meters to keep clear of."""

    def tell(self, event: SpotEvent, file: str | None = None) -> None:
        self.n_events += 1
        if self._json:
            self._rows.append(as_row(event, file))
        elif self.jsonl:
            print(as_json(as_row(event, file)), flush=True)
        else:
            self.show(as_line(event, file))
        if self._commands is not None:
            self._commands.run(event.word, event.score, event.time_s)

    def look(self) -> None:
        """See to commands that have ended, or should."""
        if self._commands is not None:
            self._commands.look()

    def sum_up(self, seconds: float, **more: Any) -> None:
        """The `--json` document, or a line on stderr."""
        commands = {"exec": self._commands.as_dict()} if self._commands is not None else {}
        if self._json:
            print_json({**more, "seconds": seconds, "events": self._rows, **commands})
            return
        lost = more.get("lost_events", 0)
        told = f"{self.n_events} events in {seconds:.1f} s of sound" + (f", {lost} lost" if lost else "")
        for counts in commands.values():
            told += "; commands: " + ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
        note(told)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(wait=kind is None)

    def close(self, *, wait: bool) -> None:
        """No more events: commands get their time, or with `wait=False` end now."""
        if self._commands is not None:
            self._commands.close(wait=wait)
