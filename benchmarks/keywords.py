"""What the keyword nets find and what they take for a word: streams, not clips, through the native stage.

`--data DIR` holds a folder a word and `_negative/` (see `benchmarks.streams`); `--negatives DIR...` hold
speech and noise without the words (the neighbours speech/, noise/ and noise_other/ of DIR, where they
are there). Rates of false accepts are counted over streams made of those recordings in several orders,
speeds, rooms and noises; beside them stand the hours that were really recorded and the upper end of the
95 % interval which those alone support.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.enrolment import untaught
from benchmarks.keyword_cost import cost_table, event_hops, gate_table
from benchmarks.report import Report
from benchmarks.streams import (
    HOP,
    SAMPLE_RATE,
    THRESHOLDS,
    Detector,
    Floats,
    Recording,
    Samples,
    WordStream,
    found,
    negative_streams,
    poisson_bound,
    read_recordings,
    read_rooms,
    says_something,
    threshold_for,
    word_stream,
)
from benchmarks.synthetic_words import run_own_words
from benchmarks.wake_peers import WORD, peer_scores, peers
from rtaudio.dsp.spotter import Spotter
from rtaudio.dsp.stft import Analysis
from rtaudio.errors import RtaudioError
from rtaudio.nn.keywords import KeywordNet
from rtaudio.nn.speech import LIVE
from rtaudio.nn.weights import find_weights, load_weights, save_weights
from rtaudio.stream.offline import run_frames
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import NativeStage

CONDITIONS = ("clean", "10 dB noise", "10 dB + rooms")
RATES = (0.5, 2.0)
JUDGED = ("computer", "jarvis", "snowboy", "smart_mirror", "view_glass")
"""Words the goals speak of; of others there are too few voices."""
PASSES, QUICK_PASSES = 6, 2
PEER_PASSES = 2
"""Of the streams without words, as many are given to peers: they run in Python, some in 250 µs a hop."""
WITHIN = {"computer": ("hey_computer",)}
"""Phrases that hold a word: no negatives of it."""


@dataclass
class Material:
    """What everybody is tested on: each word's streams by condition, and streams without any of them."""

    words: dict[str, dict[str, WordStream]]
    others: list[Samples]
    real_hours: float
    empty: list[str]
    """Words of recordings in which nothing is said, which are left out."""


def gather(data: Path, negatives: Sequence[Path], words: Sequence[str], split: str, passes: int) -> Material:
    """Read everything and make the streams.

    What enrolment will teach is said in none of those without words, or it would be its own false accept.
    """
    recordings = read_recordings(data, split, skip=untaught(data) - {*words})
    by_folder = {folder: read_recordings(folder, split) for folder in negatives}
    speech = [r for part in by_folder.values() for r in part]
    noises = [r for folder, part in by_folder.items() if "noise" in folder.name for r in part]
    rooms = read_rooms(data.parent / "rir")
    if not noises:
        generator = np.random.default_rng(1)
        noises = [Recording("made", "made", generator.standard_normal(SAMPLE_RATE * 20, np.float32))]
    streams, empty = {}, [r.word for r in recordings if r.word in words and not says_something(r)]
    for k, word in enumerate(words):
        said = [r for r in recordings if r.word == word and says_something(r)]
        rng = np.random.default_rng((7, k))
        if said:
            streams[word] = {
                "clean": word_stream(said, rng),
                "10 dB noise": word_stream(said, rng, noises=noises),
                "10 dB + rooms": word_stream(said, rng, noises=noises, rooms=rooms),
            }
    within = {phrase for phrases in WITHIN.values() for phrase in phrases}
    without = [r for r in recordings if r.word not in words and r.word not in within] + speech
    hours = sum(r.wave.size for r in without) / SAMPLE_RATE / 3600
    return Material(streams, list(negative_streams(without, noises, rooms, passes)), hours, empty)


def scores_of(net: NativeStage, wave: Samples) -> NDArray[np.float32]:
    """Scores `(hops, words)` of a stream, hop by hop through STFT and net, from a fresh state."""
    chain = Pipeline([Analysis(2 * HOP, HOP), net])
    chain.reset()
    return run_frames(chain, wave[: wave.size // HOP * HOP].reshape(-1, HOP))


@dataclass
class Scored:
    """One word's smoothed scores: in its own streams, and in all that do not hold it."""

    own: dict[str, Floats]
    ends: dict[str, NDArray[np.int64]]
    others: list[Floats]

    @property
    def hours(self) -> float:
        return sum(smooth.size for smooth in self.others) * HOP / SAMPLE_RATE / 3600

    def missed(self, detector: Detector, condition: str, threshold: float) -> float:
        """Share of the words that no event found."""
        events = detector.events(self.own[condition], threshold)
        return float(np.isnan(found(events, self.ends[condition])).mean())


def score_all(net: KeywordNet, material: Material, detector: Detector) -> dict[str, Scored]:
    """Every word's scores everywhere; other words' streams count as streams without it."""
    names = list(material.words)
    column = [net.words.index(name) for name in names]
    own = {
        name: {c: scores_of(net, stream.wave) for c, stream in streams.items()}
        for name, streams in material.words.items()
    }
    others = [scores_of(net, wave) for wave in material.others]
    scored = {}
    for name, k in zip(names, column, strict=True):
        elsewhere = [own[other][c][:, k] for other in names if other != name for c in own[other]]
        scored[name] = Scored(
            {c: detector.smooth(scores[:, k]) for c, scores in own[name].items()},
            {c: stream.ends for c, stream in material.words[name].items()},
            [detector.smooth(x) for x in [*(scores[:, k] for scores in others), *elsewhere]],
        )
    return scored


def miss_table(
    report: Report, scored: dict[str, Scored], detector: Detector, real_hours: float
) -> dict[str, dict[str, float]]:
    """Misses by word and condition at each rate; returns each word's thresholds by rate."""
    thresholds: dict[str, dict[str, float]] = {name: {} for name in scored}
    for rate in RATES:
        columns = ["word", "said", *(f"{c}, missed %" for c in CONDITIONS), "threshold", "false", "made h"]
        table = report.table(f"at {rate:g} false accepts an hour", columns)
        for name, s in scored.items():
            threshold, count = threshold_for(s.others, detector, int(rate * s.hours))
            thresholds[name][f"{rate:g}"] = threshold
            missed = [100 * s.missed(detector, c, threshold) for c in CONDITIONS]
            table.row(name, s.ends["clean"].size, *missed, threshold, count, s.hours)
        judged = [row for row in table.rows if row[0] in JUDGED] or table.rows
        table.row(
            "median of five",
            None,
            *(float(np.median([r[k] for r in judged])) for k in (2, 3, 4)),
            *[None] * 3,
        )
        report.show(table)
        if rate == RATES[0]:
            report.goal("clean: missed % at 0.5/h, median of five", table.rows[-1][2], 2.0)
            report.goal("10 dB noise + rooms: missed % at 0.5/h, median of five", table.rows[-1][4], 8.0)
    report.note(
        f"{real_hours:.2f} h of other sound were really recorded: no false accept in those alone would bound "
        f"a rate at {poisson_bound(0) / max(real_hours, 1e-9):.1f} an hour (Poisson, 95 %)"
    )
    return thresholds


def latency_table(report: Report, net: KeywordNet, material: Material, thresholds: dict[str, float]) -> None:
    """From the end of a word, by its level, to the shipped spotter's event, words said in the clear."""
    table = report.table("word end to event, ms", ["word", "found", "median", "p90"])
    used = {word: thresholds.get(word, 1.0) for word in net.words}
    everything: list[float] = []
    for name, streams in material.words.items():
        stream = streams["clean"]
        spotter = Spotter([net], net.words, threshold=used)
        latency = found(event_hops(spotter, name, stream.wave), stream.ends)
        latency = 1000 * latency[np.isfinite(latency)]
        everything += latency.tolist() if name in JUDGED else []
        if latency.size:
            table.row(name, latency.size, float(np.median(latency)), float(np.percentile(latency, 90)))
    report.show(table)
    median, p90 = np.percentile(everything or [np.nan], (50, 90))
    report.goal("word end to event, median ms", float(median), 100.0)
    report.goal("word end to event, p90 ms", float(p90), 200.0)


def peer_table(report: Report, ours: dict[str, Scored], material: Material) -> None:
    """The word all have in common, on the same streams, each at its own threshold for 0.5/h."""
    if WORD not in material.words or not peers():
        report.note(f"no peers here: they need recordings of {WORD!r}, pymicro-wakeword and pyopen-wakeword")
        return
    columns = ["system", *(f"{c}, missed %" for c in CONDITIONS), "false", "made h", "µs for 10 ms"]
    table = report.table(f"{WORD!r} at 0.5 false accepts an hour, beside others", columns)
    detector = Detector()
    own = replace(ours[WORD], others=ours[WORD].others[:PEER_PASSES])
    threshold, count = threshold_for(own.others, detector, int(0.5 * own.hours))
    missed = [100 * own.missed(detector, c, threshold) for c in CONDITIONS]
    table.row("ours", *missed, count, own.hours, None)
    for name, make in peers().items():
        raw, spent = Detector(patience=1), []
        smooths, streams = [], {}
        for wave in material.others[:PEER_PASSES]:
            scores, micros = peer_scores(make, wave)
            smooths.append(raw.smooth(scores))
            spent.append(micros)
        for c in CONDITIONS:
            streams[c] = raw.smooth(peer_scores(make, material.words[WORD][c].wave)[0])
        scored = Scored(streams, own.ends, smooths)
        threshold, count = threshold_for(smooths, raw, int(0.5 * scored.hours))
        missed = [100 * scored.missed(raw, c, threshold) for c in CONDITIONS]
        table.row(name, *missed, count, scored.hours, float(np.median(spent)))
    report.show(table)


def write_det(scored: dict[str, Scored], detector: Detector, prefix: Path) -> None:
    """Misses against false accepts an hour for every threshold, as CSV and PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(CONDITIONS), sharey=True)
    with prefix.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["word", "condition", "threshold", "false_accepts_per_hour", "missed"])
        for name, s in scored.items():
            rates = [sum(detector.events(x, t).size for x in s.others) / s.hours for t in THRESHOLDS[::3]]
            for axis, condition in zip(axes, CONDITIONS, strict=True):
                missed = [s.missed(detector, condition, t) for t in THRESHOLDS[::3]]
                rows.writerows(
                    [name, condition, f"{t:.5f}", f"{r:.3f}", f"{m:.4f}"]
                    for t, r, m in zip(THRESHOLDS[::3], rates, missed, strict=True)
                )
                axis.plot(np.maximum(rates, 0.1), 100 * np.array(missed), label=name)
    for axis, condition in zip(axes, CONDITIONS, strict=True):
        axis.set_title(condition)
        axis.set(xscale="log", xlim=(0.1, 100), ylim=(0, 30), xlabel="false accepts an hour")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("missed, %")
    axes[-1].legend(fontsize=8)
    figure.savefig(prefix.with_suffix(".png"), dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keywords", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder a word")
    parser.add_argument("--negatives", type=Path, nargs="*", help="folders with other speech and noise")
    parser.add_argument("--split", default="valid", help="what of an index.csv is used; all for everything")
    parser.add_argument("--model", default="keywords", help="a shipped model or a weights file (keywords)")
    parser.add_argument("--det", type=Path, metavar="PREFIX", help="write PREFIX.png and PREFIX.csv")
    parser.add_argument("--card", action="store_true", help="write the thresholds into the weights' card")
    parser.add_argument("--quick", action="store_true", help="fewer hours, no peers")
    parser.add_argument("--json", metavar="FILE", help="write machine, tables and goals there too")
    args: Any = parser.parse_args(arguments)
    neighbours = [args.data.parent / name for name in ("speech", "noise", "noise_other")]
    negatives = args.negatives if args.negatives is not None else [n for n in neighbours if n.is_dir()]
    try:
        net = KeywordNet.from_weights(load_weights(find_weights(args.model)), precision=LIVE)
        passes = QUICK_PASSES if args.quick else PASSES
        material = gather(args.data, negatives, net.words, args.split, passes)
    except RtaudioError as error:
        print(f"keywords: {error}", file=sys.stderr)
        return error.exit_code
    report, detector = Report("keywords"), Detector()
    if material.empty:
        report.note(f"left out, since nothing is said in them: recordings of {', '.join(material.empty)}")
    scored = score_all(net, material, detector)
    by_rate = miss_table(report, scored, detector, material.real_hours)
    thresholds = {name: by[f"{RATES[0]:g}"] for name, by in by_rate.items()}
    if args.card:
        path, weights = find_weights(args.model), load_weights(find_weights(args.model))
        card = {**weights.card, "thresholds": by_rate}
        save_weights(path, weights.net, weights.config, weights.tensors, **card)
    latency_table(report, net, material, thresholds)
    if not args.quick:
        peer_table(report, scored, material)
    cost_table(report, net, args.quick)
    gate_table(report, net, material.words, thresholds)
    apart = negatives if args.split == "valid" else []  # else the streams hold the other splits, too
    run_own_words(report, args.data, material.others, args.quick, apart)
    if args.det:
        write_det(scored, detector, args.det)
    return report.finish(args.json)


if __name__ == "__main__":
    sys.exit(main())
