"""A denoiser's weights as a hop on tensors wants them, and where in their rings its past frames lie."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rtaudio.nn.denoise import LSTM_PARTS
from rtaudio.nn.denoise_config import DenoiseConfig

Tensors = Mapping[str, NDArray[np.float32]]
"""The weights, as `rtaudio.nn.denoise.tensor_shapes` names them."""


def block_matrices(config: DenoiseConfig, tensors: Tensors) -> tuple[NDArray[np.float64], ...]:
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


def lstm_matrices(tensors: Tensors) -> tuple[NDArray[np.float32], ...]:
    """The LSTM's matrices, inputs first, and its bias; gates in the order i, f, o, g."""

    def order(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        i, f, g, o = np.split(rows, 4)
        return np.concatenate([i, f, o, g]).T

    inputs, hidden, *biases = (order(tensors[f"lstm.{name}_l0"]) for name in LSTM_PARTS)
    return inputs, hidden, biases[0] + biases[1]


def ring_places(config: DenoiseConfig) -> tuple[NDArray[np.int64], ...]:
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
