"""Nets over speech in torch: trained over whole clips, checked against the native step hop by hop.

Per frame of spectrum S, with p = |S|²::

    e = log10(bands @ p + floor)     log power in mel bands
    f = e - running mean of e        level-independent features

and per `stride` frames, side by side::

    x = relu(inp(f)); per block: x = x + relu(pointwise(depthwise(x)))
    y = out(x)

What the net gives is sigmoid(y), or y / |y| for an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.speech_config import SpeechConfig, mel_bands
from rtaudio.nn.torch.denoise import Block, over_level


@dataclass
class SpeechState:
    """What the net remembers between frames, for `B` streams.

    - level: `(B, 2)`, running mean of the log level and the weight it has gathered.
    - gathered: `(B, k, n_bands)`, k < stride frames that wait for the rest.
    - past: per block `(B, reach, channels)`, the frames its convolution still needs.
    - held: `(B, n_outputs)`, the last output.
    """

    level: Tensor
    gathered: Tensor
    past: list[Tensor]
    held: Tensor


class SpeechNet(nn.Module):
    """Spectrum in, `n_outputs` numbers out; causal, with no look-ahead."""

    bands: Tensor

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("bands", torch.from_numpy(mel_bands(config)), persistent=False)
        self.inp = nn.Linear(config.stride * config.n_bands, config.channels)
        self.blocks = nn.ModuleList(
            [Block(config.channels, config.kernel_size, dilation) for dilation in config.dilations]
        )
        self.out = nn.Linear(config.channels, config.n_outputs)

    def initial_state(self, batch: int = 1) -> SpeechState:
        """State of `batch` streams that have heard nothing."""
        like, c = self.inp.weight, self.config
        return SpeechState(
            like.new_zeros(batch, 2, dtype=torch.float64),
            like.new_zeros(batch, 0, c.n_bands),
            [like.new_zeros(batch, cast(Block, block).reach, c.channels) for block in self.blocks],
            like.new_zeros(batch, c.n_outputs),
        )

    def logits(self, features: Tensor, past: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """y `(B, T / stride, n_outputs)` of features `(B, T, n_bands)`, T a multiple of stride."""
        batch, frames, bands = features.shape
        stride = self.config.stride
        x = torch.relu(self.inp(features.reshape(batch, frames // stride, stride * bands)))
        pasts = []
        for block, before in zip(self.blocks, past, strict=True):
            x, before = block(x, before)
            pasts.append(before)
        return self.out(x).float(), pasts

    def activated(self, logits: Tensor) -> Tensor:
        """What the net gives: sigmoid(y), or y / |y| for an embedding."""
        if isinstance(self.config, EmbeddingConfig):
            return functional.normalize(logits, dim=-1, eps=1e-6)
        return torch.sigmoid(logits)

    def run(self, spectrum: Tensor, state: SpeechState) -> tuple[Tensor, SpeechState]:
        """Outputs `(B, T, n_outputs)` for spectrum `(B, T, n_bins, 2)`, going on from `state`."""
        stride, waiting = self.config.stride, state.gathered.shape[1]
        features, level = over_level(spectrum, state.level, self.bands, self.config)
        gathered = torch.cat([state.gathered, features], 1)
        whole = gathered.shape[1] // stride * stride
        logits, past = self.logits(gathered[:, :whole], state.past)
        outputs = torch.cat([state.held[:, None], self.activated(logits)], 1)
        at = (waiting + 1 + torch.arange(spectrum.shape[1])) // stride
        return outputs[:, at], SpeechState(level, gathered[:, whole:], past, outputs[:, -1])

    def forward(self, spectrum: Tensor) -> Tensor:
        """Outputs `(B, T, n_outputs)` for whole clips `(B, T, n_bins, 2)`, from a zero state."""
        return self.run(spectrum, self.initial_state(spectrum.shape[0]))[0]

    @torch.no_grad()
    def step(self, spectrum: Tensor, state: SpeechState) -> tuple[Tensor, SpeechState]:
        """One hop: spectrum `(B, n_bins, 2)` to outputs `(B, n_outputs)` and the state after it."""
        outputs, state = self.run(spectrum.unsqueeze(1), state)
        return outputs[:, 0], state
