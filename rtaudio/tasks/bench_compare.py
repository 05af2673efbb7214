"""Two reports of `rtaudio bench` side by side: what became slower, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtaudio.errors import ConfigError
from rtaudio.tasks.bench import FORMAT, VERSION
from rtaudio.tasks.bench_ratio import METRICS, TOLERANCE, draw, quantile_of, ratio_of, rounds_of, tells
from rtaudio.tasks.bench_summary import title_of
from rtaudio.tasks.machine import same_machine

NOT_IN_TURN = (
    "The two runs did not take turns: what else slowed the machine, then or now, is in every ratio. "
    "For a fair one name both in one run: `rtaudio bench --model A B`, or `--backend A,B`."
)


def read_report(path: str | Path) -> dict[str, Any]:
    """A report written by `--json`. Raises ConfigError, in one line, for anything else."""
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValueError:
        report = None
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise ConfigError(f"{path}: not a report of `rtaudio bench --json`")
    if report.get("version") != VERSION:
        raise ConfigError(f"{path}: version {report.get('version')}; this rtaudio reads {VERSION}")
    return report


Pair = tuple[dict[str, Any], dict[str, Any]]


def why_not_comparable(old: dict[str, Any], new: dict[str, Any], pairs: Sequence[Pair]) -> str:
    """What forbids to divide one by the other; "" where nothing does."""
    if not same_machine(old["machine"], new["machine"]):
        return "measured on different machines"
    if old["settings"]["load"] != new["settings"]["load"]:
        return "measured under different load"
    if any(then["period_us"] != now["period_us"] for then, now in pairs):
        return "measured at different paces"
    return ""


def matched(old: dict[str, Any], new: dict[str, Any]) -> list[Pair]:
    """What both reports measured: the same backend of the same model, or, where each report is of one
    model, of the two."""
    alone = len(old["models"]) == len(new["models"]) == 1
    before = {("" if alone else told["model"], told["backend"]): told for told in old["backends"]}
    keys = [("" if alone else told["model"], told["backend"]) for told in new["backends"]]
    return [(before[key], told) for key, told in zip(keys, new["backends"], strict=True) if key in before]


def compare(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Every number both reports have, side by side, with ratios where they may be compared.

    A row's ratio is new / old; `low` to `high` is its 95 % interval over rounds drawn again.
    `verdict` is "slower", "faster", "same", or "" where there is no ratio.
    """
    pairs = matched(old, new)
    reason = why_not_comparable(old, new, pairs)
    rows = []
    for then, now in pairs:
        name = title_of(now, new)
        rows += [
            _row(f"{name} {told}", then, now, *metric, ratio=not reason) for told, metric in METRICS.items()
        ]
    rows = [row for row in rows if row]
    weights = [{model["name"]: model["weights"] for model in report["models"]} for report in (old, new)]
    return {
        "not_comparable": reason,
        "busy": _busy(old, new),
        "same_model": all(weights[0][then["model"]] == weights[1][now["model"]] for then, now in pairs),
        "rows": rows,
        "regressions": [row["name"] for row in rows if row["verdict"] == "slower"],
    }


def _busy(old: dict[str, Any], new: dict[str, Any]) -> str:
    """What else the machine had to do: it changes times more than most changes of code do."""
    then, now = (report["machine"].get("load_average") for report in (old, new))
    return f"Programs that wanted to run, load average: then {then}, now {now}."


def _row(
    name: str, old: dict[str, Any], new: dict[str, Any], values: str, quantile: float, *, ratio: bool
) -> dict[str, Any]:
    """One metric of two backends; empty where either has too few hops for it."""
    was, now = (rounds_of(told, values) for told in (old, new))
    if not (tells(was, quantile) and tells(now, quantile)):
        return {}
    row = {"name": name, "old_us": quantile_of(was, quantile), "new_us": quantile_of(now, quantile)}
    if not ratio:
        return row | {"ratio": None, "low": None, "high": None, "verdict": ""}
    rng = np.random.default_rng(0)
    told = ratio_of(now, was, quantile, draw(len(now), rng), draw(len(was), rng))
    verdict = "slower" if told["low"] > TOLERANCE else "faster" if told["high"] < 1 / TOLERANCE else "same"
    return row | told | {"verdict": verdict}
