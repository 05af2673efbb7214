"""What a hop of each denoiser costs here, as far as that can be told in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rtaudio.tasks.bench_measure import Measurement
from rtaudio.tasks.bench_subject import build_subject
from rtaudio.tasks.bench_summary import summarise

SECONDS, ROUNDS = 1.2, 3
"""For all models together: some 40 hops of each, enough for a median and for nothing beyond it. In few
turns, since each begins with work of its own, which so short a measurement would tell as the model's."""


def hop_costs(models: Sequence[str | Path]) -> dict[str, dict[str, float | None]]:
    """By model, `compute_us_p50` of a hop and `cpu_share`, the share of a core that it takes.

    Hops come at the pace of live audio, the models in turn, as in `rtaudio bench`, which takes longer to
    tell the tail, too. None where a model failed before it was measured. Raises what `build_subject` does.
    """
    if not models:
        return {}
    subjects = [build_subject(model, [("native", "cpu")]) for model in models]
    timed = [(subject.backends[0], subject.period_ns) for subject in subjects]
    measurement = Measurement(timed, SECONDS, rounds=ROUNDS)
    measurement.run()
    told = map(summarise, measurement.runs)
    return {
        str(model): {"compute_us_p50": runs["compute_us"]["p50"], "cpu_share": runs["cpu_share"]}
        for model, runs in zip(models, told, strict=True)
    }
