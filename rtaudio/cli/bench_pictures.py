"""What the pictures of a report show, whether they are drawn as SVG or as PNG."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtaudio.cli.charts import COLOURS, Curve
from rtaudio.tasks.bench_summary import short_name, tail, title_of

MISSES_DRAWN = 2000
"""Enough to see that it is hopeless; a page with one circle for each of a million would not open."""

Rows = list[tuple[str, dict[str, float]]]
"""Bars: a label, and named parts."""


def delay_rows(report: dict[str, Any]) -> Rows:
    """Of each model, the parts of its delay in ms."""
    several = len(report["models"]) > 1
    return [
        (short_name(model["name"]) if several else "", model["verdict"]["parts_ms"])
        for model in report["models"]
    ]


def ratios(report: dict[str, Any]) -> list[tuple[str, float, float, float, str]]:
    """Of the comparison to an older run: name, ratio, low, high, verdict; nothing where none may be told."""
    rows = report.get("comparison", {}).get("rows", ())
    return [
        (row["name"], row["ratio"], row["low"], row["high"], row["verdict"])
        for row in rows
        if row["ratio"] is not None
    ]


def tail_curves(report: dict[str, Any]) -> list[Curve]:
    """The times of all hops of each backend, live and warm, of those that ran."""
    curves = []
    for i, told in enumerate(report["backends"]):
        name, samples = title_of(told, report), told["samples"]
        curves += [
            Curve(f"{name}, live", np.asarray(samples["compute_us"]), i % COLOURS),
            Curve(f"{name}, warm", np.asarray(samples["warm_us"]), i % COLOURS, dashed=True),
        ]
    return [curve for curve in curves if curve.values.size]


def deadlines(report: dict[str, Any]) -> list[float]:
    """Each once, µs."""
    return list(dict.fromkeys(model["period_us"] for model in report["models"]))


def hop_by_hop(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Backends worth a timeline, of those whose hops were timed live: the one that each model is judged by,
    and all that missed a deadline."""
    models = [told["model"] for told in report["backends"]]
    return [
        told
        for i, told in enumerate(report["backends"])
        if told["hops"] and (told["model"] not in models[:i] or told["missed_hops"])
    ]


def streams_points(report: dict[str, Any], model: dict[str, Any]) -> list[tuple[int, float, float, bool]]:
    """Of a model: streams, median and tail in µs, and whether they fit, where hops were enough to tell."""
    return [
        (row["streams"], row["response_us"]["p50"], tail(row["response_us"])[1], row["fits"])
        for row in report["streams"]
        if row["response_us"]["p50"] is not None and row["model"] == model["name"]
    ]


def stage_rows(report: dict[str, Any]) -> Rows:
    """Of each backend, the median of each stage at live pace in µs, where enough hops were done to tell."""
    return [
        (title_of(told, report), {name: values["p50"] for name, values in told["stage_us"].items()})
        for told in report["backends"]
        if told["compute_us"]["p50"] is not None
    ]
