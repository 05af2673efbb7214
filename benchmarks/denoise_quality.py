"""How well the shipped denoiser cleans speech, beside RNNoise 0.2 and the noisy input, on the same mixes.

Mixes of validation speakers and noises of the data folder (`RTAUDIO_DATA`, else `../shared/data`),
-5..15 dB, settled by their seed; or `--pairs DIR` with `pairs.csv` (noisy, clean, snr_db). Signals are
aligned to the sample before they are scored. SI-SDR at 48 kHz; PESQ (wide band) and STOI at 16 kHz.
Intervals are 95 % of 2000 bootstrap resamples of the pairs.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from benchmarks.report import Report, Table
from rtaudio.errors import RtaudioError
from rtaudio.stream.offline import run_offline
from rtaudio.tasks.denoise import build_denoiser
from rtaudio.tasks.machine import installed
from rtaudio.training.data import SAMPLE_RATE, build_store
from rtaudio.training.evaluate import Pair, Scores, score, validation_pairs

Samples = NDArray[np.float32]
System = Callable[[Samples], Samples]

PAIRS, QUICK_PAIRS, SECONDS = 120, 24, 5.0
SEED = 20240501  # not the seed of the mixes that choose the best checkpoint while training
RNNOISE_HOP, RNNOISE_DELAY = 480, 960  # delay measured by correlation with clean speech, 959-960 samples


def ours(model: str | Path, atten_limit_db: float | None) -> System:
    """The native pipeline as it runs live, its latency taken off."""

    def run(noisy: Samples) -> Samples:
        pipeline = build_denoiser(model, atten_limit_db=atten_limit_db)
        return run_offline(pipeline, noisy)[pipeline.latency :]

    return run


def rnnoise(noisy: Samples) -> Samples:
    """RNNoise 0.2, hop by hop through its own interface, its delay taken off."""
    from pyrnnoise.rnnoise import create, destroy, process_frame

    n_hops = -(-(noisy.size + RNNOISE_DELAY) // RNNOISE_HOP)
    padded = np.pad(np.clip(noisy, -1, 1), (0, n_hops * RNNOISE_HOP - noisy.size))
    hops = (padded * 32767).astype(np.int16).reshape(n_hops, 1, RNNOISE_HOP)
    state = create()
    out = np.concatenate([process_frame([state], hop)[0][0] for hop in hops])
    destroy(state)
    return out[RNNOISE_DELAY : RNNOISE_DELAY + noisy.size].astype(np.float32) / np.float32(32768)


def made_pairs(n_pairs: int) -> list[Pair]:
    """Mixes of the data folder's validation recordings."""
    default = Path(__file__).parents[1] / "../shared/data"
    with tempfile.TemporaryDirectory() as folder:
        store = build_store(Path(os.environ.get("RTAUDIO_DATA", default)), Path(folder), splits=("valid",))
        return validation_pairs(store, n_pairs, SECONDS, SEED)


def read_pairs(folder: Path, limit: int | None) -> list[Pair]:
    """Pairs listed in `pairs.csv`: noisy, clean (paths from the folder), snr_db."""
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:limit]
    return [
        Pair(_audio(folder / row["clean"]), _audio(folder / row["noisy"]), float(row["snr_db"]))
        for row in rows
    ]


def _audio(path: Path) -> Samples:
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    at_48k: Samples = soxr.resample(audio.mean(1), rate, SAMPLE_RATE).astype(np.float32)
    return at_48k


def mean_with_interval(values: NDArray[np.float64] | None) -> str | None:
    """Mean and the 95 % interval of bootstrap resamples; None where nothing was measured."""
    if values is None:
        return None
    there = values[np.isfinite(values)]
    means = np.random.default_rng(0).choice(there, (2000, there.size)).mean(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return f"{there.mean():.2f} ({low:.2f} to {high:.2f})"


def add_row(table: Table, name: str, scores: Scores) -> None:
    table.row(
        name,
        mean_with_interval(scores.si_sdr_db),
        f"{scores.improvement_db.mean():.2f}",
        f"{scores.improvement_db.min():.1f}",
        mean_with_interval(scores.pesq),
        mean_with_interval(scores.stoi),
    )


def by_group(report: Report, title: str, labels: Sequence[str], results: dict[str, Scores]) -> None:
    """SI-SDR gain of each system over the pairs of each label."""
    table = report.table(title, ["", "pairs", *results])
    for label in sorted(set(labels), key=natural):
        chosen = np.array([x == label for x in labels])
        table.row(
            label, int(chosen.sum()), *(float(s.improvement_db[chosen].mean()) for s in results.values())
        )
    report.show(table)


def natural(label: str) -> tuple[float, str]:
    """Sort key: numbers by value, names after them by letter."""
    number = re.match(r"-?\d+", label)
    return (float(number[0]) if number else math.inf, label)


def snr_label(snr_db: float) -> str:
    """The step of 5 dB a pair lies in."""
    low = 5 * math.floor(snr_db / 5)
    return f"{low} to {low + 5}"


def systems(model: str | Path, limits_db: Sequence[float | None]) -> dict[str, System]:
    """Everything that is compared, by name."""
    there: dict[str, System] = {"noisy": lambda noisy: noisy}
    for limit_db in limits_db:
        name = "no limit" if limit_db is None else f"limit {limit_db:g} dB"
        there[f"ours, {name}"] = ours(model, limit_db)
    if installed("pyrnnoise"):
        there["RNNoise 0.2"] = rnnoise
    return there


def run(report: Report, pairs: list[Pair], model: str | Path, limits_db: Sequence[float | None]) -> None:
    columns = ["system", "SI-SDR dB", "gain dB", "worst gain dB", "PESQ", "STOI %"]
    table, results = report.table(f"{len(pairs)} pairs, mean (95 % interval)", columns), {}
    for name, system in systems(model, limits_db).items():
        results[name] = score(pairs, [system(pair.noisy) for pair in pairs], perceptual=True)
        add_row(table, name, results[name])
    report.show(table)
    shown: dict[str, Scores] = {k: v for k, v in results.items() if k in ("ours, no limit", "RNNoise 0.2")}
    by_group(report, "SI-SDR gain by SNR (dB)", [snr_label(pair.snr_db) for pair in pairs], shown)
    if pairs[0].noise:
        by_group(report, "SI-SDR gain by noise (dB)", [pair.noise for pair in pairs], shown)
    best = results["ours, no limit"].si_sdr_db.mean()
    if "RNNoise 0.2" in results:
        report.goal("SI-SDR dB, over RNNoise 0.2", best, float(results["RNNoise 0.2"].si_sdr_db.mean()), ">")
    else:
        report.note("pyrnnoise is not installed: nothing to compare with")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.denoise_quality", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PAIRS} pairs instead of {PAIRS}")
    parser.add_argument("--json", metavar="FILE", help="write machine, tables and goals there too")
    parser.add_argument("--pairs", type=Path, metavar="DIR", help="score these pairs instead of our mixes")
    parser.add_argument(
        "--limits", type=float, nargs="*", default=[20.0], help="attenuation limits in dB (20)"
    )
    parser.add_argument("--model", default="standard", help="a shipped model or a weights file (standard)")
    args: Any = parser.parse_args(arguments)
    n_pairs = QUICK_PAIRS if args.quick else PAIRS
    try:
        pairs = read_pairs(args.pairs, n_pairs if args.quick else None) if args.pairs else made_pairs(n_pairs)
    except RtaudioError as error:
        print(f"denoise_quality: {error}", file=sys.stderr)
        return error.exit_code
    report = Report("denoise_quality")
    run(report, pairs, args.model, [None, *args.limits])
    return report.finish(args.json)


if __name__ == "__main__":
    sys.exit(main())
