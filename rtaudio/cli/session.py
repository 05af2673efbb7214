"""Watch a live engine from the terminal until it ends, and sum up what it did."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Any

from rtaudio.cli.dials import Dials
from rtaudio.cli.interrupts import Interrupts
from rtaudio.cli.keys import Keys
from rtaudio.cli.meters import Meters, trouble
from rtaudio.cli.terminal import console, note, table
from rtaudio.engine.live import LiveEngine

REFRESH_S = 0.125
"""Eight times a second: smooth enough to the eye."""


def watch(
    engine: LiveEngine,
    interrupts: Interrupts,
    *,
    meters: bool = True,
    duration_s: float | None = None,
) -> str:
    """Show meters and obey keys until something ends the stream; says what did.

    That is "finished" (the device came to its end), "duration", "quit", "interrupted" or "failed" (a
    stage in Python did). Meters are shown only where stderr is a terminal.
    """
    ends = time.monotonic() + duration_s if duration_s is not None else None
    dials = Dials(engine.stage)
    with contextlib.ExitStack() as stack:
        keys = stack.enter_context(Keys())
        moving = meters and sys.stderr.isatty()
        shown = stack.enter_context(Meters(_help(dials, keys.listening))) if moving else None
        while True:
            left_s = REFRESH_S if ends is None else min(REFRESH_S, ends - time.monotonic())
            if left_s <= 0:
                return "duration"
            key = keys.wait(left_s)
            if interrupts.wanted:
                return "interrupted"
            if key == "q":
                return "quit"
            if key == "b":
                engine.bypass = not engine.bypass
            if dials.turn(key) and shown is None:
                note(dials.told)
            if shown is not None:
                shown.show(engine.stats(), dials.told)
            if engine.failure is not None:
                return "failed"
            if engine.wait(0):
                return "finished"


def _help(dials: Dials, listening: bool) -> str:
    """What keys do, or what ends the stream where there are none."""
    return " · ".join(filter(None, ("b bypass", dials.keys, "q quit"))) if listening else "Ctrl-C stops"


def summary(engine: LiveEngine, ended: str, **more: Any) -> dict[str, Any]:
    """All that is known of a stream, as `--json` prints it."""
    stats, parts = engine.stats(), engine.latency_parts()
    plan = engine.plan
    return {
        "ended": ended,
        **more,
        "gil_free": engine.gil_free,
        "failure": str(engine.failure) if engine.failure is not None else None,
        "budget": {
            "budget_ms": plan.budget_ms,
            "total_ms": sum(parts.values()),
            "parts_ms": parts,
            "block": plan.block,
            "hop_length": plan.hop_length,
            "sample_rate": plan.sample_rate,
        },
        "counters": trouble(stats),
        "stats": stats.as_dict(),
    }


def print_summary(told: dict[str, Any]) -> None:
    """The summary for people: delay and its parts, hop times, counters."""
    stats, budget = told["stats"], told["budget"]
    shown = table(f"{stats['seconds']:.1f} s of live audio", "", "", "", right=(1,))
    shown.show_header = False
    limit = f"of {budget['budget_ms']:g} allowed" if budget["budget_ms"] else ""
    sizes = f"block {budget['block']}, hop {budget['hop_length']} at {budget['sample_rate']} Hz"
    shown.add_row("delay, microphone to speakers", f"{budget['total_ms']:.1f} ms", limit or sizes)
    for name, ms in budget["parts_ms"].items():
        shown.add_row(f"  {name}", f"{ms:.1f} ms", "")
    deadline_us = stats["deadline_us"]
    for name in ("p50", "p99", "max"):
        value = stats[f"compute_us_{name}"]
        share = (
            f"{100 * value / deadline_us:.1f} % of the deadline, {deadline_us:.0f} µs" if deadline_us else ""
        )
        shown.add_row(f"compute a hop, {name}", f"{value:.0f} µs", share)
    if not told["gil_free"]:
        shown.add_row("not GIL-free", "", "a stage runs in a Python worker")
    for name, n in told["counters"].items():
        shown.add_row(name, str(n), "")
    for name, label in (
        ("nan_hops", "hops muted (NaN)"),
        ("restarts", "device restarts"),
        ("late_worker_hops", "late worker hops"),
        ("spare_worker_hops", "  the native net stood in for"),
    ):
        if stats[name]:
            shown.add_row(label, str(stats[name]), "")
    for name, value in told.get("quality", {}).items():
        shown.add_row(name, f"{value:.1f} dB", "")
    console().print(shown)
