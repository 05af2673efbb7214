"""What training the keyword, embedding and voice activity nets has in common: the run around the steps."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from rtaudio.errors import ConfigError
from rtaudio.files import whole
from rtaudio.nn.torch.denoise import over_level
from rtaudio.nn.torch.speech import SpeechNet
from rtaudio.nn.weights import save_weights
from rtaudio.training.curves import save_speech_curves
from rtaudio.training.data import Clip, ClipStore, build_store
from rtaudio.training.denoise import TrainPaths, check_start
from rtaudio.training.export import sources
from rtaudio.training.loop import Loop, RunConfig, Validations
from rtaudio.training.spoken import RECIPE, SAMPLE_RATE, other_throats
from rtaudio.training.start import start_speech_from
from rtaudio.training.voices import synthesise

MASKED_FRAMES, MASKED_BANDS = 12, 6


class SpeechLoop(Loop):
    """Trains a net over speech. A kind of it says what an item is, its loss, and how it is scored.

    - name: the net's, as its weights file says it. score_name: what `score` returns, better if larger.
    """

    name: str
    score_name: str

    @property
    def speech_net(self) -> SpeechNet:
        """The averaged net, without what only training needs."""
        net: SpeechNet = self.average
        return net

    def start_from(self, *paths: Path) -> None:
        """Begin with the weights of a file, or the mean of several; what only training needs begins anew.

        Raises WeightsError or ConfigError where they don't fit.
        """
        start_speech_from(self.speech_net, self.name, *paths)
        self.net.load_state_dict(self.average.state_dict())

    def learn_from(self, *paths: Path) -> None:
        """Learn to say what the nets of these files say. Raises ConfigError where a kind can't."""
        raise ConfigError(f"a net of the kind {self.name!r} has no teachers")

    @classmethod
    def spoken_words(cls, store: ClipStore, on_progress: Callable[[int, int], None]) -> dict[str, int]:
        """Words that synthesisers are to say beside a store's recordings, and each in how many voices."""
        return {}

    def hears(self, clip: Clip) -> bool:
        """Whether a training clip of the store, which may hold what is made for other nets, is any of its."""
        return True

    def score(self) -> float:
        """How well the averaged net does on validation recordings."""
        raise NotImplementedError

    def finish(self, folder: Path) -> dict[str, Any]:
        """Make what else belongs to the weights in `folder`; returns what their card is to say of it."""
        return {}

    def _training_features(self, net: SpeechNet, spectra: Tensor, number: int) -> Tensor:
        """What `net` is trained on of batch `number`: from other throats, some of it hidden."""
        return self._masked(self._clear_features(net, spectra, number), number)

    def _clear_features(self, net: SpeechNet, spectra: Tensor, number: int) -> Tensor:
        """Those of batch `number`, from other throats."""
        return features_of(net, other_throats(spectra, (self.run.seed, number, 1 << 43)))

    def _masked(self, features: Tensor, number: int) -> Tensor:
        """Hide a few bands and a few frames of each item (Park et al. 2019, SpecAugment)."""
        rng, (batch, frames, bands) = np.random.default_rng((self.run.seed, number, 1 << 41)), features.shape
        for i in range(batch):
            band, width = rng.integers(bands), rng.integers(MASKED_BANDS + 1)
            features[i, :, band : band + width] = 0
            frame, length = rng.integers(frames), rng.integers(MASKED_FRAMES + 1)
            features[i, frame : frame + length] = 0
        return features


class SpeechTraining(Protocol):
    """A kind of SpeechLoop, as the class itself."""

    def __call__(self, store: ClipStore, run: RunConfig) -> SpeechLoop: ...

    def spoken_words(self, store: ClipStore, on_progress: Callable[[int, int], None]) -> dict[str, int]: ...


def features_of(net: SpeechNet, spectra: Tensor) -> Tensor:
    """Features `(B, T, n_bands)` of spectra, from a stream's start; on the net's device."""
    spectra = spectra.to(net.bands.device)
    return over_level(spectra, net.initial_state(len(spectra)).level, net.bands, net.config)[0]


@torch.no_grad()
def outputs_of(net: SpeechNet, features: Tensor, chunk: int = 64) -> Tensor:
    """The net's logits `(B, T / stride, n_outputs)`, a few items at a time."""
    parts = [net.logits(x, net.initial_state(len(x)).past)[0] for x in torch.split(features, chunk)]
    return torch.cat(parts)


def speech_store(kind: SpeechTraining, paths: TrainPaths, console: Console) -> ClipStore:
    """Recordings at 16 kHz, and words a kind of net wants spoken by synthesisers, where there are any."""
    cache = paths.cache / "16k"
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:

        def task(description: str) -> Callable[[int, int], None]:
            number = bar.add_task(description, visible=False)  # not every kind of net has all of them
            return lambda done, total: bar.update(number, completed=done, total=total, visible=True)

        store = build_store(paths.data, cache, recipe=RECIPE, on_progress=task("decoding"))
        words = kind.spoken_words(store, task("listening"))
        if synthesise(cache, words, task("synthesising")):
            store = ClipStore(cache)
    return store


def train_speech(
    kind: SpeechTraining,
    paths: TrainPaths,
    run: RunConfig,
    *,
    resume: bool = False,
    start: Sequence[Path] = (),
    teachers: Sequence[Path] = (),
    console: Console | None = None,
) -> SpeechLoop:
    """Train a net over speech and leave checkpoint, weights, history and curves in `paths.out`.

    - start: a weights file to begin with, in place of random weights; or several, for their mean.
    - teachers: weights files of nets that the new one learns from.
    """
    console = console or Console()
    check_start(paths, run, resume)
    paths.out.mkdir(parents=True, exist_ok=True)
    store = speech_store(kind, paths, console)
    loop = kind(store, run)
    if resume:
        loop.resume(paths.checkpoint)
    elif start:
        loop.start_from(*start)
    if teachers:
        loop.learn_from(*teachers)
    try:
        _show(loop, paths, console)
    except KeyboardInterrupt:
        loop.save(paths.checkpoint)
        raise
    path = export(loop, store, paths.out / f"{loop.name}.npz")
    console.print(f"weights: {path}")
    return loop


def export(loop: SpeechLoop, store: ClipStore, path: Path) -> Path:
    """Write the averaged weights and where they came from."""
    tensors = {
        name: tensor.detach().float().cpu().numpy() for name, tensor in loop.speech_net.state_dict().items()
    }
    progress, config = loop.progress, loop.speech_net.config
    last = progress.history[-1] if progress.history else {}
    spent = {"seed": loop.run.seed, "hours": round(progress.elapsed_s / 3600, 3), **last}
    command = " ".join(["rtaudio", *sys.argv[1:]])
    heard = sources(filter(loop.hears, store.clips), SAMPLE_RATE)
    card = {"run": spent, "data": heard, "command": command, "licence": "MIT"}
    return save_weights(path, loop.name, asdict(config), tensors, **card, **loop.finish(path.parent))


def _show(loop: SpeechLoop, paths: TrainPaths, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:5.1f} %"))
    history = loop.progress.history
    with Progress(*columns, TimeRemainingColumn(), console=console, refresh_per_second=2) as bar:
        task, told = bar.add_task("training", total=1.0), len(history)
        for text in _follow(loop, paths):
            bar.update(task, completed=loop.progress.share(loop.run), description=text)
            for point in history[told:]:
                minutes, score = point["elapsed_s"] / 60, point[loop.score_name]
                console.print(
                    f"{minutes:6.1f} min  step {point['step']:6.0f}  loss {point['loss']:.4f}  "
                    f"{loop.score_name} {score:.4f}"
                )
            told = len(history)


def _follow(loop: SpeechLoop, paths: TrainPaths) -> Iterator[str]:
    """Run the steps, with a validation early, then at intervals, then at the end; says where it stands."""
    losses: deque[float] = deque(maxlen=200)
    validations = Validations(loop)
    for loss in loop.steps():
        losses.append(loss)
        yield f"step {loop.progress.step}  loss {np.mean(losses):.4f}"
        if validations.due():
            _validate(loop, paths, float(np.mean(losses)))
    if losses:
        _validate(loop, paths, float(np.mean(losses)))
    yield f"step {loop.progress.step}  done"


def _validate(loop: SpeechLoop, paths: TrainPaths, loss: float) -> None:
    """Score the averaged weights; write checkpoint, history and curves."""
    progress = loop.progress
    point: dict[str, Any] = {"step": progress.step, "elapsed_s": progress.elapsed_s, "loss": loss}
    progress.history.append(point | {loop.score_name: loop.score()})
    loop.save(paths.checkpoint)
    with whole(paths.out / "history.json") as unfinished:
        unfinished.write_text(json.dumps({"run": asdict(loop.run), "history": progress.history}))
    save_speech_curves(progress.history, loop.score_name, paths.out / "curves.png")
