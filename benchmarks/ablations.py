"""What each part of a denoiser's recipe is worth: nets trained alike but for one thing, on the same mixes.

    python -m benchmarks.ablations --data DIR --out DIR [--steps N] [--seed N] [--rows TEXT] [--json FILE]

Every row is the recipe `cnn` with one change, trained from scratch on as many steps of 16 items as all others
(but for rows that say otherwise), its running average scored on the 64 mixes that training validates on, at a
limit of 24 dB. One seed each: differences under 0.15 dB or 0.03 PESQ
mean nothing. 1500 steps take about 4 minutes a row on two cores. A row is kept in OUT when it is done, and
not trained again.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Report
from rtaudio.errors import RtaudioError
from rtaudio.files import whole
from rtaudio.training.data import ClipStore, build_store
from rtaudio.training.denoise import SHOWN_FLOOR_DB, VALIDATION_PAIRS, VALIDATION_S
from rtaudio.training.evaluate import Pair, enhance, score, validation_pairs
from rtaudio.training.loop import RunConfig, Trainer
from rtaudio.training.mixing import Mixer
from rtaudio.training.recipes import Recipe, load_recipe, mix_for

BASE = "cnn"


@dataclass(frozen=True)
class Change:
    """What a row does otherwise: values of the net, the mixes and the loss, and how many times the steps."""

    name: str
    net: dict[str, Any] = field(default_factory=dict)
    mix: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, Any] = field(default_factory=dict)
    length: float = 1.0

    def recipe(self) -> Recipe:
        base = load_recipe(BASE)
        net = replace(base.net, **self.net)
        return Recipe(net, mix_for(net, replace(base.mix, **self.mix)), replace(base.loss, **self.loss))


SHORT_REACH = (1, 2, 4, 8, 1, 2, 1, 2, 4, 8, 1, 2)
CHANGES = [
    Change("the recipe `cnn`"),
    Change("half the steps", length=0.5),
    Change("twice the steps", length=2.0),
    Change("loss: no SNR term", loss={"snr": 0.0}),
    Change("loss: the SNR term half as much again", loss={"snr": 0.006}),
    Change("loss: missing speech costs as noise does", loss={"missing": 0.0}),
    Change("loss: magnitude alone, and SNR", loss={"magnitude": 1.0, "complex": 0.0}),
    Change("64 bands heard", net={"n_bands": 64}),
    Change("32 bands heard", net={"n_bands": 32}),
    Change("128 channels: 0.28 M parameters", net={"channels": 128}),
    Change("384 channels: 2.03 M parameters", net={"channels": 384}),
    Change("six blocks, reach 0.3 s", net={"dilations": SHORT_REACH[:6]}),
    Change("twelve blocks, reach 0.6 s", net={"dilations": SHORT_REACH}),
    Change("six blocks and an LSTM of 192", net={"dilations": SHORT_REACH[:6], "hidden": 192}),
    Change("six blocks and three minGRUs", net={"dilations": SHORT_REACH[:6], "mingru_every": 2}),
    Change("twelve blocks and two minGRUs", net={"mingru_every": 6}),
    Change("voices as recorded, no other throats", mix={"other_throat": 0.0}),
    Change("no transients added", mix={"transients": 0.0}),
    Change("no rooms", mix={"reverberant": 0.0}),
    Change("no synthetic noise, no babble", mix={"synthetic_noise": 0.0, "babble": 0.0}),
    Change("no tone curves, no band limits", mix={"equalised": 0.0, "band_limited": 0.0}),
    Change("no leading pauses", mix={"leading_pause": 0.0}),
    Change("items of 4 s, half as many", mix={"seconds": 4.0}, length=0.5),
    Change("without ESC-10 (noise, 18 min)", mix={"without": ("ESC-10",)}),
    Change("without moodist (noise, 37 min)", mix={"without": ("moodist",)}),
    Change("without asp-audio (speech, 26 min)", mix={"without": ("asp-audio",)}),
    Change("without speechocean762 (speech, 23 min)", mix={"without": ("speechocean762",)}),
    Change("without both of Picovoice (speech, 79 min)",
           mix={"without": ("wake-word-benchmark", "speech-to-intent-benchmark")}),
]  # fmt: skip


def trained(change: Change, store: ClipStore, steps: int, seed: int) -> Trainer:
    """The net of a row, at the end of its schedule."""
    recipe = change.recipe()
    run = RunConfig(hours=None, steps=round(steps * change.length), seed=seed, workers=2)
    trainer = Trainer(recipe.net, run, Mixer(store, "train", recipe.mix, seed), recipe.loss)
    for _ in trainer.steps():
        pass
    return trainer


def scores_of(trainer: Trainer, pairs: Sequence[Pair]) -> dict[str, float]:
    """Means over the pairs, and the worst gain."""
    net = trainer.average.eval()
    scores = score(pairs, [enhance(net, pair.noisy, SHOWN_FLOOR_DB) for pair in pairs], perceptual=True)
    assert scores.pesq is not None
    assert scores.stoi is not None
    return {
        "gain_db": float(scores.improvement_db.mean()),
        "worst_db": float(scores.improvement_db.min()),
        "pesq": float(np.nanmean(scores.pesq)),
        "stoi": float(np.nanmean(scores.stoi)),
        "hours": trainer.progress.step * trainer.run.batch * trainer.mixer.config.seconds / 3600,
        "minutes": trainer.progress.elapsed_s / 60,
        "parameters": sum(p.numel() for p in trainer.net.parameters()),
    }


def file_name(change: Change) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", change.name.lower()).strip("-") + ".json"


def row_of(change: Change, kept: Path, store: ClipStore, pairs: Sequence[Pair], settings: Any) -> Any:
    """Scores of a row: those kept where it was trained in the same way before."""
    asked = {"recipe": asdict(change.recipe()), "steps": settings.steps, "seed": settings.seed}
    asked = json.loads(json.dumps(asked))  # tuples are lists in the file
    if kept.is_file():
        row = json.loads(kept.read_text())
        if row["asked"] == asked:
            return row["scores"]
    scores = scores_of(trained(change, store, settings.steps, settings.seed), pairs)
    with whole(kept) as unfinished:
        unfinished.write_text(json.dumps({"asked": asked, "scores": scores}))
    return scores


def run(report: Report, args: Any) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    store = build_store(args.data, args.cache or args.out / "cache")
    pairs = validation_pairs(store, VALIDATION_PAIRS, VALIDATION_S)
    title = f"Recipe {BASE} but for one thing, {args.steps} steps, seed {args.seed}"
    columns = ["changed", "parameters", "hours heard", "SI-SDR gain dB", "worst", "PESQ", "STOI %", "minutes"]
    table = report.table(title, columns)
    for change in CHANGES:
        if args.rows not in change.name:
            continue
        s = row_of(change, args.out / file_name(change), store, pairs, args)
        print(f"{change.name}: {s['gain_db']:.2f} dB, PESQ {s['pesq']:.2f}, STOI {s['stoi']:.1f}", flush=True)
        table.row(
            change.name, s["parameters"], f"{s['hours']:.1f}", f"{s['gain_db']:.2f}", f"{s['worst_db']:.1f}",
            f"{s['pesq']:.2f}", f"{s['stoi']:.1f}", f"{s['minutes']:.1f}",
        )  # fmt: skip
    report.show(table)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablations", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder as for `rtaudio train denoise`")
    parser.add_argument("--out", type=Path, required=True, help="where rows that are done are kept")
    parser.add_argument("--cache", type=Path, help="decoded recordings (OUT/cache)")
    parser.add_argument("--steps", type=int, default=1500, help="of training, each row (1500)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", default="", metavar="TEXT", help="only rows whose names hold this")
    parser.add_argument("--json", metavar="FILE", help="write machine and table there too")
    args = parser.parse_args(arguments)
    report = Report("ablations")
    try:
        run(report, args)
    except RtaudioError as error:
        print(f"ablations: {error}", file=sys.stderr)
        return error.exit_code
    return report.finish(args.json)


if __name__ == "__main__":
    sys.exit(main())
