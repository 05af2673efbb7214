"""How many times as long the hops of one backend take as another's, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.tasks.bench_summary import enough

TOLERANCE = 1.10
"""A regression is slower by more than this with 95 % confidence. Of two runs the interval knows only how much
each varied in itself: a machine that was busier the second time is slower as surely as worse code is. Of
what took turns in one run it knows better."""
RESAMPLES = 500
SAMPLES = {"compute_us": "rounds", "warm_us": "warm_rounds"}
METRICS = {
    "paced p50": ("compute_us", 0.5),
    "paced p99": ("compute_us", 0.99),
    "paced p99.9": ("compute_us", 0.999),
    "warm p50": ("warm_us", 0.5),
}
BESIDE = ("paced p50", "paced p99", "warm p50")
"""Of `METRICS`, what is told within a run."""
LEAST_ROUNDS = 5
"""Of fewer an interval is too narrow. On made-up rounds with moods of their own, intervals of 95 % held
the true ratio 91 times of 100 at 5 and at 10 rounds, 86 at 3 and 51 at 2."""

Rounds = list[NDArray[np.float64]]
"""Times in µs, an array a round."""


def beside(backends: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The backends of a report, each set beside the first, with which it took turns; None of one alone.

    Of each of `BESIDE`: `ratio` to the first, and `low` to `high`, its 95 % interval over rounds drawn
    again, the same of both: what made the machine slow for a while made it so for both, and falls out
    of the ratio. Only rounds that both did count; None where they or their hops are too few. Hops are set
    beside hops, whatever the period of each.
    """
    if len(backends) < 2:
        return None
    first, *others = backends
    who = ("model", "backend", "period_us")
    return {key: first[key] for key in who} | {
        "others": [
            {key: told[key] for key in who} | {name: _in_turn(first, told, *METRICS[name]) for name in BESIDE}
            for told in others
        ],
    }


def slower_than_first(told: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """What of `beside` is slower than the first for sure: the backend, and which of `BESIDE`."""
    return [
        (other, name)
        for other in told["others"]
        for name in BESIDE
        if other[name] is not None and other[name]["low"] > TOLERANCE
    ]


def _in_turn(
    first: dict[str, Any], other: dict[str, Any], values: str, quantile: float
) -> dict[str, float] | None:
    pairs = list(zip(rounds_of(first, values), rounds_of(other, values), strict=False))
    base, rounds = ([pair[side] for pair in pairs] for side in (0, 1))
    if len(pairs) < LEAST_ROUNDS or not (tells(base, quantile) and tells(rounds, quantile)):
        return None
    picks = draw(len(pairs), np.random.default_rng(0))
    return ratio_of(rounds, base, quantile, picks, picks)


def ratio_of(
    rounds: Rounds,
    base: Rounds,
    quantile: float,
    picks: NDArray[np.int64],
    base_picks: NDArray[np.int64],
) -> dict[str, float]:
    """A quantile of all rounds to that of those of `base`, with its 95 % interval over these picks."""
    ratio = quantile_of(rounds, quantile) / quantile_of(base, quantile)
    ratios = resampled(rounds, quantile, picks) / resampled(base, quantile, base_picks)
    low, high = (float(x) for x in np.quantile(ratios, (0.025, 0.975)))
    return {"ratio": ratio, "low": low, "high": high}


def draw(n_rounds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`(RESAMPLES, n_rounds)`: sets of rounds, each drawn with replacement."""
    return rng.integers(n_rounds, size=(RESAMPLES, n_rounds))


def resampled(rounds: Rounds, quantile: float, picks: NDArray[np.int64]) -> NDArray[np.float64]:
    """The quantile of each set of rounds."""
    return np.array([quantile_of([rounds[i] for i in pick], quantile) for pick in picks])


def quantile_of(rounds: Rounds, quantile: float) -> float:
    """Of all rounds together, in µs."""
    return float(np.quantile(np.concatenate(rounds), quantile))


def tells(rounds: Rounds, quantile: float) -> bool:
    """Whether so many hops can tell the quantile."""
    return enough(sum(map(len, rounds)), quantile)


def rounds_of(told: dict[str, Any], values: str) -> Rounds:
    """Times of a backend, `values` of `SAMPLES`, by rounds; without those that had no hop."""
    samples = told["samples"]
    ends = np.cumsum(samples[SAMPLES[values]])[:-1]
    return [part for part in np.split(np.asarray(samples[values], np.float64), ends) if len(part)]
