"""What a running stream looks like: level bars, hop times against the deadline, the three counters."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rtaudio.stream.stats import StreamStats

if TYPE_CHECKING:
    from rich.text import Text

BAR = 40
FLOOR_DB = -60.0
"""Left end of the bars: the level of a quiet room in a good microphone."""

EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(db: float) -> str:
    """A level from FLOOR_DB to 0 dBFS as BAR characters, to an eighth of one."""
    filled = round(8 * BAR * min(1.0, max(0.0, 1 - db / FLOOR_DB)))
    whole, part = divmod(filled, 8)
    return ("█" * whole + (EIGHTHS[part] if part else "")).ljust(BAR)


def trouble(stats: StreamStats) -> dict[str, int]:
    """The three counters: what the device lost, what came late, what the rings did about it."""
    return {
        "device xruns": stats.input_overflows + stats.output_underflows,
        "deadline misses": stats.deadline_misses,
        "ring over/underflows": stats.ring_overflows + stats.ring_underflows,
    }


def gain_reduction_db(stats: StreamStats) -> float:
    """By how much the output is quieter than the input; 0 in silence, where it means nothing."""
    return max(0.0, stats.input_db - stats.output_db) if stats.input_db > -90 else 0.0


def render(stats: StreamStats, keys: str, settings: str = "") -> Text:
    """The meters as text of six lines, and one more for `settings`; `keys` says what they do."""
    from rich.text import Text

    minutes, seconds = divmod(int(stats.seconds), 60)
    state = ("BYPASS", "bold yellow") if stats.bypass else ("live", "bold green")
    if not stats.bypass and stats.overload_level:
        state = (
            ("live", "overload: cheaper kernels", "overload: holding the gains", "overload: bypassed")[
                stats.overload_level
            ],
            "bold red",
        )
    text = Text.assemble(("● ", state[1]), state, f"  {minutes}:{seconds:02}")
    text.append(f"   {keys}\n", "dim")
    for label, db, colour in (("in ", stats.input_db, "yellow"), ("out", stats.output_db, "green")):
        text.append(f"  {label} ▕").append(bar(db), colour).append(f"▏{max(db, -99.9):6.1f} dBFS\n")
    reduction = gain_reduction_db(stats)
    text.append("  cut ▕").append(bar(FLOOR_DB + reduction), "cyan").append(f"▏{reduction:6.1f} dB\n")
    text.append(f"  {settings}\n" if settings else "")
    share = 100 * stats.compute_us_p50 / stats.deadline_us if stats.deadline_us else 0.0
    times = {"p50": stats.compute_us_p50, "p99": stats.compute_us_p99, "max": stats.compute_us_max}
    text.append("  hop  " + " · ".join(f"{name} {us:.0f}" for name, us in times.items()))
    text.append(f" µs  of {stats.deadline_us:.0f} ({share:.1f} %)\n")
    counters = " · ".join(f"{name} {n}" for name, n in trouble(stats).items())
    text.append(f"  {counters}", "red" if any(trouble(stats).values()) else "dim")
    return text


class Meters:
    """Shows meters that move, on stderr, while it is entered; `show` draws them anew.

    - keys: what keys do.
    """

    def __init__(self, keys: str) -> None:
        self._keys = keys
        self._live: Any = None

    def __enter__(self) -> Self:
        from rich.live import Live

        from rtaudio.cli.terminal import console

        # No refresh thread of rich's: drawing takes about 1 ms with the lock held, ten times a
        # second at most, and the audio threads never ask for the lock.
        self._live = Live(console=console(stderr=True), auto_refresh=False, transient=True)
        self._live.start()
        return self

    def show(self, stats: StreamStats, settings: str = "") -> None:
        self._live.update(render(stats, self._keys, settings), refresh=True)

    def print(self, line: str) -> None:
        """A line above the meters."""
        self._live.console.print(line)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
