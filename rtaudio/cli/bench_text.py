"""A report of `rtaudio bench` for people: the answer, then the numbers."""

from __future__ import annotations

from typing import Any

from rtaudio.cli.terminal import console, table
from rtaudio.tasks.bench_compare import NOT_IN_TURN
from rtaudio.tasks.bench_grid import streams_line
from rtaudio.tasks.bench_ratio import BESIDE, slower_than_first
from rtaudio.tasks.bench_summary import short_name, title_of
from rtaudio.tasks.machine import machine_line

PERCENTILES = ("p50", "p95", "p99", "p99.9", "max")
GRID_COLUMNS = ("", *PERCENTILES, "hops", "late", "RTF", "")
MOST_OVERHEAD_NS = 1000
"""Goal of what timing a hop costs: 1 % of the 100 µs that a small net's takes."""
NOTHING_BESIDE = "--compare with no file sets the others beside the first: name two, as in --model A B"
NOT_GIL_FREE = "not GIL-free"


def micro(value: float | None) -> str:
    """Three digits of a number of µs; `-` where it was not measured."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def full_title(told: dict[str, Any], report: dict[str, Any]) -> str:
    return title_of(told, report) + ("" if told["gil_free"] else f", {NOT_GIL_FREE}")


def verdict_lines(report: dict[str, Any]) -> list[str]:
    """The answer, a line a model."""
    models = report["models"]
    lines = [model["verdict"]["line"] for model in models]
    if len(models) == 1:
        return lines
    return [f"{short_name(model['name'])}: {line}" for model, line in zip(models, lines, strict=True)]


def failure_lines(report: dict[str, Any]) -> list[str]:
    """A line for each backend, pace and number of streams that came to an end of its own."""
    ran = [(title_of(told, report), told) for told in report["backends"]]
    ran += [(f"{short_name(row['model'])} at {row['hop_ms']:g} ms", row) for row in report["paces"]]
    ran += [(f"{short_name(row['model'])}, {row['streams']} streams,", row) for row in report["streams"]]
    return [f"{name} {told['failure']}" for name, told in ran if told["failure"]]


def power_line(report: dict[str, Any]) -> str:
    """What it takes of a core and of the socket."""
    shares = [
        f"{title_of(told, report)} {100 * told['cpu_share']:.1f} %"
        for told in report["backends"]
        if told["cpu_share"] is not None
    ]
    watts = [
        f"{title_of(told, report)} {told['power_w']:.1f} W"
        for told in report["backends"]
        if told["power_w"] is not None
    ]
    taken = f"of the whole processor meanwhile: {', '.join(watts)}" if watts else "not told by this machine"
    return f"processor time, of one core: {', '.join(shares)}; energy: {taken}"


def wake_of(report: dict[str, Any]) -> dict[str, Any]:
    """Wake-ups as native code sees them, where any was measured: in Python the lock is waited for too."""
    native = [told for told in report["backends"] if told["gil_free"]]
    wake: dict[str, Any] = (native or report["backends"])[0]["wake_us"]
    return wake


def print_report(report: dict[str, Any]) -> None:
    out = console()
    for line in verdict_lines(report):
        out.print(line, soft_wrap=True)
    if not report["finished"]:
        out.print("interrupted: this is what was measured until then")
    out.print()
    out.print(_compute(report))
    if rows := beside_rows(report):
        shown = table(f"{beside_title(report)} [95 % interval]", "", *BESIDE, right=(1, 2, 3))
        for row in rows:
            shown.add_row(*row)
        out.print(shown)
    out.print(_stages(report))
    for model in report["models"]:
        out.print(_delay(model, report))
    for shown in _grids(report):
        out.print(shown)
    if report.get("round_trip"):
        out.print(round_trip_line(report["round_trip"]), soft_wrap=True)
    if report.get("streams"):
        out.print(streams_line(report["streams"]), soft_wrap=True)
    if "comparison" in report:
        _print_comparison(report["comparison"])
    wake = wake_of(report)
    late = ", ".join(f"{name} {micro(wake[name])}" for name in PERCENTILES)
    out.print(f"wake-up: a sleep until the next hop ends late by {late} µs", soft_wrap=True)
    out.print(power_line(report), soft_wrap=True)
    out.print(f"timing itself, a hop: {overhead_words(report)}", soft_wrap=True)
    out.print(machine_line(report["machine"]), soft_wrap=True)
    governor, priority = report["machine"]["governor"], report["machine"]["priority"]
    out.print(
        f"governor: {governor}; priority: {priority}; other load: {report['settings']['load']}",
        soft_wrap=True,
    )


def overhead_words(report: dict[str, Any]) -> str:
    """What timing costs with each backend, and where that is more than the goal."""
    return ", ".join(
        f"{title_of(told, report)} {told['overhead_ns']:.0f} ns"
        + f" (over the {MOST_OVERHEAD_NS} it may)" * (told["overhead_ns"] > MOST_OVERHEAD_NS)
        for told in report["backends"]
    )


def round_trip_line(told: dict[str, Any]) -> str:
    """The measured delay beside the declared one."""
    declared, passed = (sum(told[name].values()) for name in ("declared_ms", "parts_ms"))
    beside = f", {declared - passed:.1f} of it buffers of a sound card, past which the chirp went"
    missed = f"; {told['deadline_misses']} of {told['hops']} hops missed the deadline there"
    return (
        f"measured by chirp: {told['median_ms']:.1f} ms, within {told['spread_samples']} samples in "
        f"{told['runs']} runs, through {told['path']}; declared there: {declared:.1f} ms"
        + beside * (declared > passed)
        + missed * bool(told["hops"])
    )


def pace_words(report: dict[str, Any]) -> str:
    """What other paces mean, and what they don't."""
    own = " and ".join(dict.fromkeys(f"{model['period_us'] / 1000:g} ms" for model in report["models"]))
    return f"The same step called at other paces, as such a net would be; this net's own hop is {own}"


def streams_words(report: dict[str, Any]) -> str:
    """How the streams of each model share a hop."""
    ways = {short_name(row["model"]): row["step"] for row in report["streams"]}
    if len(set(ways.values())) == 1:
        return f"Streams on one core, {next(iter(ways.values()))}"
    return f"Streams on one core: {', '.join(f'{name} {way}' for name, way in ways.items())}"


def grid_rows(rows: list[dict[str, Any]], key: str, unit: str) -> list[list[str]]:
    """Cells of `GRID_COLUMNS` for paces or numbers of streams."""
    several = len({row["model"] for row in rows}) > 1
    return [
        [
            f"{short_name(row['model'])} {row[key]:g}{unit}" if several else f"{row[key]:g}{unit}",
            *(micro(row["response_us"][name]) for name in PERCENTILES),
            str(row["hops"]),
            str(row["deadline_misses"]),
            "-" if row["rtf"] is None else f"{row['rtf']:.3f}",
            "fits" if row["fits"] else "does not fit",
        ]
        for row in rows
    ]


def _grids(report: dict[str, Any]) -> list[Any]:
    grids = []
    for name, key, unit, heading in (
        ("paces", "hop_ms", " ms", pace_words),
        ("streams", "streams", "", streams_words),
    ):
        if report.get(name):
            title = f"{heading(report)}; due to done in µs"
            shown = table(title, *GRID_COLUMNS, right=tuple(range(9)))
            for row in grid_rows(report[name], key, unit):
                shown.add_row(*row)
            grids.append(shown)
    return grids


def _compute(report: dict[str, Any]) -> Any:
    hops = " and ".join(dict.fromkeys(f"{told['period_us'] / 1000:g} ms" for told in report["backends"]))
    heading = f"Compute a hop in µs; one hop is {hops}"
    shown = table(heading, "", "pace", *PERCENTILES, "hops", "late", "RTF", right=tuple(range(2, 10)))
    for told in report["backends"]:
        row = [micro(told["compute_us"][name]) for name in PERCENTILES]
        rtf = "-" if told["rtf"] is None else f"{told['rtf']:.4f}"
        counts = [str(told["hops"]), str(told["deadline_misses"]), rtf]
        shown.add_row(full_title(told, report), "live", *row, *counts)
        row = [micro(told["warm_us"][name]) for name in PERCENTILES]
        shown.add_row("", "warm", *row, str(told["warm_hops"]), "", "")
    return shown


def beside_title(report: dict[str, Any]) -> str:
    return f"Beside {title_of(report['beside'], report)}, in turn with it: how many times as long a hop takes"


def beside_rows(report: dict[str, Any]) -> list[list[str]]:
    """Of each backend but the first, its name and a cell for each of `BESIDE`; of those with any to tell.

    A hop of another length than the first's is told with the name: it is other work.
    """
    first = report.get("beside") or {"others": []}
    rows = []
    for told in first["others"]:
        if any(told[name] for name in BESIDE):
            other = told["period_us"] != first["period_us"]
            hop = f", hops of {told['period_us'] / 1000:g} ms" * other
            rows.append([title_of(told, report) + hop, *(_ratio(told[name]) for name in BESIDE)])
    return rows


def slower_lines(report: dict[str, Any]) -> list[str]:
    """A line for each backend that is slower than the first, or that can't be set beside it."""
    told = report["beside"]
    if told is None:
        return [NOTHING_BESIDE]
    slower: dict[str, list[str]] = {}
    for other, name in slower_than_first(told):
        slower.setdefault(title_of(other, report), []).append(f"{name} {_ratio(other[name])}")
    first = title_of(told, report)
    untold = [other for other in told["others"] if not any(other[name] for name in BESIDE)]
    return [
        *(f"{title} is slower than {first}: {', '.join(ratios)}" for title, ratios in slower.items()),
        *(f"too few hops of {title_of(other, report)} to set it beside {first}" for other in untold),
    ]


def _ratio(told: dict[str, float] | None) -> str:
    return f"{told['ratio']:.2f} [{told['low']:.2f} to {told['high']:.2f}]" if told else "-"


def _stages(report: dict[str, Any]) -> Any:
    names = list(dict.fromkeys(name for told in report["backends"] for name in told["stage_us"]))
    shown = table(
        "Its stages in µs at live pace, p50 / p99", "", *names, right=tuple(range(1, len(names) + 1))
    )
    for told in report["backends"]:
        stages = told["stage_us"]
        cells = [
            f"{micro(stages[n]['p50'])} / {micro(stages[n]['p99'])}" if n in stages else "" for n in names
        ]
        shown.add_row(title_of(told, report), *cells)
    return shown


def _delay(model: dict[str, Any], report: dict[str, Any]) -> Any:
    verdict, several = model["verdict"], len(report["models"]) > 1
    shown = table(
        "Delay, microphone to speakers" + (f": {short_name(model['name'])}" if several else ""),
        "",
        "ms",
        "",
        right=(1,),
    )
    shown.show_header = False
    needed = f"{verdict['needed_us'] / 1000:.2f} needed ({verdict['needed_is']})"
    worker = "worker" in verdict["parts_ms"]
    why = {
        "algorithmic": "the window, and what else the model needs to hear first",
        "worker": f"the deadline of what runs in Python; {needed}",
        "ring": "blocks making up a hop",
        "compute": "kept for a hop" + ("" if worker else f"; {needed}"),
        "two streams": "microphone and speakers each ask at a moment of their own, at worst",
        "device": _device_words(verdict),
        "rest": "measured, and in none of the parts"
        if verdict["parts_ms"].get("rest", 0) >= 0
        else "of the parts, and not measured",
    }
    for part, ms in verdict["parts_ms"].items():
        shown.add_row(part, f"{ms:.1f}", why.get(part, ""))
    basis = f"{verdict['basis']}; " if verdict["basis"] else ""
    shown.add_row("total", f"{verdict['total_ms']:.1f}", f"{basis}of {verdict['budget_ms']:g} allowed")
    return shown


def _device_words(verdict: dict[str, Any]) -> str:
    if not verdict["basis"]:
        return f"a block of {verdict['block']} each way, as long as no device was measured"
    if not verdict["parts_ms"]["device"]:
        return "no buffers of a sound card on the way of the chirp"
    return f"both ways, as declared there with blocks of {verdict['block']}"


def _print_comparison(told: dict[str, Any]) -> None:
    out = console()
    reason = told["not_comparable"]
    heading = f"Then and now, side by side: {reason}" if reason else "Then and now"
    columns = ("then µs", "now µs") if reason else ("then µs", "now µs", "ratio", "95 %", "")
    shown = table(heading, "", *columns, right=(1, 2, 3))
    for row in told["rows"]:
        cells = [row["name"], micro(row["old_us"]), micro(row["new_us"])]
        if not reason:
            cells += [f"{row['ratio']:.2f}", f"{row['low']:.2f} to {row['high']:.2f}", row["verdict"]]
        shown.add_row(*cells)
    out.print(shown)
    out.print(told["busy"])
    if not reason:
        out.print(NOT_IN_TURN, soft_wrap=True)
    if not told["same_model"]:
        out.print("the models are not the same")
    if told["regressions"]:
        out.print(f"slower than before: {', '.join(told['regressions'])}", soft_wrap=True)
