"""Charts as SVG text: no library, no script, colours by CSS classes `s0`, `s1`, … of the page."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WIDTH = 860
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 22, 44
LABEL_CHARACTERS = 8
"""What has room left of the chart."""
COLOURS = 6
"""So many there are; then they begin again."""
LEGEND_PITCH = 20
KEYS_TOP = 14
"""Where the names of a bar's parts begin."""
RATIO_TICKS = (0.01, 0.1, 0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0, 10.0, 100.0)
RATIO_WORDS = "now / then, 95 % interval; shaded: too little to call a change"
TICK_WIDTH = 48
"""Room a tick's words need."""


@dataclass(frozen=True)
class Curve:
    """One line of a chart: values, its name, its colour's number (of `COLOURS`), whether it is dashed."""

    name: str
    values: Floats
    colour: int
    dashed: bool = False


def text(x: float, y: float, words: str, kind: str = "tick", anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def svg(name: str, height: float, label: str, parts: Sequence[str]) -> str:
    head = f'<svg id="{name}" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'
    return "\n".join([head, *parts, "</svg>"])


def duration(us: float) -> str:
    """`250 µs`, `10 ms`, `2 s`."""
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        if us >= size:
            return f"{us / size:g} {unit}"
    return f"{us:g} µs"


def digits(value: float) -> str:
    """Three digits, never an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


class LogAxis:
    """Values to places, equal ratios equally far apart."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high
        self._log = math.log(low), math.log(high)
        self._ends = start, end

    def __call__(self, value: float) -> float:
        share = (math.log(max(value, self.low)) - self._log[0]) / (self._log[1] - self._log[0])
        return self._ends[0] + min(share, 1.0) * (self._ends[1] - self._ends[0])

    def ticks(self) -> list[float]:
        """1, 2 and 5 times powers of ten; powers alone where those would lie too close."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = (1, 2, 5) if abs(self(2 * self.low) - self(self.low)) > TICK_WIDTH else (1,)
        return [m * 10.0**p for p in powers for m in steps if self.low <= m * 10.0**p <= self.high]


def _legend_places(curves: Sequence[Curve]) -> list[tuple[int, float, Curve]]:
    """Line and place from the left of each curve's name."""
    places, row, x = [], 0, float(LEFT)
    for curve in curves:
        width = 28 + 7.2 * len(curve.name)
        if x > LEFT and x + width > WIDTH - RIGHT:
            row, x = row + 1, float(LEFT)
        places.append((row, x, curve))
        x += width + 22
    return places


def _legend(curves: Sequence[Curve], y: float) -> list[str]:
    parts = []
    for row, x, curve in _legend_places(curves):
        at = y + LEGEND_PITCH * row
        kind = f"curve s{curve.colour}" + (" dashed" if curve.dashed else "")
        parts += [line(x, at - 4, x + 22, at - 4, kind), text(x + 28, at, curve.name, "legend", "start")]
    return parts


def beyond(values: Floats) -> tuple[Floats, Floats]:
    """Times, and the share of values beyond each: from all to one of them, evenly in its logarithm."""
    shares = np.geomspace(1.0, 1.0 / values.size, 240)
    return np.quantile(values, 1 - shares), shares


def share_label(decade: int) -> str:
    """`0 %`, `90 %`, `99 %`, `99.9 %`, …: what lies within after so many decades of the tail."""
    return f"{100 * (1 - 10.0**-decade):.{max(decade - 2, 0)}f} %" if decade else "0 %"


def decades_of(curves: Sequence[Curve]) -> int:
    """Decades of the tail that so many hops can tell."""
    return max(3, math.ceil(math.log10(max(curve.values.size for curve in curves))))


def tail_chart(curves: Sequence[Curve], deadlines_us: Sequence[float]) -> str:
    """Share of hops done within a time; up the axis each step is a tenth of the hops before."""
    legend = LEGEND_PITCH * _legend_places(curves)[-1][0]
    height, top = 400 + legend, TOP + 24 + legend
    low = 0.8 * min(float(c.values.min()) for c in curves)
    x = LogAxis(low, 1.5 * max(*deadlines_us, *(float(c.values.max()) for c in curves)), LEFT, WIDTH - RIGHT)
    decades = decades_of(curves)
    step = (height - BOTTOM - top) / decades

    def y(share: float) -> float:
        return height - BOTTOM + math.log10(share) * step

    parts = []
    for k in range(decades + 1):
        parts += [
            line(LEFT, y(10.0**-k), WIDTH - RIGHT, y(10.0**-k), "grid"),
            text(LEFT - 8, y(10.0**-k) + 4, share_label(k), anchor="end"),
        ]
    parts += [text(x(t), height - BOTTOM + 18, duration(t)) for t in x.ticks()]
    for i, deadline_us in enumerate(deadlines_us):
        parts.append(line(x(deadline_us), top, x(deadline_us), height - BOTTOM, "deadline"))
        words = f"deadline {duration(deadline_us)}"
        parts.append(text(x(deadline_us) - 6, top + 12 + 16 * i, words, "deadline-label", "end"))
    for curve in curves:
        pairs = zip(*beyond(curve.values), strict=True)
        points = " ".join(f"{x(float(v)):.1f},{y(float(b)):.1f}" for v, b in pairs)
        kind = f"curve s{curve.colour}" + (" dashed" if curve.dashed else "")
        parts.append(
            f'<polyline class="{kind}" points="{points}"><title>{escape(curve.name)}</title></polyline>'
        )
    parts += [text((LEFT + WIDTH - RIGHT) / 2, height - 6, "time of a hop"), *_legend(curves, TOP - 4)]
    return svg("tail", height, "share of hops done within a time, logarithmic tail", parts)


def timeline(values: Floats, missed: Sequence[int], deadline_us: float, name: str = "timeline") -> str:
    """The time of each hop in the order they came: from the least to the most of each column."""
    height, columns = 260, WIDTH - LEFT - RIGHT
    y = LogAxis(0.8 * float(values.min()), 1.5 * max(deadline_us, float(values.max())), height - BOTTOM, TOP)
    scale = columns / max(len(values), 1)
    parts = []
    for tick in y.ticks():
        parts.append(line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "grid"))
        parts.append(text(LEFT - 8, y(tick) + 4, duration(tick), anchor="end"))
    strokes = []
    for part in np.array_split(np.arange(len(values)), min(columns, len(values))):
        least, most = y(float(values[part].min())), y(float(values[part].max()))
        strokes.append(f"M{LEFT + float(part.mean() + 0.5) * scale:.1f} {least + 0.8:.1f}V{most - 0.8:.1f}")
    parts.append(f'<path class="strokes s0" d="{"".join(strokes)}"/>')
    parts += [line(LEFT, y(deadline_us), WIDTH - RIGHT, y(deadline_us), "deadline")]
    parts += [
        text(WIDTH - RIGHT, y(deadline_us) - 5, f"deadline {duration(deadline_us)}", "deadline-label", "end")
    ]
    for hop in missed:
        place, late = LEFT + (hop + 0.5) * scale, float(values[hop])
        words = f"hop {hop}, {hop * deadline_us / 1e6:.2f} s: {late / 1000:.1f} ms"
        parts.append(
            f'<circle class="miss" cx="{place:.1f}" cy="{y(late):.1f}" r="4"><title>{words}</title></circle>'
        )
    seconds = len(values) * deadline_us / 1e6
    parts += [
        text(LEFT + f * columns, height - BOTTOM + 18, f"{f * seconds:.3g} s")
        for f in (0, 0.25, 0.5, 0.75, 1)
    ]
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, height - 6, "time since the start"))
    return svg(name, height, f"time of each hop, {len(missed)} of them missed", parts)


def streams_chart(
    points: Sequence[tuple[int, float, float, bool]], deadline_us: float, name: str = "streams"
) -> str:
    """Time of a hop of so many streams, (streams, p50, tail, whether it fits) each, both axes logarithmic."""
    height = 300
    most = max(deadline_us, *(tail for _, _, tail, _ in points))
    x = LogAxis(0.8 * points[0][0], 1.25 * points[-1][0], LEFT, WIDTH - RIGHT)
    y = LogAxis(0.7 * min(p50 for _, p50, _, _ in points), 1.6 * most, height - BOTTOM, TOP + 22)
    parts = []
    for tick in y.ticks():
        parts.append(line(LEFT, y(tick), WIDTH - RIGHT, y(tick), "grid"))
        parts.append(text(LEFT - 8, y(tick) + 4, duration(tick), anchor="end"))
    parts += [text(x(n), height - BOTTOM + 18, str(n)) for n, _, _, _ in points]
    parts += [line(LEFT, y(deadline_us), WIDTH - RIGHT, y(deadline_us), "deadline")]
    words = f"deadline {duration(deadline_us)}"
    parts += [text(WIDTH - RIGHT, y(deadline_us) - 5, words, "deadline-label", "end")]
    for which, kind in ((1, "curve s0 dashed"), (2, "curve s0")):
        path = " ".join(f"{x(point[0]):.1f},{y(point[which]):.1f}" for point in points)
        parts.append(f'<polyline class="{kind}" points="{path}"/>')
    for n, _, late, fits in points:
        kind = "dot f0" if fits else "miss"
        title = f"<title>{n} streams: {late / 1000:.2f} ms</title>"
        parts.append(f'<circle class="{kind}" cx="{x(n):.1f}" cy="{y(late):.1f}" r="4.5">{title}</circle>')
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, height - 6, "streams"))
    nothing = np.zeros(0)
    parts += _legend([Curve("tail", nothing, 0), Curve("median", nothing, 0, True)], TOP - 4)
    return svg(name, height, "time of a hop by number of streams", parts)


def stacked_bar(
    name: str,
    rows: Sequence[tuple[str, dict[str, float]]],
    unit: str,
    limit: float | None = None,
    limit_name: str = "budget",
) -> str:
    """A bar a row, made of named parts, on one scale; `limit` is a mark across all of them.

    A part below 0 pales the end of those before it: what they take less.
    """
    above = max(len(label) for label, _ in rows) > LABEL_CHARACTERS
    names = list(dict.fromkeys(piece for _, pieces in rows for piece in pieces))
    paled = {name for _, pieces in rows for name, value in pieces.items() if value < 0}
    keys, last = _keys(names, KEYS_TOP, paled)
    pitch, top = 62 if above else 44, last + (38 if limit else 16) + 18 * above
    height = top + pitch * len(rows) + 8
    longest = max(filled(pieces) for _, pieces in rows)
    scale = (WIDTH - LEFT - RIGHT - 80) / max(longest, limit or 0.0)
    parts = keys
    for i, (label, pieces) in enumerate(rows):
        x, y = float(LEFT), top + pitch * i
        end = x + sum(pieces.values()) * scale
        place = (
            (LEFT, y - 6, label, "legend", "start") if above else (LEFT - 8, y + 19, label, "legend", "end")
        )
        parts.append(text(*place))
        for piece, value in pieces.items():
            width, colour = abs(value) * scale, names.index(piece) % COLOURS
            kind, start = (f"piece f{colour}", x) if value >= 0 else ("less", x - width)
            words = escape(f"{piece}: {digits(value)} {unit}")
            parts.append(
                f'<rect class="{kind}" x="{start:.1f}" y="{y}" rx="3" height="28" '
                f'width="{max(width - 1.5, 0.5):.1f}">'
                f"<title>{words}</title></rect>"
            )
            seen = min(width, end - x)
            if seen > 46 and value > 0:
                parts.append(text(x + seen / 2, y + 19, digits(value), "inside"))
            x += max(value, 0.0) * scale
        parts.append(text(x + 6, y + 19, f"{digits(sum(pieces.values()))} {unit}", "legend", "start"))
    if limit:
        x, words = LEFT + limit * scale, f"{limit_name} {digits(limit)} {unit}"
        y = last + 22
        anchor = "end" if x > LEFT + 7.2 * len(words) else "start"
        parts += [line(x, y + 4, x, height - 10, "deadline"), text(x, y, words, "deadline-label", anchor)]
    return svg(name, height, f"{name}: parts in {unit}", parts)


def filled(pieces: Mapping[str, float]) -> float:
    """How far a bar reaches that is made of these parts."""
    return sum(max(value, 0.0) for value in pieces.values())


def _keys(names: Sequence[str], y: float, paled: Collection[str]) -> tuple[list[str], float]:
    """The parts' names, in as many lines as they need, and where the last line stands."""
    parts, x = [], float(LEFT)
    for number, name in enumerate(names):
        width, colour = 17 + 7.2 * len(name), number % COLOURS
        if x > LEFT and x + width > WIDTH - RIGHT:
            x, y = float(LEFT), y + LEGEND_PITCH
        kind = "less" if name in paled else f"f{colour}"
        parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y - 9:.1f}" width="11" height="11" rx="2"/>')
        parts.append(text(x + 17, y, name, "legend", "start"))
        x += width + 22
    return parts, y


def forest(rows: Sequence[tuple[str, float, float, float, str]], tolerance: float) -> str:
    """Ratios with their intervals around 1: (name, ratio, low, high, verdict) a row."""
    height = 34 + 30 * len(rows) + BOTTOM
    left = min(max(170.0, 24 + 7.2 * max(len(name) for name, *_ in rows)), 0.5 * WIDTH)
    extremes = [value for _, _, low, high, _ in rows for value in (low, high)]
    x = LogAxis(min(0.7, *extremes) / 1.05, max(1.4, *extremes) * 1.05, left, WIDTH - 110)
    bottom = height - BOTTOM
    band = x(tolerance) - x(1 / tolerance)
    parts = [
        f'<rect class="band" x="{x(1 / tolerance):.1f}" y="20" width="{band:.1f}" height="{bottom - 20}"/>'
    ]
    parts.append(line(x(1.0), 20, x(1.0), bottom, "axis"))
    ticks = [tick for tick in RATIO_TICKS if x.low <= tick <= x.high]
    parts += [text(x(tick), bottom + 18, f"{tick:g}") for tick in ticks]
    parts.append(text(WIDTH / 2, height - 6, RATIO_WORDS))
    for i, (name, ratio, low, high, verdict) in enumerate(rows):
        y = 40 + 30 * i
        kind = f"interval {verdict}"
        parts += [text(left - 12, y + 4, name, "legend", "end"), line(x(low), y, x(high), y, kind)]
        parts.append(
            f'<circle class="{kind}" cx="{x(ratio):.1f}" cy="{y}" r="5">'
            f"<title>{escape(name)} {ratio:.2f}</title></circle>"
        )
        parts.append(text(WIDTH - 100, y + 4, f"{ratio:.2f}  {verdict}", "legend", "start"))
    return svg("comparison", height, "ratios of this run to the older one", parts)
