"""Two reports of `rtaudio bench` side by side: what became slower, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import ConfigError
from rtaudio.tasks.bench import FORMAT, VERSION
from rtaudio.tasks.bench_summary import enough, title_of
from rtaudio.tasks.machine import same_machine

TOLERANCE = 1.10
"""A regression is slower by more than this with 95 % confidence. The interval knows only how much
each run varied in itself; a machine that was busier the second time is slower as surely as worse
code is, so for a verdict on code both runs need a quiet machine."""
RESAMPLES = 500
SAMPLES = {"compute_us": "rounds", "warm_us": "warm_rounds"}
METRICS = {
    "paced p50": ("compute_us", 0.5),
    "paced p99": ("compute_us", 0.99),
    "paced p99.9": ("compute_us", 0.999),
    "warm p50": ("warm_us", 0.5),
}


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
    rounds = [_rounds(told["samples"], values) for told in (old, new)]
    if not all(enough(sum(map(len, r)), quantile) for r in rounds):
        return {}
    was, now = (float(np.quantile(np.concatenate(r), quantile)) for r in rounds)
    row = {"name": name, "old_us": was, "new_us": now, "ratio": None, "low": None, "high": None}
    if not ratio:
        return row | {"verdict": ""}
    rng = np.random.default_rng(0)
    ratios = resampled(rounds[1], quantile, rng) / resampled(rounds[0], quantile, rng)
    low, high = (float(x) for x in np.quantile(ratios, (0.025, 0.975)))
    verdict = "slower" if low > TOLERANCE else "faster" if high < 1 / TOLERANCE else "same"
    return row | {"ratio": now / was, "low": low, "high": high, "verdict": verdict}


def resampled(
    rounds: Sequence[NDArray[np.float64]], quantile: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """The quantile of `RESAMPLES` sets of rounds, each drawn with replacement."""
    picks = rng.integers(len(rounds), size=(RESAMPLES, len(rounds)))
    return np.array([np.quantile(np.concatenate([rounds[i] for i in pick]), quantile) for pick in picks])


def _rounds(samples: dict[str, Any], values: str) -> list[NDArray[np.float64]]:
    ends = np.cumsum(samples[SAMPLES[values]])[:-1]
    return [part for part in np.split(np.asarray(samples[values], np.float64), ends) if len(part)]
