"""The pictures of a report as PNG files: what `--html` draws, for where there is no browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.cli.bench_pictures import (
    MISSES_DRAWN,
    Rows,
    deadlines,
    delay_rows,
    hop_by_hop,
    ratios,
    stage_rows,
    streams_points,
    tail_curves,
)
from rtaudio.cli.charts import (
    COLOURS,
    RATIO_TICKS,
    RATIO_WORDS,
    beyond,
    decades_of,
    digits,
    duration,
    filled,
    share_label,
)
from rtaudio.figures import new_figure, save_png
from rtaudio.tasks.bench_ratio import TOLERANCE
from rtaudio.tasks.bench_summary import short_name, title_of
from rtaudio.tasks.machine import machine_line

INK, SOFT, GRID, BAD, GOOD = "#1d2026", "#666d78", "#e4e4de", "#c2272d", "#1a7f4e"
PALE = {"facecolor": "#ffffffb8", "edgecolor": SOFT, "linewidth": 0.6}
"""Over what a part below 0 takes away."""
PALETTE = ("#1665a8", "#c46a08", "#7a4fb5", "#22867b", "#b03a6e", "#6b7a1f")
"""As on the page."""
assert len(PALETTE) == COLOURS


def save_pictures(report: dict[str, Any], folder: Path) -> list[Path]:
    """`latency`, `timeline`, `budget`, `stages`, `streams`, `roundtrip` and `comparison`, of those there is
    something to draw of."""
    pictures: dict[str, tuple[Any, int, float]] = {"budget": (_budget, 1, 1.4 + 0.6 * len(report["models"]))}
    timed = hop_by_hop(report)
    if tail_curves(report):
        pictures["latency"] = _latency, 1, 4.6
    if timed:
        pictures["timeline"] = _timeline, len(timed), 3.0
    if stages := stage_rows(report):
        pictures["stages"] = _stages, 1, 1.2 + 0.6 * len(stages)
    measured = [model for model in report["models"] if streams_points(report, model)]
    if measured:
        pictures["streams"] = _streams, len(measured), 3.6
    if report.get("round_trip"):
        pictures["roundtrip"] = _round_trip, 1, 2.0
    if compared := ratios(report):
        pictures["comparison"] = _comparison, 1, 1.4 + 0.35 * len(compared)
    paths = []
    for name, (draw, rows, height) in pictures.items():
        figure, axes = new_figure(rows, height, width=9.0)
        draw(report, axes)
        figure.text(0.995, 0.005, machine_line(report["machine"]), ha="right", color=SOFT, fontsize=6.5)
        figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))
        paths.append(folder / f"{name}.png")
        save_png(figure, paths[-1], dpi=110)
    return paths


def _style(axis: Any, title: str) -> None:
    axis.set_title(title, loc="left", color=INK, fontsize=11)
    axis.tick_params(colors=SOFT, labelsize=9)
    axis.set_axisbelow(True)
    for side, spine in axis.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(SOFT)


def _durations(axis: Any) -> None:
    """Ticks of a logarithmic axis of µs in words."""
    axis.set_major_formatter(lambda us, _: duration(us))
    axis.set_minor_formatter(lambda us, _: "")


def _deadline(draw_line: Any, us: float) -> None:
    draw_line(us, color=BAD, linestyle="--", linewidth=1.3, label=f"deadline {duration(us)}")


def _latency(report: dict[str, Any], axes: Sequence[Any]) -> None:
    (axis,) = axes
    curves = tail_curves(report)
    for curve in curves:
        times, shares = beyond(curve.values)
        style = {"linestyle": ":", "linewidth": 1.4} if curve.dashed else {"linewidth": 2.2}
        axis.plot(times, shares, color=PALETTE[curve.colour], label=curve.name, **style)
    for us in deadlines(report):
        _deadline(axis.axvline, us)
    decades = range(decades_of(curves) + 1)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylim(1.0, 10.0 ** -decades[-1])
    axis.set_yticks([10.0**-k for k in decades], [share_label(k) for k in decades], minor=False)
    axis.minorticks_off()
    axis.grid(color=GRID)
    _durations(axis.xaxis)
    axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4)
    _style(axis, "Share of hops done within a time")


def _timeline(report: dict[str, Any], axes: Sequence[Any]) -> None:
    for axis, told in zip(axes, hop_by_hop(report), strict=True):
        times = np.asarray(told["samples"]["response_us"])
        seconds = np.arange(len(times)) * told["period_us"] / 1e6
        missed = told["missed_hops"][:MISSES_DRAWN]
        axis.plot(seconds, times, color=PALETTE[0], linewidth=0.6)
        if missed:
            axis.plot(seconds[missed], times[missed], "o", color=BAD, markersize=4, label="missed")
        _deadline(axis.axhline, told["period_us"])
        axis.set_yscale("log")
        axis.grid(color=GRID, axis="y")
        _durations(axis.yaxis)
        axis.set_xlabel("seconds", color=SOFT, fontsize=9)
        axis.legend(frameon=False, fontsize=8, loc="upper right")
        count = f"{told['deadline_misses']} of {told['hops']} missed"
        _style(axis, f"{title_of(told, report)}: due to done, hop by hop; {count}")


def _budget(report: dict[str, Any], axes: Sequence[Any]) -> None:
    budget_ms = report["models"][0]["verdict"]["budget_ms"]
    _bars(axes[0], delay_rows(report), "ms")
    axes[0].axvline(budget_ms, color=BAD, linestyle="--", linewidth=1.3)
    _style(axes[0], f"Delay, microphone to speakers, in ms; the line is the budget, {budget_ms:g} ms")


def _round_trip(report: dict[str, Any], axes: Sequence[Any]) -> None:
    told = report["round_trip"]
    _bars(axes[0], [("", told["parts_ms"])], "ms")
    axes[0].axvline(told["median_ms"], color=BAD, linestyle="--", linewidth=1.3)
    words = f"Declared, in ms; the line is what the chirp measured, {digits(told['median_ms'])} ms"
    _style(axes[0], words)


def _comparison(report: dict[str, Any], axes: Sequence[Any]) -> None:
    (axis,), rows = axes, ratios(report)
    axis.axvspan(1 / TOLERANCE, TOLERANCE, color=GRID)
    axis.axvline(1.0, color=SOFT, linewidth=1)
    for row, (_, ratio, low, high, verdict) in enumerate(rows):
        colour = {"slower": BAD, "faster": GOOD}.get(verdict, SOFT)
        axis.plot((low, high), (row, row), color=colour, linewidth=2.5)
        axis.plot(ratio, row, "o", color=colour, markersize=5)
        axis.annotate(
            f"{ratio:.2f}  {verdict}",
            (1.01, row),
            xycoords=("axes fraction", "data"),
            va="center",
            color=INK,
            fontsize=9,
        )
    axis.set_xscale("log")
    least, most = min(0.7, *(row[2] for row in rows)) / 1.05, max(1.4, *(row[3] for row in rows)) * 1.05
    axis.set_xlim(least, most)
    shown = [tick for tick in RATIO_TICKS if least <= tick <= most]
    axis.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axis.minorticks_off()
    axis.set_yticks(range(len(rows)), [name for name, *_ in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel(RATIO_WORDS, color=SOFT, fontsize=9)
    _style(axis, "Then and now")


def _stages(report: dict[str, Any], axes: Sequence[Any]) -> None:
    _bars(axes[0], stage_rows(report), "µs")
    _style(axes[0], "Inside a hop: median of each stage at live pace, in µs")


def _bars(axis: Any, rows: Rows, unit: str) -> None:
    """A bar a row, the first on top, made of parts named in a legend."""
    names = list(dict.fromkeys(name for _, parts in rows for name in parts))
    styles: dict[str, dict[str, Any]] = {
        name: {"facecolor": PALETTE[i % COLOURS]} for i, name in enumerate(names)
    }
    styles |= {name: PALE for _, parts in rows for name, value in parts.items() if value < 0}
    most = max(filled(parts) for _, parts in rows)
    for row, (_, parts) in enumerate(rows):
        start, total = 0.0, sum(parts.values())
        for name, value in parts.items():
            axis.barh(row, abs(value), left=start + min(value, 0.0), height=0.55, **styles[name])
            seen = min(value, total - start)
            if seen > 0.05 * most:
                axis.text(
                    start + seen / 2, row, digits(value), ha="center", va="center", color="white", fontsize=9
                )
            start += max(value, 0.0)
        axis.text(start + 0.01 * most, row, f"{digits(total)} {unit}", va="center", color=INK, fontsize=9)
    for name in names:
        axis.barh(0, 0, height=0.0, label=name, **styles[name])
    axis.set_yticks(range(len(rows)), [label for label, _ in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.margins(x=0.12)
    axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=6)


def _streams(report: dict[str, Any], axes: Sequence[Any]) -> None:
    models = [model for model in report["models"] if streams_points(report, model)]
    for axis, model in zip(axes, models, strict=True):
        counts, medians, tails, fits = zip(*streams_points(report, model), strict=True)
        axis.plot(counts, medians, ":", color=PALETTE[0], label="median")
        axis.plot(counts, tails, color=PALETTE[0], linewidth=2, label="tail")
        for count, us, fit in zip(counts, tails, fits, strict=True):
            axis.plot(count, us, "o", color=PALETTE[0] if fit else BAD)
        _deadline(axis.axhline, model["period_us"])
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.minorticks_off()
        axis.tick_params(labelbottom=True)  # each model's own, although they share the axis
        axis.grid(color=GRID, axis="y")
        _durations(axis.yaxis)
        axis.set_xlabel("streams on one core", color=SOFT, fontsize=9)
        axis.legend(frameon=False, fontsize=8)
        _style(axis, f"{short_name(model['name'])}: due to done by number of streams")
