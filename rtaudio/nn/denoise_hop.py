"""One hop of the whole denoiser on tensors, samples in and samples out, for many streams at once.

The net of `denoise_torch`, arranged for one frame at a time so that it is few operations, since
on a GPU each costs microseconds however small it is:

- A block's two convolutions are linear, so they are one matrix over `kernel_size` frames. All but
  the newest frame are known before the hop comes: their part is one product for all blocks.
- Past frames lie in rings, read and written by index: nothing is ever shifted.
- Squaring the spectrum and weighting its bands is one product over real and imaginary parts.

`DenoiseHop.forward` is a pure function of state and samples; `DenoiseHop.remember` alone writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rtaudio.dsp.stft import as_window
from rtaudio.kernels.window import dual_window
from rtaudio.nn.denoise_config import DenoiseConfig, erb_bands

LARGEST = 3e38
"""The engine's bound, too: what is larger, or NaN, is no sound."""


@dataclass
class HopState:
    """What `B` streams remember between hops.

    - history, overlap: `(B, n_fft - hop_length)` samples heard, and samples not yet complete.
    - level: `(B, 2)` float64, running mean of the log level and the weight it has gathered.
    - past: `(B, slots, channels)`, a ring per block of the frames its convolution still needs.
    - hidden, cell: `(B, hidden)`.
    - position: `()` int64, hops so far; where in their rings all streams are.
    """

    history: Tensor
    overlap: Tensor
    level: Tensor
    past: Tensor
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
    hidden: Tensor
    cell: Tensor


class FftTransform(nn.Module):
    """STFT frames by FFT: cheapest where there are many streams.

    Spectra are `(B, 2 n_bins)`: real and imaginary part of each bin by turns, unnormalised.
    """

    def __init__(self, config: DenoiseConfig) -> None:
        super().__init__()
        self.n_fft = config.n_fft
        for name, window in zip(("window", "dual"), _windows(config), strict=True):
            self.register_buffer(name, torch.from_numpy(window.astype(np.float32)))

    def analyse(self, frame: Tensor) -> Tensor:
        """Samples `(B, n_fft)` to a spectrum."""
        return torch.view_as_real(torch.fft.rfft(frame * self.window)).flatten(1)

    def synthesise(self, spectrum: Tensor) -> Tensor:
        """A spectrum to samples `(B, n_fft)`, windowed to be overlapped and added."""
        bins = torch.view_as_complex(spectrum.unflatten(1, (-1, 2)))
        return torch.fft.irfft(bins, self.n_fft, norm="forward") * self.dual


class MatrixTransform(nn.Module):
    """The same as `FftTransform` by a matrix each way: more arithmetic, a third of the operations.

    Cheapest for a few streams on a GPU. Needs true float32 products: TF32 leaves noise at -60 dB.
    """

    def __init__(self, config: DenoiseConfig) -> None:
        super().__init__()
        window, dual = _windows(config)
        basis = np.fft.rfft(np.eye(config.n_fft))  # (sample, bin)
        turns = np.stack([basis.real, basis.imag], -1).reshape(config.n_fft, -1)
        # A bin between the first and the last stands for its mirror image, too.
        twice = np.full((config.n_bins, 1), 2.0)
        twice[[0, -1] if config.n_fft % 2 == 0 else [0]] = 1.0
        back = turns.T * np.repeat(twice, 2, 0) * dual
        for name, matrix in (("forth", window[:, None] * turns), ("back", back)):
            self.register_buffer(name, torch.from_numpy(matrix.astype(np.float32)))

    def analyse(self, frame: Tensor) -> Tensor:
        return frame @ self.forth

    def synthesise(self, spectrum: Tensor) -> Tensor:
        return spectrum @ self.back


TRANSFORMS = {"fft": FftTransform, "matrix": MatrixTransform}


def _windows(config: DenoiseConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Window of analysis, and of synthesis after an inverse FFT without its 1/n."""
    window = as_window(config.window, config.n_fft)
    return window, dual_window(window, window, config.hop_length) / config.n_fft


class DenoiseHop(nn.Module):
    """The denoiser as `(state, samples) -> (samples, what to remember)`, on any device.

    - tensors: the weights, as `rtaudio.nn.denoise.tensor_shapes` names them.
    - transform: one of TRANSFORMS.
    - dtype: of the net's weights, activations and past; all around it stays float32, the LSTM's
      cell too, which sums up for minutes.
    """

    def __init__(
        self,
        config: DenoiseConfig,
        tensors: Mapping[str, NDArray[np.float32]],
        *,
        transform: str = "fft",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.config, self.dtype = config, dtype
        self.transform = TRANSFORMS[transform](config)
        bands = torch.from_numpy(erb_bands(config).T.repeat(2, 0))
        self.register_buffer("bands", bands)  # (2 n_bins, n_bands)
        self.register_buffer("power_floor", torch.full((config.n_bands,), config.power_floor))
        self.register_buffer("one", torch.ones(()))
        for name, tensor in (_blocks(config, tensors) | _lstm(tensors)).items():
            self.register_buffer(name, torch.from_numpy(tensor).to(dtype))
        for name in ("inp.weight", "inp.bias", "out.weight", "out.bias"):
            self.register_buffer(name.replace(".", "_"), torch.from_numpy(tensors[name]).to(dtype))
        for name, indices in _rings(config).items():
            self.register_buffer(name, torch.from_numpy(indices))

    def initial_state(self, streams: int) -> HopState:
        """State of streams that have heard nothing, on the module's device."""
        config, zeros = self.config, self.bands.new_zeros
        samples = config.n_fft - config.hop_length
        slots = int(self.sizes[: len(config.dilations)].sum())
        return HopState(
            history=zeros(streams, samples),
            overlap=zeros(streams, samples),
            level=zeros(streams, 2, dtype=torch.float64),
            past=zeros(streams, slots, config.channels, dtype=self.dtype),
            hidden=zeros(streams, config.hidden, dtype=self.dtype),
            cell=zeros(streams, config.hidden),
            position=zeros((), dtype=torch.int64),
        )

    def forward(self, state: HopState, x: Tensor, strength: Tensor, floor: Tensor) -> tuple[Tensor, Heard]:
        """Samples `(B, hop_length)` in and out; `strength` and `floor` as the native net's, `(B, 1)`."""
        hop_length = self.config.hop_length
        frame = torch.cat([state.history, x], 1)
        spectrum = self.transform.analyse(frame)
        features, level = self._features(spectrum, state.level)
        gains, frames, slots, hidden, cell = self._net(features, state)
        factors = torch.lerp(self.one, torch.maximum(gains, floor), strength)
        enhanced = (spectrum.unflatten(1, (-1, 2)) * factors.unsqueeze(-1)).flatten(1)
        total = self.transform.synthesise(enhanced) + functional.pad(state.overlap, (0, hop_length))
        y, overlap = total[:, :hop_length], total[:, hop_length:]
        return y, Heard(frame[:, hop_length:], overlap, level, frames, slots, hidden, cell)

    def _features(self, spectrum: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Log band powers over their running mean, and the mean's new state; float64 up to there."""
        power = torch.addmm(self.power_floor, spectrum.square(), self.bands)
        logs = power.double().log10()
        mean = logs.mean(1, keepdim=True)
        level = torch.lerp(level, torch.cat([mean, torch.ones_like(mean)], 1), 1 - self.config.level_decay)
        return (logs - level[:, :1] / level[:, 1:]).to(self.dtype), level

    def _net(self, features: Tensor, state: HopState) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Gains `(B, n_bins)`, the blocks' newest frames and their slots, hidden and cell."""
        streams, blocks = len(features), len(self.config.dilations)
        slots = (state.position - self.lags) % self.sizes + self.offsets
        known = state.past.index_select(1, slots[blocks:]).view(streams, blocks, -1)
        known = torch.baddbmm(self.block_bias, known.transpose(0, 1), self.block_past)
        x, frames = torch.relu(functional.linear(features, self.inp_weight, self.inp_bias)), []
        for i in range(blocks):
            frames.append(x)
            x = x + torch.relu(torch.addmm(known[i], x, self.block_now[i]))
        gates = torch.addmm(self.lstm_bias, state.hidden, self.lstm_hidden)
        gates = torch.addmm(gates, x, self.lstm_input).float()
        i, f, o = gates[:, : 3 * self.config.hidden].sigmoid().chunk(3, 1)
        cell = torch.addcmul(f * state.cell, i, gates[:, 3 * self.config.hidden :].tanh())
        hidden = (o * cell.tanh()).to(self.dtype)
        logits = functional.linear(torch.cat([hidden, x], 1), self.out_weight, self.out_bias)
        return logits.float().sigmoid(), torch.stack(frames, 1), slots[:blocks], hidden, cell

    def remember(self, state: HopState, heard: Heard, y: Tensor, active: Tensor) -> Tensor:
        """Write what a hop adds into `state`, in place, and return what is to be heard of `y`.

        Streams that are not `active` `(B, 1)` keep their state and are silent. So is a stream whose
        hop is not finite: what was in it is never remembered, and the next hop is sound again.
        """
        good = active & (y.sum(1, keepdim=True).abs() < LARGEST)
        for name in ("history", "overlap", "level", "hidden", "cell"):
            kept: Tensor = getattr(state, name)
            kept.copy_(torch.where(good, getattr(heard, name), kept))
        before = state.past.index_select(1, heard.slots)
        state.past.index_copy_(1, heard.slots, torch.where(good.unsqueeze(2), heard.frames, before))
        state.position.add_(1)
        return torch.where(good, y, 0.0)


def _blocks(
    config: DenoiseConfig, tensors: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
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
        *before, newest = taps[:, 0].T[:, :, None] * mix
        now.append(newest)
        past.append(np.concatenate([*before, mix[:0]]))
        biases.append((taps_bias @ mix + bias)[None])
    stacked = {"block_now": now, "block_past": past, "block_bias": biases}
    return {name: np.stack(parts).astype(np.float32) for name, parts in stacked.items()}


def _lstm(tensors: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """The LSTM's matrices, inputs first, gates in the order i, f, o, g: the sigmoid ones in a row."""

    def order(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        i, f, g, o = np.split(rows, 4)
        return np.ascontiguousarray(np.concatenate([i, f, o, g]).T)

    return {
        "lstm_input": order(tensors["lstm.weight_ih_l0"]),
        "lstm_hidden": order(tensors["lstm.weight_hh_l0"]),
        "lstm_bias": order(tensors["lstm.bias_ih_l0"] + tensors["lstm.bias_hh_l0"]),
    }


def _rings(config: DenoiseConfig) -> dict[str, NDArray[np.int64]]:
    """Where frames lie in `past`: slot (position - lag) % size + offset.

    First, for each block, the slot to write; then, block by block and oldest first, those to read.
    A ring holds as many frames as its block reaches back: the oldest is read, then written over.
    """
    taps = config.kernel_size - 1
    sizes = np.maximum(1, np.array(config.dilations) * taps)
    offsets = np.cumsum(sizes) - sizes
    lags = np.array([dilation * lag for dilation in config.dilations for lag in range(taps, 0, -1)], np.int64)
    return {
        "lags": np.concatenate([np.zeros_like(sizes), lags]),
        "sizes": np.concatenate([sizes, sizes.repeat(taps)]),
        "offsets": np.concatenate([offsets, offsets.repeat(taps)]),
    }
