"""`rtaudio train denoise`: from a data folder to a checkpoint, curves and weights."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rtaudio.errors import ConfigError
from rtaudio.figures import save_spectrograms
from rtaudio.files import whole
from rtaudio.training.curves import save_curves
from rtaudio.training.data import SAMPLE_RATE, ClipStore, build_store, read_index
from rtaudio.training.evaluate import Pair, enhance, score, validation_pairs
from rtaudio.training.export import export_weights
from rtaudio.training.loop import RunConfig, Trainer, Validations
from rtaudio.training.mixing import Mixer
from rtaudio.training.recipes import Recipe

VALIDATION_PAIRS, VALIDATION_S = 64, 4.0
VALIDATION_BATCHES, VALIDATION_ROOMS = 6, 30
SHOWN_FLOOR_DB = -24.0  # of the spectrogram: what live is left of a pause, unless a card says otherwise


@dataclass(frozen=True)
class TrainPaths:
    """Where a run reads and writes: `data` is only read; the decoded recordings go to `cache`."""

    data: Path
    out: Path
    cache: Path

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint.pt"

    @property
    def best(self) -> Path:
        return self.out / "best.pt"

    @property
    def weights(self) -> Path:
        return self.out / "denoise.npz"


@dataclass(frozen=True)
class HeldOut:
    """What a run is judged by, of voices and noises it isn't trained on: mixes to score, and a mixer that
    makes them as those of training are made, but of voices as they were recorded."""

    pairs: list[Pair]
    mixer: Mixer


def train_denoise(
    paths: TrainPaths,
    run: RunConfig,
    recipe: Recipe,
    *,
    resume: bool = False,
    start: Sequence[Path] = (),
    console: Console | None = None,
) -> Trainer:
    """Train a denoiser and leave checkpoints, weights, history and pictures in `paths.out`.

    `start` is a weights file to begin with, in place of random weights; or several, for their mean.
    """
    console = console or Console()
    check_start(paths, run, resume)
    paths.out.mkdir(parents=True, exist_ok=True)
    store = decoded(paths, run, console)
    trainer = Trainer(recipe.net, run, Mixer(store, "train", recipe.mix, run.seed), recipe.loss)
    if resume:
        trainer.resume(paths.checkpoint)
    elif start:
        trainer.start_from(*start)
    mix = replace(recipe.mix, n_rooms=VALIDATION_ROOMS, other_throat=0.0, without=())
    held_out = HeldOut(
        validation_pairs(store, VALIDATION_PAIRS, VALIDATION_S), Mixer(store, "valid", mix, run.seed)
    )
    try:
        _show(trainer, held_out, paths, console)
    except KeyboardInterrupt:
        trainer.save(paths.checkpoint)
        raise
    shipped = checkpoint_to_ship(trainer, paths)
    export_weights(shipped, store, paths.weights, command=" ".join(["rtaudio", *sys.argv[1:]]))
    console.print(f"weights: {paths.weights}")
    return trainer


def checkpoint_to_ship(trainer: Trainer, paths: TrainPaths) -> Path:
    """That of the end of the schedule; the best one of a run that ended before.

    While the rate is high, SI-SDR on few mixes rises and falls by more than it gains: a net that looked best
    so, at 40 % of its schedule, was 0.12 dB and 0.2 STOI behind its own end on 120 other mixes.
    """
    return paths.checkpoint if trainer.progress.share(trainer.run) >= 1 else paths.best


def check_start(paths: TrainPaths, run: RunConfig, resume: bool) -> None:
    """Refuse what cannot work before anything slow begins."""
    if run.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda, but torch finds no NVIDIA GPU here: use --device cpu")
    if resume and not paths.checkpoint.is_file():
        raise ConfigError(f"nothing to resume: {paths.checkpoint} does not exist")
    if not resume and paths.checkpoint.is_file():
        raise ConfigError(f"{paths.checkpoint} is there already: use --resume, or another --out")
    read_index(paths.data)


def decoded(paths: TrainPaths, run: RunConfig, console: Console) -> ClipStore:
    """The store of decoded clips, made if it is not there yet."""
    with Progress(
        TextColumn("decoding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    ) as bar:
        task = bar.add_task("decoding")
        return build_store(
            paths.data,
            paths.cache,
            workers=max(1, run.workers),
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _show(trainer: Trainer, held_out: HeldOut, paths: TrainPaths, console: Console) -> None:
    """Run to the end under a progress bar, with a line that stays for each validation."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:5.1f} %"))
    history = trainer.progress.history
    with Progress(*columns, TimeRemainingColumn(), console=console, refresh_per_second=2) as bar:
        task, told = bar.add_task("training", total=1.0), len(history)
        for text in follow(trainer, held_out, paths):
            bar.update(task, completed=trainer.progress.share(trainer.run), description=text)
            for point in history[told:]:
                console.print(describe(point))
            told = len(history)


def follow(trainer: Trainer, held_out: HeldOut, paths: TrainPaths) -> Iterator[str]:
    """Run the steps, with a validation early, then at intervals, then at the end; says where it stands."""
    losses: deque[float] = deque(maxlen=200)
    validations = Validations(trainer)
    for loss in trainer.steps():
        losses.append(loss)
        yield f"step {trainer.progress.step}  loss {np.mean(losses):.4f}  {audio_hours(trainer):.1f} h heard"
        if validations.due():
            validate(trainer, held_out, paths, float(np.mean(losses)))
            if stale(trainer.progress.history, trainer.run.patience):
                yield f"step {trainer.progress.step}  no better for {trainer.run.patience} validations"
                return
    if losses:
        validate(trainer, held_out, paths, float(np.mean(losses)))
    yield f"step {trainer.progress.step}  done"


def stale(history: list[dict[str, float]], patience: int | None) -> bool:
    """Whether the best validation lies `patience` validations back, or more."""
    if patience is None or not history:
        return False
    scores = [point["si_sdr_gain_db"] for point in history]
    return len(scores) - 1 - int(np.argmax(scores)) >= patience


def describe(point: dict[str, float]) -> str:
    """One line on a validation."""
    pace = 3600 * point["audio_hours"] / max(point["elapsed_s"], 1e-9)
    return (
        f"{point['elapsed_s'] / 60:6.1f} min  {point['audio_hours']:6.1f} h heard ({pace:.0f} an hour)"
        f"  loss {point['loss']:.4f}, on others {point['validation_loss']:.4f}"
        f"  SI-SDR {point['si_sdr_gain_db']:+.2f} dB (worst {point['si_sdr_worst_gain_db']:+.1f})"
    )


def validate(trainer: Trainer, held_out: HeldOut, paths: TrainPaths, loss: float) -> None:
    """Score the averaged weights, write checkpoint, history and pictures; keep the best weights apart."""
    trainer.average.eval()
    pairs = held_out.pairs
    outputs = [enhance(trainer.average, pair.noisy) for pair in pairs]
    scores = score(pairs, outputs)
    gain_db = float(scores.improvement_db.mean())
    progress = trainer.progress
    progress.history.append(
        {
            "step": progress.step,
            "elapsed_s": progress.elapsed_s,
            "loss": loss,
            "validation_loss": trainer.loss_on(held_out.mixer, VALIDATION_BATCHES),
            "audio_hours": audio_hours(trainer),
            "si_sdr_gain_db": gain_db,
            "si_sdr_worst_gain_db": float(scores.improvement_db.min()),
        }
    )
    if gain_db >= progress.best_db:
        progress.best_db = gain_db
        trainer.save(paths.best)
    trainer.save(paths.checkpoint)
    with whole(paths.out / "history.json") as unfinished:
        unfinished.write_text(json.dumps({"run": asdict(trainer.run), "history": progress.history}))
    save_curves(progress.history, paths.out / "curves.png")
    shown = pairs[0]
    denoised = enhance(trainer.average, shown.noisy, SHOWN_FLOOR_DB)
    panels = [("noisy", shown.noisy), ("denoised", denoised), ("clean", shown.clean)]
    save_spectrograms(paths.out / "spectrogram.png", panels, SAMPLE_RATE)


def audio_hours(trainer: Trainer) -> float:
    """Hours of mixed audio the net has heard."""
    mix = trainer.mixer.config
    return trainer.progress.step * trainer.run.batch * mix.seconds / 3600
