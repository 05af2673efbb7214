"""What int8 kernels cost in quality: the shipped denoiser in each precision, on the same validation mixes.

Mixes and scores as in `benchmarks.denoise_quality`. The loss is float32's mean less the precision's; PESQ may
lose 0.03 at most, or that precision does not ship.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.denoise_quality import PAIRS, QUICK_PAIRS, made_pairs, mean_with_interval
from benchmarks.report import Report, main
from rtaudio.kernels.simd_int8 import DOT4_KIND
from rtaudio.nn.denoise import NET_NAME
from rtaudio.nn.product import PRECISIONS
from rtaudio.nn.weights import list_models
from rtaudio.stream.offline import run_offline
from rtaudio.tasks.denoise import build_denoiser
from rtaudio.training.evaluate import Pair, Scores, score

MOST_PESQ_LOSS = 0.03


def scores_of(model: str, precision: str, pairs: list[Pair]) -> Scores:
    pipeline, outputs = build_denoiser(model, precision=precision), []
    for pair in pairs:
        pipeline.reset()
        outputs.append(run_offline(pipeline, pair.noisy)[pipeline.latency :])
    return score(pairs, outputs, perceptual=True)


def mean_loss(full: Any, other: Any) -> float:
    return float(np.nanmean(full - other))


def run(report: Report, quick: bool) -> None:
    pairs = made_pairs(QUICK_PAIRS if quick else PAIRS)
    report.note(f"products of bytes: {DOT4_KIND}")
    columns = ["precision", "SI-SDR dB", "gain dB", "worst gain dB", "PESQ", "STOI %"]
    for model in list_models(NET_NAME):
        table = report.table(f"{model}, {len(pairs)} pairs, mean (95 % interval)", columns)
        results = {precision: scores_of(model, precision, pairs) for precision in PRECISIONS}
        for precision, scores in results.items():
            table.row(
                precision,
                mean_with_interval(scores.si_sdr_db),
                f"{scores.improvement_db.mean():.2f}",
                f"{scores.improvement_db.min():.1f}",
                mean_with_interval(scores.pesq),
                mean_with_interval(scores.stoi),
            )
        report.show(table)
        full = results.pop("float32")
        for precision, scores in results.items():
            name = f"{model}, {precision}"
            report.goal(f"{name}: PESQ loss", mean_loss(full.pesq, scores.pesq), MOST_PESQ_LOSS)
            report.note(
                f"{name}: SI-SDR loss {mean_loss(full.si_sdr_db, scores.si_sdr_db):.3f} dB, "
                f"STOI loss {mean_loss(full.stoi, scores.stoi):.3f} %"
            )


if __name__ == "__main__":
    main(run)
