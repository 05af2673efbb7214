"""The denoiser net in torch: trained over whole clips, checked against the native step hop by hop.

Per frame of spectrum S, with p = |S|²::

    e = log10(bands @ p + floor)     log power in ERB bands
    f = e - running mean of e        level-independent features
    x = relu(inp(f)); per block: x = x + relu(pointwise(depthwise(x)))
                      and after every `mingru_every` of them: x = x + minGRU(x)
    h = LSTM(x); gains = sigmoid(out([h, x])), or of x alone where there is no LSTM
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rtaudio.nn.denoise_config import DenoiseConfig, erb_bands
from rtaudio.nn.torch.depthwise import depthwise
from rtaudio.nn.torch.mingru import MinGru, doubled


class Block(nn.Module):
    """Residual causal convolution over frames: a dilated one per channel, then one that mixes channels."""

    def __init__(self, channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.dilation, self.reach = dilation, (kernel_size - 1) * dilation
        self.depthwise = nn.Conv1d(channels, channels, kernel_size, dilation=dilation, groups=channels)
        self.pointwise = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Features `(B, T, channels)` and the `reach` frames before them, to new features and past.

        The second is written as the matrix product it is: `Conv1d` would turn clips around and back.
        """
        padded = torch.cat([past.to(x.dtype), x], dim=1)
        mixed = depthwise(padded, self.depthwise.weight, cast(Tensor, self.depthwise.bias), self.dilation)
        y = x + torch.relu(functional.linear(mixed, self.pointwise.weight[:, :, 0], self.pointwise.bias))
        return y, padded[:, padded.shape[1] - self.reach :]


class LevelConfig(Protocol):
    """What `over_level` needs to know of a net."""

    @property
    def power_floor(self) -> float: ...

    @property
    def level_decay(self) -> float: ...


def over_level(spectrum: Tensor, level: Tensor, bands: Tensor, config: LevelConfig) -> tuple[Tensor, Tensor]:
    """Log band powers over their running mean, `(B, T, n_bands)`, and the mean's new state `(B, 2)`.

    The mean is exponential and corrected for its zero start, so the first frame already counts in full.
    In float64: a float32 logarithm near -10 is off by 1e-6, which a trained net makes 1e-4 of.
    """
    real, imaginary = spectrum.float().unbind(-1)  # a sum over an axis of two is ten times slower
    power = real * real + imaginary * imaginary
    logs = torch.log10((power @ bands.T + config.power_floor).double())
    heard = torch.stack([logs.mean(-1), torch.ones_like(logs[..., 0])], -1)  # levels, and the weight of each
    states = doubled(torch.full_like(heard, 1 - config.level_decay), heard, level)
    features = logs - states[..., :1] / states[..., 1:]
    return features.float(), states[:, -1]


@dataclass
class DenoiseState:
    """What the net remembers between frames, for `B` streams.

    - level: `(B, 2)`, running mean of the log level and the weight it has gathered.
    - past: per block `(B, reach, channels)`, the frames its convolution still needs.
    - gated: `(mingrus, B, channels)`, states of the minGRUs.
    - hidden, cell: `(1, B, hidden)`, of no size where there is no LSTM.
    """

    level: Tensor
    past: list[Tensor]
    gated: Tensor
    hidden: Tensor
    cell: Tensor


class DenoiseNet(nn.Module):
    """Spectrum in, one gain per bin out; causal, with no look-ahead."""

    bands: Tensor

    def __init__(self, config: DenoiseConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("bands", torch.from_numpy(erb_bands(config)), persistent=False)
        self.inp = nn.Linear(config.n_bands, config.channels)
        self.blocks = nn.ModuleList(
            [Block(config.channels, config.kernel_size, dilation) for dilation in config.dilations]
        )
        self.mingrus = nn.ModuleList([MinGru(config.channels) for _ in range(config.n_mingrus)])
        if config.hidden:
            self.lstm = nn.LSTM(config.channels, config.hidden, batch_first=True)
        self.out = nn.Linear(config.hidden + config.channels, config.n_bins)

    def initial_state(self, batch: int = 1) -> DenoiseState:
        """State of `batch` streams that have heard nothing."""
        like = self.inp.weight
        recurrent = like.new_zeros(1, batch, self.config.hidden)
        past = [
            like.new_zeros(batch, cast(Block, block).reach, self.config.channels) for block in self.blocks
        ]
        level = like.new_zeros(batch, 2, dtype=torch.float64)
        gated = like.new_zeros(self.config.n_mingrus, batch, self.config.channels)
        return DenoiseState(level, past, gated, recurrent, recurrent.clone())

    def run(self, spectrum: Tensor, state: DenoiseState) -> tuple[Tensor, DenoiseState]:
        """Gains `(B, T, n_bins)` in 0..1 for spectrum `(B, T, n_bins, 2)`, going on from `state`."""
        with torch.no_grad():
            features, level = over_level(spectrum, state.level, self.bands, self.config)
        x = torch.relu(self.inp(features))
        pasts, gated = [], []
        for i, (block, past) in enumerate(zip(self.blocks, state.past, strict=True)):
            x, past = block(x, past)
            pasts.append(past)
            if (k := self.config.mingru_after(i)) is not None:
                x, last = self.mingrus[k](x, state.gated[k])
                gated.append(last)
        hidden, cell = state.hidden, state.cell
        if self.config.hidden:
            h, (hidden, cell) = self.lstm(x, (hidden, cell))
            x = torch.cat([h, x], dim=-1)
        gains = torch.sigmoid(self.out(x).float())
        states = torch.stack(gated) if gated else state.gated
        return gains, DenoiseState(level, pasts, states, hidden, cell)

    def forward(self, spectrum: Tensor) -> Tensor:
        """Gains `(B, T, n_bins)` for whole clips `(B, T, n_bins, 2)`, from a zero state."""
        return self.run(spectrum, self.initial_state(spectrum.shape[0]))[0]

    @torch.no_grad()
    def step(self, spectrum: Tensor, state: DenoiseState) -> tuple[Tensor, DenoiseState]:
        """One hop: spectrum `(B, n_bins, 2)` to gains `(B, n_bins)` and the state after it."""
        gains, state = self.run(spectrum.unsqueeze(1), state)
        return gains[:, 0], state


def load_net(config: DenoiseConfig, tensors: Mapping[str, NDArray[np.float32]]) -> DenoiseNet:
    """The net with these weights, to be run on one thread."""
    torch.set_num_threads(1)
    net = DenoiseNet(config).eval()
    net.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    return net


class TorchStep:
    """Runs the net hop by hop, spectrum `(n_bins, 2)` to the spectrum times its gains."""

    def __init__(self, config: DenoiseConfig, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        self._net = load_net(config, tensors)
        self._state = self._net.initial_state()

    @torch.inference_mode()
    def __call__(self, spectrum: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        frame = torch.from_numpy(spectrum)
        gains, self._state = self._net.step(frame[None], self._state)
        torch.mul(frame, gains[0, :, None], out=torch.from_numpy(out))
