"""Commands of the user's that run when a word was heard: a few at a time, none for ever, no shell."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Self

from rtaudio.cli.interrupts import Interrupts
from rtaudio.errors import ConfigError

MOST_AT_ONCE, TIMEOUT_S = 4, 10.0
"""A word every two seconds, each with a command that hangs, is what so many can keep up with."""

STDERR = 2

GRACE_S = 0.5
"""What a command that was told to end has to do so."""


@dataclass
class Counts:
    """What became of the commands. `dropped`: not begun, since too many were running."""

    started: int = 0
    failed: int = 0
    timed_out: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class _Running:
    process: subprocess.Popen[bytes]
    since_s: float = field(default_factory=time.monotonic)


class Commands:
    """Runs `template` for each event, with `{keyword}`, `{score}` and `{time}` filled in.

    The template is split as a shell would, then filled in: whatever a word is called, it stays
    within its argument. What commands print goes to stderr. `run` and `look` return at once.
    Raises ConfigError where there is no such program.
    """

    def __init__(self, template: str, *, most: int = MOST_AT_ONCE, timeout_s: float = TIMEOUT_S) -> None:
        try:
            self._arguments = shlex.split(template)
        except ValueError as error:
            raise ConfigError(f"--exec {template!r}: {str(error).lower()}") from None
        if not self._arguments or shutil.which(self._arguments[0]) is None:
            raise ConfigError(f"--exec {template!r}: there is no such program")
        self._most, self._timeout_s = most, timeout_s
        self._running: list[_Running] = []
        self.counts = Counts()

    def run(self, keyword: str, score: float, time_s: float) -> None:
        """Begin a command, unless too many are running."""
        self.look()
        if len(self._running) >= self._most:
            self.counts.dropped += 1
            return
        values = {"{keyword}": keyword, "{score}": f"{score:.3f}", "{time}": f"{time_s:.3f}"}
        arguments = [_filled(argument, values) for argument in self._arguments]
        # An interrupt between its start and its entry into the list would leave a command that nobody ends.
        with Interrupts() as interrupts:
            self._start(arguments)
        if interrupts.wanted:
            signal.raise_signal(signal.SIGINT)

    def _start(self, arguments: list[str]) -> None:
        try:
            # A session of its own: Ctrl-C is for us, and a shell's children can be ended with it.
            process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=STDERR, start_new_session=True
            )
        except OSError:
            self.counts.failed += 1
            return
        self.counts.started += 1
        self._running.append(_Running(process))

    def look(self) -> None:
        """See which have ended, and end those that take too long."""
        still = []
        for running in self._running:
            code = running.process.poll()
            if code is None and time.monotonic() - running.since_s < self._timeout_s:
                still.append(running)
            elif code is None:
                self.counts.timed_out += 1
                _end(running.process, signal.SIGKILL)  # without grace: events wait meanwhile
            elif code != 0:
                self.counts.failed += 1
        self._running = still

    def close(self, *, wait: bool) -> None:
        """End what still runs; with `wait`, when its time is over or it has ended by itself."""
        while wait and self._running:
            self.look()
            if self._running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._running[0].process.wait(0.05)
        for running in self._running:
            _end(running.process)
        self._running.clear()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self.counts)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(wait=kind is None)


def _filled(argument: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        argument = argument.replace(name, value)
    return argument


def _end(process: subprocess.Popen[bytes], *numbers: int) -> None:
    """End a command and what it started: by asking, then by force, unless told how."""
    for number in numbers or (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
            return
