"""A report of `rtaudio bench` for people: the answer, then the numbers."""

from __future__ import annotations

from typing import Any

from rtaudio.cli.terminal import console, table
from rtaudio.tasks.bench_grid import streams_line
from rtaudio.tasks.machine import machine_line

PERCENTILES = ("p50", "p95", "p99", "p99.9", "max")
GRID_COLUMNS = ("", *PERCENTILES, "hops", "late", "RTF", "")
NOT_GIL_FREE = "not GIL-free"


def micro(value: float | None) -> str:
    """Three digits of a number of µs; `-` where it was not measured."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def title_of(told: dict[str, Any]) -> str:
    return str(told["backend"]) + ("" if told["gil_free"] else f", {NOT_GIL_FREE}")


def wake_of(report: dict[str, Any]) -> dict[str, Any]:
    """Wake-ups as native code sees them, where any was measured: in Python the lock is waited for too."""
    native = [told for told in report["backends"] if told["gil_free"]]
    wake: dict[str, Any] = (native or report["backends"])[0]["wake_us"]
    return wake


def print_report(report: dict[str, Any]) -> None:
    out = console()
    out.print(report["verdict"]["line"], soft_wrap=True)
    if not report["finished"]:
        out.print("interrupted: this is what was measured until then")
    out.print()
    out.print(_compute(report))
    out.print(_stages(report))
    out.print(_delay(report["verdict"]))
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
    out.print(f"timing itself: {report['overhead_ns']:.0f} ns a hop", soft_wrap=True)
    out.print(machine_line(report["machine"]), soft_wrap=True)
    governor, priority = report["machine"]["governor"], report["machine"]["priority"]
    out.print(
        f"governor: {governor}; priority: {priority}; other load: {report['settings']['load']}",
        soft_wrap=True,
    )


def round_trip_line(told: dict[str, Any]) -> str:
    """The measured delay beside the declared one."""
    declared = sum(told["declared_ms"].values())
    return (
        f"measured by chirp: {told['median_ms']:.1f} ms, within {told['spread_samples']} samples in "
        f"{told['runs']} runs, through {told['path']}; declared there: {declared:.1f} ms"
    )


def pace_words(report: dict[str, Any]) -> str:
    """What other paces mean, and what they don't."""
    own = report["period_us"] / 1000
    return f"The same step called at other paces, as such a net would be; this net's own hop is {own:g} ms"


def grid_rows(rows: list[dict[str, Any]], key: str, unit: str) -> list[list[str]]:
    """Cells of `GRID_COLUMNS` for paces or numbers of streams."""
    return [
        [
            f"{row[key]:g}{unit}",
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
        ("paces", "hop_ms", " ms", pace_words(report)),
        ("streams", "streams", "", "Streams in one step on one core"),
    ):
        if report.get(name):
            shown = table(f"{heading}; due to done in µs", *GRID_COLUMNS, right=tuple(range(9)))
            for row in grid_rows(report[name], key, unit):
                shown.add_row(*row)
            grids.append(shown)
    return grids


def _compute(report: dict[str, Any]) -> Any:
    period_ms = report["period_us"] / 1000
    heading = f"Compute a hop in µs; one hop is {period_ms:g} ms"
    shown = table(heading, "", "pace", *PERCENTILES, "hops", "late", "RTF", right=tuple(range(2, 10)))
    for told in report["backends"]:
        row = [micro(told["compute_us"][name]) for name in PERCENTILES]
        rtf = "-" if told["rtf"] is None else f"{told['rtf']:.4f}"
        shown.add_row(title_of(told), "live", *row, str(told["hops"]), str(told["deadline_misses"]), rtf)
        row = [micro(told["warm_us"][name]) for name in PERCENTILES]
        shown.add_row("", "warm", *row, str(told["warm_hops"]), "", "")
    return shown


def _stages(report: dict[str, Any]) -> Any:
    names = list(report["backends"][0]["stage_us"])
    shown = table(
        "Its stages in µs at live pace, p50 / p99", "", *names, right=tuple(range(1, len(names) + 1))
    )
    for told in report["backends"]:
        cells = [
            f"{micro(told['stage_us'][n]['p50'])} / {micro(told['stage_us'][n]['p99'])}"
            for n in told["stage_us"]
        ]
        shown.add_row(str(told["backend"]), *cells)
    return shown


def _delay(verdict: dict[str, Any]) -> Any:
    shown = table("Delay, microphone to speakers", "", "ms", "", right=(1,))
    shown.show_header = False
    why = {
        "algorithmic": "the window",
        "ring": "blocks making up a hop",
        "compute": f"kept for a hop; {verdict['needed_us'] / 1000:.2f} needed ({verdict['needed_is']})",
        "device": f"a block of {verdict['block']} each way, as long as no device was measured",
    }
    for part, ms in verdict["parts_ms"].items():
        shown.add_row(part, f"{ms:.1f}", why.get(part, ""))
    shown.add_row("total", f"{verdict['total_ms']:.1f}", f"of {verdict['budget_ms']:g} allowed")
    return shown


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
    if not told["same_model"]:
        out.print("the models are not the same")
    if told["regressions"]:
        out.print(f"slower than before: {', '.join(told['regressions'])}", soft_wrap=True)
