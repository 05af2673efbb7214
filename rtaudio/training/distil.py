"""Nets that teach another: what several embeddings say together, in one that costs no more than any of them.

Nets that began with other random weights tell words apart about equally well, and err about other words;
side by side they err less than each. One net can learn to say what they say (Hinton, Vinyals & Dean 2015,
"Distilling the knowledge in a neural network").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from rtaudio.errors import ConfigError
from rtaudio.nn.embedding import EmbeddingNet
from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.torch.speech import SpeechNet
from rtaudio.training.start import load_tensors

MAY_DIFFER = ("channels", "kernel_size", "dilations", "size")
"""Sizes that teachers and pupil need not share."""


class Teachers:
    """Embedding nets side by side, in as many numbers as their pupil has.

    - config: the pupil's, whose features and strides they share.
    - basis: `(sum of their sizes, config.size)`, the directions in which they say most; `fit` finds it.

    Raises WeightsError for weights of another kind of net, ConfigError for nets that hear otherwise.
    """

    def __init__(self, paths: Sequence[Path], config: EmbeddingConfig, device: torch.device) -> None:
        self.nets = [_load(path, config).to(device) for path in paths]
        sizes = sum(net.config.n_outputs for net in self.nets)
        if sizes < config.size:
            raise ConfigError(f"teachers that say {sizes} numbers can't teach a net that says {config.size}")
        self.basis = torch.eye(sizes, config.size, device=device)

    @torch.no_grad()
    def side_by_side(self, features: Tensor) -> Tensor:
        """`(B, T / stride, sum of sizes)` of features `(B, T, n_bands)`; each net's share has length 1."""
        said = [net.logits(features, net.initial_state(len(features)).past)[0] for net in self.nets]
        return torch.cat([functional.normalize(each, dim=-1) for each in said], -1)

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Choose the basis: principal directions, about 0, of what they say of batches of features."""
        said = torch.cat([self.side_by_side(features).flatten(0, 1) for features in batches]).double()
        _, directions = torch.linalg.eigh(said.T @ said)  # least first
        self.basis = directions.flip(1)[:, : self.basis.shape[1]].float().contiguous()

    def wanted(self, features: Tensor) -> Tensor:
        """What the pupil should say, `(B, T / stride, size)` of length 1."""
        return functional.normalize(self.side_by_side(features) @ self.basis, dim=-1)


def _load(path: Path, config: EmbeddingConfig) -> SpeechNet:
    sizes, tensors = load_tensors(path, EmbeddingNet.net_name)
    theirs = EmbeddingConfig(**sizes)
    if replace(config, **{name: getattr(theirs, name) for name in MAY_DIFFER}) != theirs:
        raise ConfigError(f"{path}: hears otherwise, {theirs}, than the net it should teach, {config}")
    net = SpeechNet(theirs).eval().requires_grad_(False)
    net.load_state_dict(tensors)
    return net
