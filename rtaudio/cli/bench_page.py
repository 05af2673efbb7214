"""A report of `rtaudio bench` as one HTML page that needs nothing else: no script, no request."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from rtaudio.cli.bench_pictures import (
    MISSES_DRAWN,
    deadlines,
    delay_rows,
    hop_by_hop,
    ratios,
    stage_rows,
    streams_points,
    tail_curves,
)
from rtaudio.cli.bench_text import (
    GRID_COLUMNS,
    PERCENTILES,
    beside_rows,
    beside_title,
    failure_lines,
    full_title,
    grid_rows,
    micro,
    overhead_words,
    pace_words,
    round_trip_line,
    streams_words,
    wake_of,
)
from rtaudio.cli.charts import forest, stacked_bar, streams_chart, tail_chart, timeline
from rtaudio.tasks.bench_compare import NOT_IN_TURN
from rtaudio.tasks.bench_grid import streams_line
from rtaudio.tasks.bench_ratio import BESIDE, TOLERANCE
from rtaudio.tasks.bench_summary import short_name, title_of
from rtaudio.tasks.machine import machine_line

STYLE = """
:root { color-scheme: light dark; --ground: #f7f7f4; --card: #ffffff; --ink: #1d2026; --soft: #666d78;
  --grid: #e4e4de; --bad: #c2272d; --good: #1a7f4e; --band: #efeee8;
  --c0: #1665a8; --c1: #c46a08; --c2: #7a4fb5; --c3: #22867b; --c4: #b03a6e; --c5: #6b7a1f; }
@media (prefers-color-scheme: dark) { :root { --ground: #101317; --card: #181c22; --ink: #e9e7e2;
  --soft: #98a0ac; --grid: #2b3038; --bad: #ff7a70; --good: #57c98c; --band: #22272f;
  --c0: #6cb2f0; --c1: #f0a24e; --c2: #b998f0; --c3: #5cc7ba; --c4: #f08ab6; --c5: #b7c95a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); line-height: 1.5;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 940px; margin: 0 auto; padding: 40px 20px 60px; }
h1 { font-size: 15px; font-weight: 600; letter-spacing: .02em; color: var(--soft); margin: 0 0 6px; }
h2 { font-size: 19px; margin: 0 0 4px; }
p { margin: 0 0 14px; color: var(--soft); max-width: 70ch; }
.verdict { font-size: 38px; line-height: 1.15; font-weight: 650; margin: 0 0 10px; letter-spacing: -.015em;
  }
.verdict.yes { color: var(--good); } .verdict.no { color: var(--bad); }
.failure { color: var(--bad); }
.answer { color: var(--ink); font-size: 17px; }
.numbers { display: flex; flex-wrap: wrap; gap: 14px 40px; margin: 22px 0 30px; padding: 0; }
.numbers div { min-width: 110px; } .numbers dt { color: var(--soft); font-size: 13px; }
.numbers dd { margin: 0; font-size: 25px; font-weight: 600; font-variant-numeric: tabular-nums; }
section { background: var(--card); border: 1px solid var(--grid); border-radius: 12px;
  padding: 22px 24px 18px; margin: 0 0 18px; overflow-x: auto; }
svg { display: block; width: 100%; height: auto; font-size: 13px; }
svg text { fill: var(--ink); font-variant-numeric: tabular-nums; }
.tick { fill: var(--soft) !important; font-size: 12px; }
.inside { fill: var(--card) !important; font-weight: 600; }
.grid { stroke: var(--grid); } .axis { stroke: var(--soft); } .band { fill: var(--band); }
.curve { fill: none; stroke-width: 2.4; stroke-linejoin: round; }
.dashed { stroke-dasharray: 2 5; stroke-linecap: round; }
.strokes { fill: none; stroke-width: 1.3; stroke-linecap: round; }
.s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); } .s2 { stroke: var(--c2); } .s3 { stroke: var(--c3); }
.s4 { stroke: var(--c4); } .s5 { stroke: var(--c5); } .f4 { fill: var(--c4); } .f5 { fill: var(--c5); }
.f0 { fill: var(--c0); } .f1 { fill: var(--c1); } .f2 { fill: var(--c2); } .f3 { fill: var(--c3); }
.deadline { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 6 4; }
.deadline-label { fill: var(--bad) !important; font-size: 12px; paint-order: stroke; stroke: var(--card);
  stroke-width: 4px; }
.less { fill: var(--card); fill-opacity: .72; stroke: var(--soft); stroke-dasharray: 3 2; }
.dot { stroke: var(--card); }
.miss { fill: var(--bad); stroke: var(--card); }
line.interval { stroke-width: 3; stroke: var(--soft); }
circle.interval { fill: var(--soft); } line.slower { stroke: var(--bad); }
circle.slower { fill: var(--bad); }
line.faster { stroke: var(--good); } circle.faster { fill: var(--good); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14.5px; }
th { color: var(--soft); font-weight: 500; text-align: right; padding: 4px 10px;
  border-bottom: 1px solid var(--grid); }
td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--grid); }
th:first-child, td:first-child { text-align: left; padding-left: 0; } tr:last-child td { border-bottom: 0; }
.wide td { text-align: left; overflow-wrap: anywhere; }
.wide td:first-child { color: var(--soft); white-space: nowrap; }
"""


REST = (
    "The device counts with what it declares on the measured path, and rest is what the chirp took beyond "
    "all parts; pale, what it took less."
)


def page(report: dict[str, Any], old: dict[str, Any] | None = None) -> str:
    """The whole page; `old` is the report that `report["comparison"]` was made with."""
    names = ", ".join(model["name"] for model in report["models"])
    body = [f"<h1>rtaudio bench · {escape(names)} · {escape(report['when'])}</h1>"]
    body += [_answer(model, several=len(report["models"]) > 1) for model in report["models"]]
    body += [f'<p class="failure">{escape(line)}</p>' for line in failure_lines(report)]
    body += [_numbers(report), _delay(report), _tail(report), *_timelines(report), _stages(report)]
    body += [_compute(report), *_beside(report), *_grids(report)]
    if old is not None and "comparison" in report:
        body.append(_comparison(report["comparison"], old, report))
    body.append(_machine(report))
    title = f"rtaudio bench: {_short_answer(report['models'][0]['verdict'])}"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        '<link rel="icon" href="data:,"/>\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _short_answer(verdict: dict[str, Any]) -> str:
    return f"{'fits' if verdict['fits'] else 'does not fit'} {verdict['budget_ms']:g} ms"


def _answer(model: dict[str, Any], *, several: bool) -> str:
    verdict = model["verdict"]
    short = _short_answer(verdict)
    words = f"{short_name(model['name'])}: {short}" if several else short.capitalize()
    kind = "yes" if verdict["fits"] else "no"
    return f'<p class="verdict {kind}">{escape(words)}</p>\n<p class="answer">{escape(verdict["line"])}</p>'


def _section(heading: str, words: str, *parts: str) -> str:
    return "\n".join([f"<section><h2>{escape(heading)}</h2><p>{escape(words)}</p>", *parts, "</section>"])


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    header = f"<thead><tr>{head}</tr></thead>" if columns else ""
    return f'<table class="{kind}">{header}<tbody>{"".join(lines)}</tbody></table>'


def _numbers(report: dict[str, Any]) -> str:
    """The numbers one looks for first, of the first backend, which is named where it isn't the only one."""
    told, verdict = report["backends"][0], report["models"][0]["verdict"]
    shown = {
        "delay in all": f"{verdict['total_ms']:.1f} ms",
        "compute, median": f"{micro(told['compute_us']['p50'])} µs",
        f"due to done, {verdict['needed_is']}": f"{verdict['needed_us'] / 1000:.2f} ms",
        "missed": f"{told['deadline_misses']} of {told['hops']}",
        "of one core": "-" if told["cpu_share"] is None else f"{100 * told['cpu_share']:.1f} %",
    }
    if told["power_w"] is not None:
        shown["whole processor"] = f"{told['power_w']:.1f} W"
    cells = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in shown.items())
    whose = f"<p>{escape(title_of(told, report))}</p>\n" if len(report["backends"]) > 1 else ""
    return f'{whose}<dl class="numbers">{cells}</dl>'


def _delay(report: dict[str, Any]) -> str:
    words = (
        "From microphone to speakers. The algorithm's window and the blocks that make up a hop cost what "
        "they cost; compute is the time kept for a hop, and worker the deadline of what runs in Python. "
    )
    verdict = report["models"][0]["verdict"]
    words += REST if verdict["basis"] else "The device counts with a block each way, the least."
    limit = verdict["budget_ms"]
    return _section(
        "Where the delay comes from", words, stacked_bar("budget", delay_rows(report), "ms", limit)
    )


def _tail(report: dict[str, Any]) -> str:
    curves = tail_curves(report)
    words = (
        "Share of hops done within a time. Each step up is a tenth of the hops before it, so the rare slow "
        "ones can be seen. Solid at the pace of live audio, dotted back to back with warm caches."
    )
    return _section("How long a hop takes", words, tail_chart(curves, deadlines(report)) if curves else "")


def _timelines(report: dict[str, Any]) -> list[str]:
    sections = []
    for i, told in enumerate(hop_by_hop(report)):
        values, missed = np.asarray(told["samples"]["response_us"]), told["missed_hops"]
        drawn, name = missed[:MISSES_DRAWN], title_of(told, report)
        words = f"{name}: from the moment a hop was due to the moment it was done, late wake-ups included."
        words += f" {len(missed)} missed the deadline"
        words += f", the first {len(drawn)} are marked." if drawn != missed else "."
        chart = timeline(values, drawn, told["period_us"], f"timeline{i or ''}")
        sections.append(_section("Hop by hop", words, chart))
    return sections


def _stages(report: dict[str, Any]) -> str:
    rows = stage_rows(report)
    words = "Median of each stage at live pace."
    return _section("Inside a hop", words, stacked_bar("stages", rows, "µs") if rows else "")


def _compute(report: dict[str, Any]) -> str:
    rows = []
    for told in report["backends"]:
        live, warm = told["compute_us"], told["warm_us"]
        rtf = "-" if told["rtf"] is None else f"{told['rtf']:.4f}"
        counts = [str(told["hops"]), str(told["deadline_misses"]), rtf]
        rows.append([f"{full_title(told, report)}, live", *(micro(live[p]) for p in PERCENTILES), *counts])
        rows.append(["warm", *(micro(warm[p]) for p in PERCENTILES), str(told["warm_hops"]), "", ""])
    wake = wake_of(report)
    rows.append(["late wake-up", *(micro(wake[p]) for p in PERCENTILES), "", "", ""])
    words = f"µs a hop. Timing itself costs, in these numbers: {overhead_words(report)} a hop."
    return _section("In numbers", words, _table(["", *PERCENTILES, "hops", "missed", "RTF"], rows))


def _streams(report: dict[str, Any]) -> str:
    rows = report["streams"]
    words = (
        f"{streams_words(report)}. {streams_line(rows)}. One step for all reads the weights once. The tail "
        "is the furthest percentile that so many hops can tell."
    )
    charts, several = [], len(report["models"]) > 1
    for i, model in enumerate(report["models"]):
        if points := streams_points(report, model):
            charts += [f"<p>{escape(short_name(model['name']))}</p>"] * several
            charts.append(streams_chart(points, model["period_us"], f"streams{i or ''}"))
    return _section(
        "Many streams on one core", words, *charts, _table(GRID_COLUMNS, grid_rows(rows, "streams", ""))
    )


def _grids(report: dict[str, Any]) -> list[str]:
    """Sections of other paces, streams and the measured round trip, of those that were asked for."""
    parts = [_streams(report)] if report.get("streams") else []
    if report.get("paces"):
        cells = _table(GRID_COLUMNS, grid_rows(report["paces"], "hop_ms", " ms"))
        words = f"{pace_words(report)}. Due to done in µs; its sound would be wrong at another pace."
        parts.append(_section("At other paces", words, cells))
    if report.get("round_trip"):
        told = report["round_trip"]
        bar = stacked_bar("roundtrip", [("", told["parts_ms"])], "ms", told["median_ms"], "measured")
        words = round_trip_line(told)
        parts.append(_section("Measured by chirp", f"{words[0].upper()}{words[1:]}.", bar))
    return parts


def _beside(report: dict[str, Any]) -> list[str]:
    """The section on how the backends stand to the first, where there are others."""
    rows = beside_rows(report)
    words = (
        "In brackets the 95 % interval, found by drawing turns again, the same of both: trouble that lasted "
        "several turns hit both, and falls out of the ratio."
    )
    return [_section(beside_title(report), words, _table(["", *BESIDE], rows))] if rows else []


def _comparison(told: dict[str, Any], old: dict[str, Any], new: dict[str, Any]) -> str:
    heading, reason = "Then and now", told["not_comparable"]
    then = ", ".join(model["name"] for model in old["models"])
    sides = [f"Then: {then}, {old['when']}, {machine_line(old['machine'])}.", told["busy"]]
    if reason or not told["rows"]:
        sides.append(f"{(reason or 'nothing in common').capitalize()}: side by side, and nothing to divide.")
        rows = [[row["name"], micro(row["old_us"]), micro(row["new_us"])] for row in told["rows"]]
        return _section(heading, " ".join(sides), _table(["", "then µs", "now µs"], rows, "comparison"))
    sides.append(NOT_IN_TURN)
    if not told["same_model"]:
        sides.append("The models are not the same.")
    if told["regressions"]:
        sides.append(f"Slower: {', '.join(told['regressions'])}.")
    return _section(heading, " ".join(sides), forest(ratios(new), TOLERANCE))


def _machine(report: dict[str, Any]) -> str:
    info, settings = report["machine"], report["settings"]
    rows = [
        [name, " ".join(v) if isinstance(v, list) else str(v)]
        for name, v in info.items()
        if v not in ("", None)
    ]
    rows += [
        ["other load", settings["load"]],
        ["paced time", f"{settings['duration_s']:g} s in {settings['rounds']} rounds"],
    ]
    return _section("The machine", "What these numbers depend on.", _table([], rows, "wide"))
