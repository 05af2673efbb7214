"""How well our denoisers clean speech, beside the field's, on the same mixes.

Mixes of validation speakers and noises of the data folder (`RTAUDIO_DATA`, else `../shared/data`),
-5..15 dB, settled by their seed, every sixth as a microphone at 16 kHz hears it; or `--pairs DIR` with
`pairs.csv` (noisy, clean, snr_db). Signals are aligned to the sample before they are scored: SI-SDR at
48 kHz; PESQ (wide band), STOI and extended STOI at 16 kHz; how much quieter pauses are; the level of the
speech; how far the band from 8 to 20 kHz is from the clean one's; DNSMOS where its model is. Intervals are
95 % of 2000 bootstrap resamples of the pairs. Scores by age come from mixes of their own: the only
speakers whose age is told were recorded at 16 kHz. Goals named `beyond` are told, and not asked for.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import csv
import dataclasses
import itertools
import math
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from benchmarks.behaviour import BEHAVIOUR, ripple_db
from benchmarks.metrics import Dnsmos, air_distance_db, estoi_percent, pause_reduction_db, speech_level_db
from benchmarks.report import Report
from benchmarks.systems import System, ours, peers_folder, systems
from benchmarks.voices import AGES, UNKNOWN, age_group, language
from rtaudio.errors import RtaudioError
from rtaudio.training.data import SAMPLE_RATE, ClipStore, build_store
from rtaudio.training.evaluate import Pair, pesq_wide_band, si_sdr_db, stoi_percent, validation_pairs

Samples = NDArray[np.float32]
Scores = dict[str, NDArray[np.float64]]
"""One value a pair, by the name of its column."""

PAIRS, QUICK_PAIRS, SECONDS = 120, 18, 5.0
PAIRS_PER_AGED = 4
"""Pairs of all to one of speakers whose age is told."""
SEED = 20240501  # not the seed of the mixes that choose the best checkpoint while training
NARROW_EVERY, NARROW_HZ = 6, 16000
SPEAKERS = 12
"""Clips for the measures of behaviour, the first ones of as many pairs."""
IMPULSIVE = ("clock_tick", "dog_bark", "keyboard", "door", "knock", "rooster", "sneeze")
COLUMNS = ("SI-SDR gain dB", "PESQ", "STOI %", "ESTOI %", "pauses dB", "level dB", "8-20 kHz dB")
REFERENCE = "RNNoise 0.2"
MARGINS = {
    "standard": {"SI-SDR gain dB": 1.5, "PESQ": 0.0, "STOI %": 0.0},
    "low-latency": {"SI-SDR gain dB": 0.0, "PESQ": -0.1, "STOI %": -1.0},
    "cnn": {"SI-SDR gain dB": 0.0},
}
"""By how much a net must be above the reference, which delays by 30 ms; another model, as `standard`."""
BEYOND = {"standard": ("DTLN", "UL-UNAS"), "low-latency": (REFERENCE,), "cnn": ("GTCRN",)}
"""Whom a net shall be level with one day, nearest first, on each of the `JUDGED`."""
JUDGED = ("SI-SDR gain dB", "PESQ", "STOI %")


@contextlib.contextmanager
def validation_store() -> Iterator[ClipStore]:
    """The data folder's validation recordings, decoded for as long as the context lasts."""
    default = Path(__file__).parents[1] / "../shared/data"
    with tempfile.TemporaryDirectory() as folder:
        data = Path(os.environ.get("RTAUDIO_DATA", default))
        yield build_store(data, Path(folder), splits=("valid",))


def made_pairs(n_pairs: int) -> list[Pair]:
    """Mixes of the data folder's validation recordings."""
    with validation_store() as store:
        return wide_pairs(store, n_pairs)


def wide_pairs(store: ClipStore, n_pairs: int) -> list[Pair]:
    pairs = validation_pairs(store, n_pairs, SECONDS, SEED)
    return [narrowed(pair) if i % NARROW_EVERY == NARROW_EVERY - 1 else pair for i, pair in enumerate(pairs)]


def aged_pairs(store: ClipStore, n_pairs: int) -> list[Pair]:
    """Mixes at 16 kHz of the speakers whose age is told; none without such recordings."""
    told = copy.copy(store)
    told.clips = [clip for clip in store.clips if clip.kind == "noise" or clip.group in AGES]
    if not told.select("speech", "valid"):
        return []
    return [narrowed(pair) for pair in validation_pairs(told, n_pairs, SECONDS, SEED)]


def narrowed(pair: Pair) -> Pair:
    """The pair as a device at 16 kHz would hear it, at 48 kHz again."""
    clean, noisy = (
        soxr.resample(soxr.resample(x, SAMPLE_RATE, NARROW_HZ), NARROW_HZ, SAMPLE_RATE)
        for x in (pair.clean, pair.noisy)
    )
    return dataclasses.replace(pair, clean=clean, noisy=noisy)


def read_pairs(folder: Path, limit: int | None) -> list[Pair]:
    """Pairs listed in `pairs.csv`: noisy, clean (its paths), snr_db; speaker and noise where given."""
    with (folder / "pairs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:limit]
    return [
        Pair(
            _audio(folder / row["clean"]),
            _audio(folder / row["noisy"]),
            float(row["snr_db"]),
            row.get("speaker", ""),
            row.get("noise", ""),
        )
        for row in rows
    ]


def _audio(path: Path) -> Samples:
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    at_48k: Samples = soxr.resample(audio.mean(1), rate, SAMPLE_RATE).astype(np.float32)
    return at_48k


def score_one(pair: Pair, output: Samples) -> list[float]:
    """Values of `COLUMNS` for one output."""
    return [
        si_sdr_db(pair.clean, output) - si_sdr_db(pair.clean, pair.noisy),
        pesq_wide_band(pair.clean, output),
        stoi_percent(pair.clean, output),
        estoi_percent(pair.clean, output),
        pause_reduction_db(pair.clean, pair.noisy, output),
        speech_level_db(pair.clean, output),
        air_distance_db(pair.clean, output),
    ]


def score_all(pairs: Sequence[Pair], outputs: Sequence[Samples], pool: ProcessPoolExecutor) -> Scores:
    rows = np.array(list(pool.map(score_one, pairs, outputs, chunksize=4)))
    scores = dict(zip(COLUMNS, rows.T, strict=True))
    model = peers_folder() / "dnsmos" / "sig_bak_ovr.onnx"
    if model.is_file():
        heard = [Dnsmos(model)(output) for output in outputs]
        scores |= {f"DNSMOS {k}": np.array([h[k] for h in heard]) for k in heard[0]}
    return scores


def mean_with_interval(values: NDArray[np.float64] | None) -> str | None:
    """Mean and the 95 % interval of bootstrap resamples; None where nothing was measured."""
    there = values[np.isfinite(values)] if values is not None else np.zeros(0)
    if not there.size:
        return None
    means = np.random.default_rng(0).choice(there, (2000, there.size)).mean(1)
    low, high = np.percentile(means, (2.5, 97.5))
    return f"{there.mean():.2f} ({low:.2f} to {high:.2f})"


def show_scores(report: Report, results: dict[str, Scores]) -> None:
    """All measures, two tables of a page's width."""
    columns = list(next(iter(results.values())))
    for title, names in (("on all pairs, mean (95 % interval)", columns[:4]), ("the same", columns[4:])):
        table = report.table(title, ["system", *(["worst gain dB"] if columns[0] in names else []), *names])
        for system, scores in results.items():
            worst = [f"{scores[columns[0]].min():.1f}"] if columns[0] in names else []
            table.row(system, *worst, *(mean_with_interval(scores[name]) for name in names))
        report.show(table)


def by_group(
    report: Report, title: str, labels: Sequence[str], results: dict[str, Scores], measure: str
) -> None:
    """Mean of one measure of each system over the pairs of each label."""
    table = report.table(f"{measure} by {title}", [title, "pairs", *results])
    for label in sorted(set(labels), key=natural):
        chosen = np.array([x == label for x in labels])
        table.row(
            label, int(chosen.sum()), *(float(np.nanmean(s[measure][chosen])) for s in results.values())
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


def show_groups(report: Report, pairs: Sequence[Pair], results: dict[str, Scores]) -> None:
    shown = {name: scores for name, scores in results.items() if name != "noisy"}
    snrs = [snr_label(pair.snr_db) for pair in pairs]
    by_group(report, "SNR", snrs, shown, COLUMNS[0])
    by_group(report, "SNR", snrs, results, "STOI %")
    if all(pair.noise for pair in pairs):
        noises = [pair.noise for pair in pairs]
        by_group(report, "noise", noises, shown, COLUMNS[0])
        kinds = ["impulsive" if any(k in noise for k in IMPULSIVE) else "other" for noise in noises]
        by_group(report, "kind of noise", kinds, shown, COLUMNS[0])
    if all(pair.speaker for pair in pairs):
        by_group(report, "speaker", [pair.speaker for pair in pairs], shown, COLUMNS[0])
    languages = [language(pair.speaker) for pair in pairs]
    if set(languages) - {UNKNOWN}:
        by_group(report, "language", languages, shown, COLUMNS[0])


def show_ages(report: Report, pairs: Sequence[Pair], results: dict[str, Scores]) -> None:
    """What the voices of children and adults gain, and a note of the voices that nobody recorded."""
    for measure in JUDGED if pairs else ():
        by_group(report, "age", [age_group(pair.speaker) for pair in pairs], results, measure)
    if not pairs:
        report.note("no recordings of speakers whose age is told: children and adults are not told apart")
    report.note("no recordings of singing: what becomes of it is not measured")


def show_behaviour(
    report: Report, pairs: Sequence[Pair], chosen: dict[str, System], models: Sequence[str]
) -> None:
    """The table of `BEHAVIOUR`, and its bounds as goals of our systems, `models`."""
    table = report.table(f"behaviour, over {len(pairs)} clips", ["", *chosen])
    for behaviour in BEHAVIOUR:
        values = {name: behaviour.measure(system, pairs) for name, system in chosen.items()}
        table.row(behaviour.name, *values.values())
        for model, (op, bound) in itertools.product(models, behaviour.bounds):
            report.goal(f"{model}: {behaviour.name}", values[model], bound, op)
    report.show(table)
    for model in models:
        ripple = ripple_db(ours(model, strength=0.5, atten_limit_db=None), pairs)
        report.goal(f"{model}: white noise at half strength: response flat within dB", ripple, 0.5)


def goals(report: Report, model: str, ours: Scores, reference: Scores) -> None:
    """What the net must be against RNNoise 0.2, and that it destroys nothing."""
    for name, margin in MARGINS.get(model, MARGINS["standard"]).items():
        bound = float(np.nanmean(reference[name])) + margin
        told = f"{model}: {name}, against {REFERENCE}" + (f" {margin:+g}" if margin else "")
        report.goal(told, float(np.nanmean(ours[name])), bound, ">=")
    report.goal(f"{model}: worst SI-SDR gain dB", float(ours[COLUMNS[0]].min()), -1.0, ">=")


def goals_beyond(report: Report, results: dict[str, Scores]) -> None:
    """Our nets beside the peers of `BEYOND` on the `JUDGED`."""
    for model, peer in ((model, peer) for model, peers in BEYOND.items() for peer in peers):
        if model not in results or peer not in results:
            report.note(f"beyond: {model} against {peer} is left out: {peer} isn't here")
            continue
        for measure in JUDGED:
            mine, its = (float(np.nanmean(results[name][measure])) for name in (model, peer))
            report.beyond(f"{model}: {measure}, against {peer}", mine, its, ">=")


def run(
    report: Report, pairs: list[Pair], aged: list[Pair], models: Sequence[str], page: Path | None
) -> None:
    there = systems(models)
    with ProcessPoolExecutor() as pool:
        outputs = cleaned(pairs, there)
        results = {name: score_all(pairs, made, pool) for name, made in outputs.items()}
        by_age = {name: score_all(aged, made, pool) for name, made in cleaned(aged, there).items() if aged}
    report.note(f"{len(pairs)} pairs of {pairs[0].clean.size / SAMPLE_RATE:.1f} s")
    show_scores(report, results)
    show_groups(report, pairs, results)
    show_ages(report, aged, by_age)
    chosen: dict[str, System] = {k: s for k, s in there.items() if k in (*models, REFERENCE)}
    show_behaviour(report, pairs[:SPEAKERS], chosen, models)
    if REFERENCE in results:
        for name in dict.fromkeys((*models, *MARGINS)):
            if name in results:
                goals(report, name, results[name], results[REFERENCE])
    else:
        report.note("pyrnnoise is not installed: nothing to compare with")
    goals_beyond(report, results)
    if page is not None:
        from benchmarks.listening_page import write_page

        report.note(f"listening page: {write_page(page, pairs, outputs, results)}")


def cleaned(pairs: Sequence[Pair], there: dict[str, System]) -> dict[str, list[Samples]]:
    return {name: [system(pair.noisy) for pair in pairs] for name, system in there.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.denoise_quality", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PAIRS} pairs instead of {PAIRS}")
    parser.add_argument("--json", metavar="FILE", help="write machine, tables and goals there too")
    parser.add_argument("--pairs", type=Path, metavar="DIR", help="score these pairs instead of our mixes")
    parser.add_argument(
        "--model",
        nargs="+",
        default=["standard"],
        metavar="MODEL",
        help="shipped models or weights files whose behaviour is measured too (standard)",
    )
    parser.add_argument("--page", type=Path, metavar="DIR", help="write a page to listen to all systems")
    args: Any = parser.parse_args(arguments)
    n_pairs = QUICK_PAIRS if args.quick else PAIRS
    aged: list[Pair] = []
    try:
        if args.pairs:
            pairs = read_pairs(args.pairs, n_pairs if args.quick else None)
        else:
            with validation_store() as store:
                pairs, aged = wide_pairs(store, n_pairs), aged_pairs(store, n_pairs // PAIRS_PER_AGED)
    except RtaudioError as error:
        print(f"denoise_quality: {error}", file=sys.stderr)
        return error.exit_code
    report = Report("denoise_quality")
    run(report, pairs, aged, args.model, args.page)
    return report.finish(args.json)


if __name__ == "__main__":
    sys.exit(main())
