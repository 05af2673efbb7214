"""What every benchmark shares: the machine line, tables, percentiles, goals, arguments.

A benchmark is a function `run(report, quick)` that fills a `Report`, and a last line
`if __name__ == "__main__": main(run)`.
"""

from __future__ import annotations

import argparse
import json
import operator
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.tasks.machine import machine, machine_line

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


@dataclass(frozen=True)
class Goal:
    """A number and the bound it must keep: met where `value op bound`. NaN meets nothing, nor does None,
    which was not measured.

    One that isn't `required` is told as met or missed, and leaves the exit code alone.
    """

    name: str
    value: float | None
    bound: float
    op: str = "<="
    required: bool = True

    @property
    def met(self) -> bool:
        return self.value is not None and _COMPARE[self.op](self.value, self.bound)

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name}  not measured"
        verdict = "met" if self.met else "missed"
        return f"{self.name}  {_text(self.value)}  {self.op} {_text(self.bound)}  {verdict}"


@dataclass
class Table:
    """Rows under named columns; cells are numbers, text, or None where nothing was measured."""

    title: str
    columns: Sequence[str]
    rows: list[list[Any]] = field(default_factory=list)

    def row(self, *cells: Any) -> None:
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells under {len(self.columns)} columns")
        self.rows.append(list(cells))


class Report:
    """Collects tables and goals of one run, prints them as they come, and gives the exit code."""

    def __init__(self, name: str) -> None:
        self.name, self.machine = name, machine()
        self.tables: list[Table] = []
        self.goals: list[Goal] = []
        self.notes: list[str] = []
        print(f"{name}: {machine_line(self.machine)}")

    def table(self, title: str, columns: Sequence[str]) -> Table:
        """A new table; print it with `show` when its rows are in."""
        self.tables.append(Table(title, columns))
        return self.tables[-1]

    def show(self, table: Table) -> None:
        if sys.stdout.isatty():
            _print_rich(table)
        else:
            print(f"\n{plain(table)}")

    def note(self, text: str) -> None:
        """One line of explanation under the tables."""
        self.notes.append(text)
        print(text)

    def goal(self, name: str, value: float | None, bound: float, op: str = "<=") -> None:
        self.goals.append(Goal(name, None if value is None else float(value), float(bound), op))

    def beyond(self, name: str, value: float, bound: float, op: str = "<=") -> None:
        """A goal to grow towards, which the exit code doesn't ask for."""
        self.goals.append(Goal(f"beyond: {name}", float(value), float(bound), op, required=False))

    def finish(self, json_path: str | None = None) -> int:
        """Print the goals, write the JSON; 0 when all that are required are met, 1 otherwise."""
        print()
        for goal in self.goals:
            print(goal)
        if json_path:
            self.save(json_path)
        return 0 if all(goal.met for goal in self.goals if goal.required) else 1

    def save(self, json_path: str) -> None:
        """Write what there is so far."""
        Path(json_path).write_text(json.dumps(self.as_dict(), indent=1, default=float) + "\n")

    def as_dict(self) -> dict[str, Any]:
        tables = [{"title": t.title, "columns": list(t.columns), "rows": t.rows} for t in self.tables]
        goals = [{**vars(goal), "met": goal.met} for goal in self.goals]
        return {
            "benchmark": self.name,
            "machine": self.machine,
            "tables": tables,
            "notes": self.notes,
            "goals": goals,
        }


def percentiles(values: Sequence[float] | NDArray[Any]) -> tuple[float, float, float, float]:
    """p50, p99, p99.9 and the largest."""
    p50, p99, p999, largest = np.percentile(np.asarray(values, np.float64), [50, 99, 99.9, 100])
    return float(p50), float(p99), float(p999), float(largest)


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float | np.floating):
        value = float(cell)
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(cell)


def plain(table: Table) -> str:
    """The table as aligned text, numbers to the right."""
    cells = [[str(c) for c in table.columns], *([_text(c) for c in row] for row in table.rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.columns))]
    left = [i == 0 or all(isinstance(r[i], str) for r in table.rows) for i in range(len(widths))]
    lines = (
        "  ".join(
            c.ljust(w) if to_left else c.rjust(w) for c, w, to_left in zip(row, widths, left, strict=True)
        )
        for row in cells
    )
    return "\n".join([table.title, *(line.rstrip() for line in lines)])


def _print_rich(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable

    shown = RichTable(title=table.title, title_justify="left")
    for i, column in enumerate(table.columns):
        shown.add_column(column, justify="left" if i == 0 else "right")
    for row in table.rows:
        shown.add_row(*(_text(cell) for cell in row))
    Console().print(shown)


def main(run: Callable[[Report, bool], None], description: str | None = None) -> None:
    """Parse `--quick` and `--json FILE`, run, print, and exit with 0 or 1."""
    module = sys.modules[run.__module__]
    name = Path(str(module.__file__)).stem
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=description or module.__doc__
    )
    parser.add_argument("--quick", action="store_true", help="end within 60 s, with fewer repetitions")
    parser.add_argument("--json", metavar="FILE", help="write machine, tables and goals there too")
    arguments = parser.parse_args()
    report = Report(name)
    run(report, arguments.quick)
    raise SystemExit(report.finish(arguments.json))
