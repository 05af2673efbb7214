"""One hop of the whole denoiser on tensors, samples in and samples out, for many streams at once.

The net of `rtaudio.nn.torch.denoise`, arranged for one frame at a time so that it is few operations, since
on a GPU each costs microseconds however small it is:

- A block's two convolutions are linear, so they are one matrix over `kernel_size` frames. All but
  the newest frame are known before the hop comes: their part is one product for all blocks.
- Past frames lie in rings, read and written by index: nothing is ever shifted.
- Squaring the spectrum and weighting its bands is one product over real and imaginary parts.

Calling a `DenoiseHop` is a pure function of state and samples; `DenoiseHop.remember` alone writes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rtaudio.nn.denoise import LSTM_PARTS
from rtaudio.nn.denoise_config import DenoiseConfig, erb_bands
from rtaudio.nn.torch.stft import TRANSFORMS, put

Tensors = Mapping[str, NDArray[np.float32]]

LARGEST = 3e38
"""The engine's bound, too: what is larger, or NaN, is no sound."""


@dataclass
class HopState:
    """What `B` streams remember between hops.

    - history, overlap: `(B, n_fft - hop_length)` samples heard, and samples not yet complete.
    - level: `(B, 2)` float64, running mean of the log level and the weight it has gathered.
    - past: `(B, slots, channels)`, a ring per block of the frames its convolution still needs.
    - gated: `(B, mingrus * channels)`, states of the minGRUs in a row.
    - hidden, cell: `(B, hidden)`, of no size where there is no LSTM.
    - position: `()` int64, hops so far; where in their rings all streams are.
    """

    history: Tensor
    overlap: Tensor
    level: Tensor
    past: Tensor
    gated: Tensor
    hidden: Tensor
    cell: Tensor
    position: Tensor


@dataclass
class Heard:
    """What a hop adds to a `HopState`: new values, and of `past` the newest frames and their slots.

    - frames: `(B, blocks, channels)`; slots: `(blocks,)` int64.
    """

    history: Tensor
    overlap: Tensor
    level: Tensor
    frames: Tensor
    slots: Tensor
    gated: Tensor
    hidden: Tensor
    cell: Tensor


class DenoiseHop:
    """The denoiser as `(state, samples) -> (samples, what to remember)`, on any device.

    - tensors: the weights, as `rtaudio.nn.denoise.tensor_shapes` names them.
    - transform: how the STFT is done, one of `rtaudio.nn.torch.stft.TRANSFORMS`.
    - dtype: of the net's weights, activations and past; all around it stays float32, the LSTM's
      cell and the minGRUs' states too, which sum up for minutes.
    """

    def __init__(
        self,
        config: DenoiseConfig,
        tensors: Tensors,
        *,
        device: torch.device,
        transform: str = "fft",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config, self.dtype, self.device = config, dtype, device
        self.transform = TRANSFORMS[transform](config, device)
        self._bands = put(erb_bands(config).T.repeat(2, 0), device)  # (2 n_bins, n_bands)
        self._lead = config.n_fft - config.hop_length - config.latency  # samples that are old in an overlap
        self._power_floor = torch.full((config.n_bands,), config.power_floor, device=device)
        self._one = torch.ones((), device=device)
        self._block_now, self._block_past, self._block_bias = (
            put(stack, device, dtype) for stack in _blocks(config, tensors)
        )
        mingrus = range(config.n_mingrus)
        if config.n_mingrus:
            self._mingru_weight, self._mingru_bias = (
                put(np.stack([tensors[f"mingrus.{i}.mix.{part}"].T for i in mingrus]), device, dtype)
                for part in ("weight", "bias")
            )
        if config.hidden:
            self._lstm_input, self._lstm_hidden, self._lstm_bias = (
                put(matrix, device, dtype) for matrix in _lstm(tensors)
            )
        self._inp_weight, self._inp_bias, self._out_weight, self._out_bias = (
            put(tensors[name].T, device, dtype)
            for name in ("inp.weight", "inp.bias", "out.weight", "out.bias")
        )
        self._lags, self._sizes, self._offsets = (put(indices, device) for indices in _rings(config))

    @property
    def constants(self) -> dict[str, Tensor]:
        """Weights, windows and indices, by name."""
        named = vars(self) | vars(self.transform)
        return {name: value for name, value in named.items() if isinstance(value, Tensor)}

    @property
    def flops(self) -> int:
        """Operations of a stream's hop in matrix products: two for each number of a matrix."""
        matrices = [t for name, t in self.constants.items() if t.dim() >= 2 and "bias" not in name]
        return 2 * sum(matrix.numel() for matrix in matrices)

    def initial_state(self, streams: int) -> HopState:
        """State of streams that have heard nothing."""
        config, zeros = self.config, functools.partial(torch.zeros, device=self.device)
        samples = config.n_fft - config.hop_length
        slots = int(self._sizes[: len(config.dilations)].sum())
        return HopState(
            history=zeros(streams, samples),
            overlap=zeros(streams, samples),
            level=zeros(streams, 2, dtype=torch.float64),
            past=zeros(streams, slots, config.channels, dtype=self.dtype),
            gated=zeros(streams, config.n_mingrus * config.channels),
            hidden=zeros(streams, config.hidden, dtype=self.dtype),
            cell=zeros(streams, config.hidden),
            position=zeros((), dtype=torch.int64),
        )

    def __call__(self, state: HopState, x: Tensor, strength: Tensor, floor: Tensor) -> tuple[Tensor, Heard]:
        """Samples `(B, hop_length)` in and out; `strength` and `floor` as the native net's, `(B, 1)`."""
        hop_length = self.config.hop_length
        frame = torch.cat([state.history, x], 1)
        spectrum = self.transform.analyse(frame)
        features, level = self._features(spectrum, state.level)
        gains, *remembered = self._net(features, state)
        factors = torch.lerp(self._one, torch.maximum(gains, floor), strength)
        added = self.transform.synthesise(spectrum * factors.unsqueeze(2))
        total = added + functional.pad(state.overlap, (0, hop_length))
        y, overlap = total[:, self._lead : self._lead + hop_length], total[:, hop_length:]
        return y, Heard(frame[:, hop_length:], overlap, level, *remembered)

    def _features(self, spectrum: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Log band powers over their running mean, and the mean's new state.

        In float64 up to there, as the native net; on the GPUs of data centres it costs nothing.
        """
        power = torch.addmm(self._power_floor, spectrum.flatten(1).square(), self._bands)
        logs = power.double().log10()
        mean = logs.mean(1, keepdim=True)
        level = torch.lerp(level, torch.cat([mean, torch.ones_like(mean)], 1), 1 - self.config.level_decay)
        return (logs - level[:, :1] / level[:, 1:]).to(self.dtype), level

    def _net(self, features: Tensor, state: HopState) -> tuple[Tensor, ...]:
        """Gains `(B, n_bins)`, the blocks' newest frames and their slots; gated, hidden and cell."""
        streams, blocks = len(features), len(self.config.dilations)
        gated = list(torch.split(state.gated, self.config.channels, 1))
        slots = (state.position - self._lags) % self._sizes + self._offsets
        known = state.past.index_select(1, slots[blocks:]).view(streams, blocks, -1)
        known = torch.baddbmm(self._block_bias, known.transpose(0, 1), self._block_past)
        x, frames = torch.addmm(self._inp_bias, features, self._inp_weight).relu(), []
        for k in range(blocks):
            frames.append(x)
            x = x + torch.addmm(known[k], x, self._block_now[k]).relu()
            if (g := self.config.mingru_after(k)) is not None:
                gated[g] = self._mingru(g, x, gated[g])
                x = x + gated[g].to(self.dtype)
        hidden, cell = state.hidden, state.cell
        if self.config.hidden:
            hidden, cell = self._lstm(x, hidden, cell)
            x = torch.cat([hidden, x], 1)
        logits = torch.addmm(self._out_bias, x, self._out_weight)
        states = torch.cat(gated, 1) if gated else state.gated
        return logits.float().sigmoid(), torch.stack(frames, 1), slots[:blocks], states, hidden, cell

    def _mingru(self, which: int, x: Tensor, h: Tensor) -> Tensor:
        """New state of a minGRU."""
        sums = torch.addmm(self._mingru_bias[which], x, self._mingru_weight[which]).float()
        z, n = sums.chunk(2, 1)
        return torch.lerp(h, n.tanh(), z.sigmoid())

    def _lstm(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """New hidden and cell."""
        gates = torch.addmm(self._lstm_bias, hidden, self._lstm_hidden)
        gates = torch.addmm(gates, x, self._lstm_input).float()
        i, f, o = gates[:, : 3 * self.config.hidden].sigmoid().chunk(3, 1)
        cell = torch.addcmul(f * cell, i, gates[:, 3 * self.config.hidden :].tanh())
        return (o * cell.tanh()).to(self.dtype), cell

    def remember(self, state: HopState, heard: Heard, y: Tensor, active: Tensor) -> Tensor:
        """Write what a hop adds into `state`, in place, and return what is to be heard of `y`.

        Streams that are not `active` `(B, 1)` keep their state and are silent. So is a stream whose
        hop is not finite: what was in it is never remembered, and the next hop is sound again.
        """
        good = active & (y.sum(1, keepdim=True).abs() < LARGEST)
        for name in ("history", "overlap", "level", "gated", "hidden", "cell"):
            kept: Tensor = getattr(state, name)
            kept.copy_(torch.where(good, getattr(heard, name), kept))
        before = state.past.index_select(1, heard.slots)
        state.past.index_copy_(1, heard.slots, torch.where(good.unsqueeze(2), heard.frames, before))
        state.position.add_(1)
        return torch.where(good, y, 0.0)


def _blocks(config: DenoiseConfig, tensors: Tensors) -> tuple[NDArray[np.float64], ...]:
    """Matrices of all blocks, inputs first: over the newest frame, over the ones before, and the bias.

    pointwise @ (sum of taps * frames + taps' bias) + bias, multiplied out in float64.
    """
    now, past, biases = [], [], []
    for i in range(len(config.dilations)):
        taps, taps_bias, mix, bias = (
            tensors[f"blocks.{i}.{part}"].astype(np.float64)
            for part in ("depthwise.weight", "depthwise.bias", "pointwise.weight", "pointwise.bias")
        )
        mix = mix[:, :, 0].T
        frames = taps[:, 0].T[:, :, None] * mix  # (kernel_size, channels, channels), oldest first
        now.append(frames[-1])
        past.append(frames[:-1].reshape(-1, config.channels))
        biases.append((taps_bias @ mix + bias)[None])
    return np.stack(now), np.stack(past), np.stack(biases)


def _lstm(tensors: Tensors) -> tuple[NDArray[np.float32], ...]:
    """The LSTM's matrices, inputs first, and its bias; gates in the order i, f, o, g."""

    def order(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        i, f, g, o = np.split(rows, 4)
        return np.concatenate([i, f, o, g]).T

    inputs, hidden, *biases = (order(tensors[f"lstm.{name}_l0"]) for name in LSTM_PARTS)
    return inputs, hidden, biases[0] + biases[1]


def _rings(config: DenoiseConfig) -> tuple[NDArray[np.int64], ...]:
    """Where frames lie in `past`, as lags, sizes, offsets: slot (position - lag) % size + offset.

    First, for each block, the slot to write; then, block by block and oldest first, those to read.
    A ring holds as many frames as its block reaches back: the oldest is read, then written over.
    """
    taps = config.kernel_size - 1
    sizes = np.maximum(1, np.array(config.dilations) * taps)
    offsets = np.cumsum(sizes) - sizes
    lags = [0] * len(sizes) + [dilation * lag for dilation in config.dilations for lag in range(taps, 0, -1)]
    both = (np.concatenate([value, value.repeat(taps)]) for value in (sizes, offsets))
    return np.array(lags), *both
