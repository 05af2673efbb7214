"""From a checkpoint to a weights file the live denoiser reads: averaged weights and where they came from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from rtaudio.nn.denoise import NET_NAME
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.torch.denoise import DenoiseNet
from rtaudio.nn.weights import save_weights
from rtaudio.training.checkpoint import load_checkpoint
from rtaudio.training.data import SAMPLE_RATE, Clip, ClipStore


def load_net(checkpoint: Path) -> DenoiseNet:
    """The net of a checkpoint, with its averaged weights, ready to run."""
    state = load_checkpoint(checkpoint)
    net = DenoiseNet(DenoiseConfig(**state["config"]))
    net.load_state_dict(state["average"])
    return net.eval()


def export_weights(checkpoint: Path, store: ClipStore, path: Path, **card: Any) -> Path:
    """Write the averaged weights with a card: data with licences, seed, length of the run, scores."""
    state = load_checkpoint(checkpoint)
    net = load_net(checkpoint)
    tensors = {name: tensor.detach().to(torch.float32).numpy() for name, tensor in net.state_dict().items()}
    last = state["progress"]["history"][-1] if state["progress"]["history"] else {}
    run = {"seed": state["run"]["seed"], "hours": round(state["progress"]["elapsed_s"] / 3600, 3), **last}
    return save_weights(path, NET_NAME, net.config, tensors, run=run, data=sources(store.clips), **card)


def sources(clips: Iterable[Clip], sample_rate: int = SAMPLE_RATE) -> list[dict[str, Any]]:
    """Training minutes per source and licence, speed copies not counted."""
    minutes: dict[tuple[str, str, str], float] = defaultdict(float)
    for clip in clips:
        if clip.split == "train" and clip.speed == 1.0:
            minutes[clip.kind, clip.source, clip.licence] += clip.length / sample_rate / 60
    return [
        {"kind": kind, "source": source, "licence": licence, "minutes": round(total, 1)}
        for (kind, source, licence), total in sorted(minutes.items())
    ]
