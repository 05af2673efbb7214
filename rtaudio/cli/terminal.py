"""What verbs print: JSON, tables, notes. Colour and movement only where a person is looking."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_json(value: Any) -> None:
    """One JSON document on stdout; numbers JSON doesn't have become null."""
    print(as_json(value, indent=2))


def as_json(value: Any, indent: int | None = None) -> str:
    """A value as JSON; numbers JSON doesn't have become null."""
    return json.dumps(_plain(value), indent=indent)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return _plain(value.item()) if hasattr(value, "item") else str(value)


def note(text: str) -> None:
    """A line for the person at the terminal, on stderr: stdout is for results."""
    print(f"rtaudio: {text}", file=sys.stderr)


def console(*, stderr: bool = False) -> Console:
    """A rich console; piped, it prints plain text 100 columns wide."""
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            raise  # as `print` does: the program's end knows what to do, where rich would exit with 1

    stream = sys.stderr if stderr else sys.stdout
    if stream.isatty():
        return Ours(stderr=stderr, highlight=False)
    return Ours(file=stream, width=100, color_system=None, force_terminal=False, highlight=False)


def table(title: str, *columns: str, right: tuple[int, ...] = ()) -> Table:
    """A table without frame lines at the sides; columns in `right` are aligned there."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, box=box.SIMPLE, title_justify="left", title_style="bold", pad_edge=False)
    for index, column in enumerate(columns):
        made.add_column(column, justify="right" if index in right else "left")
    return made


class Bar:
    """A progress bar on stderr, where that is a terminal, beside what is being done."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._progress: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            # Twice a second: drawing takes processor time from what is measured.
            self._progress = Progress(
                *columns, console=console(stderr=True), refresh_per_second=2, transient=True
            )
            self._task = self._progress.add_task(self._what, total=1.0)
            self._progress.start()
        return self

    def show(self, share: float, what: str | None = None) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=share, description=what)

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()
