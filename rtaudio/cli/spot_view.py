"""What live spotting looks like: a level meter, a score bar a word, and the keys that change them."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rtaudio.cli.meters import EIGHTHS, bar, trouble
from rtaudio.dsp.spotter import Spotter
from rtaudio.stream.stats import StreamStats

if TYPE_CHECKING:
    from rich.text import Text

SCORE_BAR = 30
THRESHOLD_STEP = 0.05
KEYS = "+/- thresholds · 1-9 words · q quit"


def score_bar(score: float, threshold: float) -> str:
    """A score of 0..1 as SCORE_BAR characters to an eighth of one, with a mark at the threshold."""
    whole, part = divmod(round(8 * SCORE_BAR * min(1.0, max(0.0, score))), 8)
    filled = ("█" * whole + (EIGHTHS[part] if part else "")).ljust(SCORE_BAR)
    at = min(SCORE_BAR - 1, int(threshold * SCORE_BAR))
    return filled if filled[at] != " " else filled[:at] + "┊" + filled[at + 1 :]


def obey(key: str, spotter: Spotter, words: tuple[str, ...]) -> None:
    """What a key does: + and - for the thresholds of all words, a digit for a word."""
    if key in ("+", "-"):
        step = THRESHOLD_STEP if key == "+" else -THRESHOLD_STEP
        for word in words:
            wanted = spotter.thresholds[word] + step
            spotter.set_threshold(word, min(1.0, max(THRESHOLD_STEP, wanted)))
    elif key.isdecimal() and 1 <= int(key) <= len(words):
        word = words[int(key) - 1]
        spotter.enable(word, not spotter.enabled[word])


def render(stats: StreamStats, spotter: Spotter, words: tuple[str, ...], keys: bool) -> Text:
    """The display: level, a line a word, trouble."""
    from rich.text import Text

    minutes, seconds = divmod(int(stats.seconds), 60)
    text = Text.assemble(("● listening", "bold green"), f"  {minutes}:{seconds:02}   ")
    text.append(KEYS if keys else "Ctrl-C stops", "dim").append("\n")
    level = f"▏{max(stats.input_db, -99.9):6.1f} dBFS\n"
    text.append("  in ▕").append(bar(stats.input_db), "yellow").append(level)
    scores, thresholds, enabled = spotter.scores, spotter.thresholds, spotter.enabled
    for number, word in enumerate(words, 1):
        style = ("bold green" if scores[word] >= thresholds[word] else "cyan") if enabled[word] else "dim"
        text.append(f"{number:3} " if number < 10 else "    ").append(f"{word:<16} ", style)
        text.append("▕").append(score_bar(scores[word], thresholds[word]), style)
        state = f"▏ {scores[word]:.2f} of {thresholds[word]:.2f}" if enabled[word] else "▏ off"
        text.append(f"{state}\n")
    counters = " · ".join(f"{name} {n}" for name, n in trouble(stats).items())
    share = 100 * stats.compute_us_p50 / stats.deadline_us if stats.deadline_us else 0.0
    text.append(f"  {stats.compute_us_p50:.0f} µs a hop ({share:.1f} %) · ", "dim")
    text.append(counters, "red" if any(trouble(stats).values()) else "dim")
    return text


class SpotMeters:
    """Shows them, moving, on stderr, while it is entered."""

    def __init__(self, spotter: Spotter, words: tuple[str, ...], keys: bool) -> None:
        self._spotter, self._words, self._keys = spotter, words, keys
        self._live: Any = None

    def __enter__(self) -> Self:
        from rich.live import Live

        from rtaudio.cli.terminal import console

        self._live = Live(console=console(stderr=True), auto_refresh=False, transient=True)
        self._live.start()
        return self

    def show(self, stats: StreamStats) -> None:
        self._live.update(render(stats, self._spotter, self._words, self._keys), refresh=True)

    def print(self, line: str) -> None:
        """A line above the meters."""
        self._live.console.print(line)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
