"""Network layers as native stages: one frame in, one frame out, everything remembered in the arena.

Weights have torch's shapes and gate orders. Each layer keeps its own copy, packed for reading in
one stream.

Every layer takes the `precisions` of its products (`rtaudio.nn.product`): the one it works with,
then, if there is a second, the one of its cheaper step, which goes on from the same state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import ConfigError
from rtaudio.kernels import activations
from rtaudio.kernels.batch import (
    beside_batch_step,
    conv_batch_step,
    dense_batch_step,
    gru_batch_step,
    lstm_batch_step,
    mingru_batch_step,
)
from rtaudio.kernels.conv import conv_step
from rtaudio.kernels.dense import dense_step, padded
from rtaudio.kernels.gru import gru_step
from rtaudio.kernels.lstm import lstm_step
from rtaudio.kernels.mingru import mingru_step
from rtaudio.kernels.vectors import beside_step
from rtaudio.nn.product import FLOAT32, Product
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import CHEAPER, FULL, NativeStage, Spec

Floats = NDArray[np.float32]

ACTIVATIONS = {
    "linear": activations.LINEAR,
    "relu": activations.RELU,
    "tanh": activations.TANH,
    "sigmoid": activations.SIGMOID,
}


def _zeros(size: int) -> Floats:
    """Room for a product of `size` rows."""
    return np.zeros(padded(size), np.float32)


def _check(name: str, array: Floats, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ConfigError(f"{name} has shape {array.shape}, and must have {shape}")


class Layer(NativeStage):
    """A native stage from `in_size` to `out_size` float32, with no delay."""

    def __init__(self, entry: int, arena: Arena, in_size: int, out_size: int) -> None:
        self.in_size, self.out_size = in_size, out_size
        super().__init__(entry, arena, Spec((in_size,)), Spec((out_size,)))

    def forward(self, x: Floats) -> Floats:
        """One frame `(in_size,)`; returns a new `(out_size,)`."""
        out = np.empty(self.out_size, np.float32)
        self.process(np.ascontiguousarray(x, np.float32), out)
        return out


class Compound(Layer):
    """A layer whose step calls those of its parts, by address; its cheaper step, their cheaper ones."""

    def __init__(
        self,
        entry: int,
        words: Sequence[int],
        in_size: int,
        out_size: int,
        parts: Sequence[NativeStage],
        *,
        constants: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        calls = {"calls": np.zeros((len(parts), 2), np.int64)}
        arena = Arena(words, constants={**calls, **(constants or {})}, state=state, views={CHEAPER: calls})
        super().__init__(entry, arena, in_size, out_size)
        self.children = tuple(parts)
        if any(part.cheaper_entry for part in parts):
            self.cheaper_entry = entry
        if not all(part.batch_entry for part in parts):
            self.batch_entry = 0  # its step for many streams calls theirs
        self._bind()

    def _bind(self) -> None:
        for rung, name in ((FULL, "calls"), (CHEAPER, f"{CHEAPER}.calls")):
            self.arena[name] = [part.step_at(rung) for part in self.children]


class Dense(Compound):
    """activation(weight @ x + bias), weight `(out_size, in_size)`, one of ACTIVATIONS."""

    batch_entry = dense_batch_step.address

    def __init__(
        self,
        weight: Floats,
        bias: Floats,
        activation: str = "linear",
        precisions: Sequence[str] = FLOAT32,
    ) -> None:
        if activation not in ACTIVATIONS:
            raise ConfigError(f"activation={activation!r} must be one of: {', '.join(ACTIVATIONS)}")
        rows, columns = weight.shape
        _check("bias", bias, (rows,))
        super().__init__(
            dense_step.address,
            (rows, ACTIVATIONS[activation]),
            columns,
            rows,
            [Product(weight, bias, precisions)],
            state={"sums": _zeros(rows)},
        )


class CausalConv(Compound):
    """x + relu(pointwise @ depthwise(x) + bias), the depthwise filter over this and past frames.

    - taps: `(channels, 1, kernel_size)`, the last for the frame that just came, each `dilation`
      frames after the one before it; taps_bias `(channels,)`.
    - weight: `(channels, channels)`; bias `(channels,)`.
    """

    batch_entry = conv_batch_step.address

    def __init__(
        self,
        taps: Floats,
        taps_bias: Floats,
        weight: Floats,
        bias: Floats,
        dilation: int = 1,
        precisions: Sequence[str] = FLOAT32,
    ) -> None:
        channels, _, kernel_size = taps.shape
        _check("taps", taps, (channels, 1, kernel_size))
        _check("taps_bias", taps_bias, (channels,))
        _check("weight", weight, (channels, channels))
        _check("bias", bias, (channels,))
        if dilation < 1:
            raise ConfigError(f"dilation={dilation} must be at least 1")
        super().__init__(
            conv_step.address,
            (channels, kernel_size, dilation),
            channels,
            channels,
            [Product(weight, bias, precisions)],
            constants={
                "taps": np.ascontiguousarray(taps[:, 0].T, np.float32),
                "taps_bias": np.asarray(taps_bias, np.float32),
            },
            state={
                "position": 0,
                "filtered": np.zeros(channels, np.float32),
                "mixed": _zeros(channels),
                "begun": np.tile(np.asarray(taps_bias, np.float32), (dilation, kernel_size - 1, 1)),
            },
        )


def conv_shapes(channels: int, kernel_size: int, n_blocks: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of `n_blocks` convolution blocks, as torch's modules have them."""
    block = {
        "depthwise.weight": (channels, 1, kernel_size),
        "depthwise.bias": (channels,),
        "pointwise.weight": (channels, channels, 1),
        "pointwise.bias": (channels,),
    }
    return {f"blocks.{i}.{part}": shape for i in range(n_blocks) for part, shape in block.items()}


def conv_blocks(
    tensors: Mapping[str, Floats], dilations: Sequence[int], precisions: Sequence[str] = FLOAT32
) -> list[CausalConv]:
    """The blocks of `conv_shapes`, each with its dilation."""
    blocks = []
    for i, dilation in enumerate(dilations):
        taps, taps_bias, weight, bias = (
            tensors[f"blocks.{i}.{part}"]
            for part in ("depthwise.weight", "depthwise.bias", "pointwise.weight", "pointwise.bias")
        )
        blocks.append(CausalConv(taps, taps_bias, weight[:, :, 0], bias, dilation, precisions))
    return blocks


class Lstm(Compound):
    """One LSTM layer, torch's gate order i, f, g, o; its output is h.

    weight_ih `(4 hidden, in_size)`, weight_hh `(4 hidden, hidden)`, biases `(4 hidden,)`.
    """

    batch_entry = lstm_batch_step.address

    def __init__(
        self,
        weight_ih: Floats,
        weight_hh: Floats,
        bias_ih: Floats,
        bias_hh: Floats,
        precisions: Sequence[str] = FLOAT32,
    ) -> None:
        inputs, hidden = _recurrent_sizes(4, weight_ih, weight_hh, bias_ih, bias_hh)
        super().__init__(
            lstm_step.address,
            (inputs, hidden),
            inputs,
            hidden,
            [Product(np.hstack([weight_ih, weight_hh]), bias_ih + bias_hh, precisions)],
            state={
                "joined": np.zeros(inputs + hidden, np.float32),
                "c": np.zeros(hidden, np.float32),
                "sums": _zeros(4 * hidden),
            },
        )


class Gru(Compound):
    """One GRU layer, torch's gate order r, z, n; its output is h.

    weight_ih `(3 hidden, in_size)`, weight_hh `(3 hidden, hidden)`, biases `(3 hidden,)`.
    """

    batch_entry = gru_batch_step.address

    def __init__(
        self,
        weight_ih: Floats,
        weight_hh: Floats,
        bias_ih: Floats,
        bias_hh: Floats,
        precisions: Sequence[str] = FLOAT32,
    ) -> None:
        inputs, hidden = _recurrent_sizes(3, weight_ih, weight_hh, bias_ih, bias_hh)
        super().__init__(
            gru_step.address,
            (hidden,),
            inputs,
            hidden,
            [Product(weight_ih, bias_ih, precisions), Product(weight_hh, bias_hh, precisions)],
            state={
                "h": np.zeros(hidden, np.float32),
                "from_x": _zeros(3 * hidden),
                "from_h": _zeros(3 * hidden),
            },
        )


class MinGru(Compound):
    """Residual minimal gated unit: z, n = weight @ x + bias; h = h + sigmoid(z) (tanh(n) - h); x + h.

    weight `(2 channels, channels)`, gates above candidates; bias `(2 channels,)`.
    """

    batch_entry = mingru_batch_step.address

    def __init__(self, weight: Floats, bias: Floats, precisions: Sequence[str] = FLOAT32) -> None:
        channels = weight.shape[1]
        _check("weight", weight, (2 * channels, channels))
        _check("bias", bias, (2 * channels,))
        super().__init__(
            mingru_step.address,
            (channels,),
            channels,
            channels,
            [Product(weight, bias, precisions)],
            state={"h": np.zeros(channels, np.float32), "sums": _zeros(2 * channels)},
        )


def _recurrent_sizes(
    gates: int, weight_ih: Floats, weight_hh: Floats, bias_ih: Floats, bias_hh: Floats
) -> tuple[int, int]:
    """(in_size, hidden) where all shapes agree."""
    inputs, hidden = weight_ih.shape[1], weight_hh.shape[1]
    _check("weight_ih", weight_ih, (gates * hidden, inputs))
    _check("weight_hh", weight_hh, (gates * hidden, hidden))
    _check("bias_ih", bias_ih, (gates * hidden,))
    _check("bias_hh", bias_hh, (gates * hidden,))
    return inputs, hidden


class Beside(Compound):
    """A layer's output followed by its input: `(out_size + in_size,)`, a skip connection."""

    batch_entry = beside_batch_step.address

    def __init__(self, layer: Layer) -> None:
        sizes = layer.out_size, layer.in_size
        given = {"given": np.zeros(layer.out_size, np.float32)}
        super().__init__(beside_step.address, sizes, layer.in_size, sum(sizes), [layer], state=given)
