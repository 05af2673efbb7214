"""The training loop: mix, step, validate now and then, keep a checkpoint that can be gone on from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rtaudio.errors import ConfigError
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.torch.denoise import DenoiseNet
from rtaudio.training.checkpoint import load_checkpoint, save_checkpoint
from rtaudio.training.losses import LossConfig, LossPlanes, denoise_loss, loss_planes
from rtaudio.training.mixing import Batch, Mixer
from rtaudio.training.optim import make_optimisers, set_rate
from rtaudio.training.start import start_from

AVERAGE_DECAY = 0.998  # of the weights: about the last 500 steps, two minutes on one core
CLIP_NORM = 1.0


@dataclass(frozen=True)
class RunConfig:
    """How long and with what a net is trained.

    - hours: wall-clock length of the run; what was used is kept in the checkpoint, so that a resumed
      run ends its schedule on time. steps: the same in steps instead, which repeats bit for bit.
    - validate_every_s: between validations; validate_every_steps where the length is one of steps, so that
      which weights were best doesn't hang on the clock.
    - patience: end after so many validations without a better one; None goes on. What is left of the
      schedule is lost then, so it is for runs that were given too long.
    - rate: of learning, times the usual; less than 1 for a net that starts from trained weights.
    """

    hours: float | None = 1.0
    steps: int | None = None
    batch: int = 16
    seed: int = 0
    rate: float = 1.0
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    validate_every_s: float = 300.0
    validate_every_steps: int = 500
    patience: int | None = None

    def __post_init__(self) -> None:
        if (self.hours is None) == (self.steps is None):
            raise ConfigError(f"hours={self.hours} and steps={self.steps}: state one of them")
        for name in ("hours", "steps", "batch", "rate", "threads", "validate_every_steps", "patience"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name}={value} must be above 0")
        if self.workers < 0:
            raise ConfigError(f"workers={self.workers} must be 0 (mix between steps) or more")


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    elapsed_s: float = 0.0
    best_db: float = -1e9
    history: list[dict[str, float]] = field(default_factory=list)

    def share(self, run: RunConfig) -> float:
        """0 at the start, 1 when the run is over."""
        if run.steps is not None:
            return self.step / run.steps
        return self.elapsed_s / (3600 * (run.hours or 1.0))


class Loop:
    """A net, its average over the last steps, its optimisers, and how far they have come.

    A kind of training says what a batch is (`_prepare`) and what it costs (`_loss`).
    """

    net: Any
    average: Any

    def __init__(self, make_net: Callable[[], nn.Module], run: RunConfig) -> None:
        torch.set_num_threads(run.threads)
        torch.manual_seed(run.seed)
        self.run = run
        self.device = torch.device(run.device)
        self.net = make_net().to(self.device)
        self.average = deepcopy(self.net).requires_grad_(False)
        self.optimisers = make_optimisers(self.net)
        self.progress = Progress()

    def _prepare(self, number: int) -> tuple[Any, ...]:
        """Batch `number`, on the device; called from other threads."""
        raise NotImplementedError

    def _loss(self, *batch: Any) -> Tensor:
        """Loss of a batch, a scalar."""
        raise NotImplementedError

    def steps(self) -> Iterator[float]:
        """Train to the end of the run, giving each step's loss."""
        began = time.monotonic() - self.progress.elapsed_s
        for batch in self._batches():
            set_rate(self.optimisers, self.progress.share(self.run), self.run.rate)
            loss = self.step(*batch)
            self.progress.step += 1
            self.progress.elapsed_s = time.monotonic() - began
            yield loss
            if self.progress.share(self.run) >= 1:
                return

    def _batches(self) -> Iterator[tuple[Any, ...]]:
        """Batches from this step on, made ahead by `workers` threads: torch and numpy let go of the lock."""
        number = self.progress.step
        if not self.run.workers:
            while True:
                yield self._prepare(number)
                number += 1
        with ThreadPoolExecutor(self.run.workers) as pool:
            ahead = [pool.submit(self._prepare, number + i) for i in range(2 * self.run.workers)]
            try:
                while True:
                    yield ahead.pop(0).result()
                    number += 1
                    ahead.append(pool.submit(self._prepare, number + len(ahead)))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def step(self, *batch: Any) -> float:
        """One update."""
        loss = self._loss(*batch)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), CLIP_NORM)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self._follow()
        return float(loss.detach())

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the net: fast at first, when the net is still far from anything."""
        share = 1 - min(AVERAGE_DECAY, (1 + self.progress.step) / (10 + self.progress.step))
        for mean, p in zip(self.average.parameters(), self.net.parameters(), strict=True):
            mean.lerp_(p, share)

    def state(self) -> dict[str, Any]:
        """Everything a run goes on from: tensors and plain values."""
        return {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "progress": asdict(self.progress),
            "config": asdict(self.net.config),
            "run": asdict(self.run),
        }

    def save(self, path: Path) -> None:
        save_checkpoint(self.state(), path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same net."""
        state = load_checkpoint(path)
        if state["config"] != asdict(self.net.config):
            raise ConfigError(f"checkpoint {path} was made for another net: {state['config']}")
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.progress = Progress(**state["progress"])


class Validations:
    """When a loop is to be validated on its way: early, then at intervals; the end is not among them."""

    def __init__(self, loop: Loop) -> None:
        self._loop, self._next_s = loop, time.monotonic() + loop.run.validate_every_s / 3

    def due(self) -> bool:
        """Whether to, after the step that was just done."""
        run, progress = self._loop.run, self._loop.progress
        if progress.share(run) >= 1:
            return False
        if run.steps is not None:
            return progress.step % run.validate_every_steps == 0
        now_s = time.monotonic()
        if now_s < self._next_s:
            return False
        self._next_s = now_s + run.validate_every_s
        return True


class Trainer(Loop):
    """Trains a denoiser on what a mixer makes."""

    net: DenoiseNet
    average: DenoiseNet

    def __init__(
        self, config: DenoiseConfig, run: RunConfig, mixer: Mixer, loss: LossConfig | None = None
    ) -> None:
        super().__init__(lambda: DenoiseNet(config), run)
        self.mixer, self.loss_config = mixer, loss or LossConfig()

    def start_from(self, *paths: Path) -> None:
        """Begin with the weights of a file, or the mean of several.

        Raises WeightsError or ConfigError where they don't fit.
        """
        start_from(self.net, *paths)
        self.average.load_state_dict(self.net.state_dict())

    @torch.no_grad()
    def loss_on(self, mixer: Mixer, batches: int) -> float:
        """Mean loss of the averaged weights over a mixer's first batches: beside training's, it tells what
        was learnt by heart."""
        losses = []
        for number in range(batches):
            noisy, planes = self._planes(mixer.batch(number, self.run.batch))
            losses.append(float(denoise_loss(self.average(noisy), planes, self.loss_config)))
        return sum(losses) / batches

    def _prepare(self, number: int) -> tuple[Tensor, LossPlanes]:
        return self._planes(self.mixer.batch(number, self.run.batch))

    def _planes(self, batch: Batch) -> tuple[Tensor, LossPlanes]:
        planes = loss_planes(batch.noisy, batch.target, batch.mask, self.loss_config)
        return batch.noisy.to(self.device), planes.to(self.device)

    def _loss(self, noisy: Tensor, planes: LossPlanes) -> Tensor:
        """The net runs in bfloat16 (a third faster on a CPU that has it), the loss in float32."""
        with torch.autocast(self.device.type, torch.bfloat16):
            gains = self.net(noisy)
        return denoise_loss(gains, planes, self.loss_config)
