"""Network layers as native stages: one frame in, one frame out, everything remembered in the arena.

Weights have torch's shapes and gate orders. Each layer keeps its own copy, packed for reading in
one stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import ConfigError
from rtaudio.kernels import activations
from rtaudio.kernels.conv import conv_step
from rtaudio.kernels.dense import dense_step, pack_bias, pack_weight, padded
from rtaudio.kernels.frames import lookback_step, strided_step, unit_step
from rtaudio.kernels.gru import gru_step
from rtaudio.kernels.lstm import lstm_step
from rtaudio.kernels.vectors import beside_step
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import NativeStage, Spec

Floats = NDArray[np.float32]

ACTIVATIONS = {
    "linear": activations.LINEAR,
    "relu": activations.RELU,
    "tanh": activations.TANH,
    "sigmoid": activations.SIGMOID,
}


def _zeros(size: int) -> Floats:
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


class Dense(Layer):
    """activation(weight @ x + bias), weight `(out_size, in_size)`, one of ACTIVATIONS."""

    def __init__(self, weight: Floats, bias: Floats, activation: str = "linear") -> None:
        if activation not in ACTIVATIONS:
            raise ConfigError(f"activation={activation!r} must be one of: {', '.join(ACTIVATIONS)}")
        rows, columns = weight.shape
        _check("bias", bias, (rows,))
        arena = Arena(
            (rows, columns, ACTIVATIONS[activation]),
            constants={"weight": pack_weight(weight), "bias": pack_bias(bias)},
            state={"sums": _zeros(rows)},
        )
        super().__init__(dense_step.address, arena, columns, rows)


class CausalConv(Layer):
    """x + relu(pointwise @ depthwise(x) + bias), the depthwise filter over this and past frames.

    - taps: `(channels, 1, kernel_size)`, the last for the frame that just came, each `dilation`
      frames after the one before it; taps_bias `(channels,)`.
    - weight: `(channels, channels)`; bias `(channels,)`.
    """

    def __init__(
        self, taps: Floats, taps_bias: Floats, weight: Floats, bias: Floats, dilation: int = 1
    ) -> None:
        channels, _, kernel_size = taps.shape
        _check("taps", taps, (channels, 1, kernel_size))
        _check("taps_bias", taps_bias, (channels,))
        _check("weight", weight, (channels, channels))
        _check("bias", bias, (channels,))
        if dilation < 1:
            raise ConfigError(f"dilation={dilation} must be at least 1")
        arena = Arena(
            (channels, kernel_size, dilation),
            constants={
                "taps": np.ascontiguousarray(taps[:, 0].T, np.float32),
                "taps_bias": np.asarray(taps_bias, np.float32),
                "weight": pack_weight(weight),
                "bias": pack_bias(bias),
            },
            state={
                "past": np.zeros(((kernel_size - 1) * dilation + 1, channels), np.float32),
                "position": 0,
                "filtered": _zeros(channels),
                "mixed": _zeros(channels),
            },
        )
        super().__init__(conv_step.address, arena, channels, channels)


def conv_shapes(channels: int, kernel_size: int, n_blocks: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of `n_blocks` convolution blocks, as torch's modules have them."""
    block = {
        "depthwise.weight": (channels, 1, kernel_size),
        "depthwise.bias": (channels,),
        "pointwise.weight": (channels, channels, 1),
        "pointwise.bias": (channels,),
    }
    return {f"blocks.{i}.{part}": shape for i in range(n_blocks) for part, shape in block.items()}


def conv_blocks(tensors: Mapping[str, Floats], dilations: Sequence[int]) -> list[CausalConv]:
    """The blocks of `conv_shapes`, each with its dilation."""
    blocks = []
    for i, dilation in enumerate(dilations):
        taps, taps_bias, weight, bias = (
            tensors[f"blocks.{i}.{part}"]
            for part in ("depthwise.weight", "depthwise.bias", "pointwise.weight", "pointwise.bias")
        )
        blocks.append(CausalConv(taps, taps_bias, weight[:, :, 0], bias, dilation))
    return blocks


class Lstm(Layer):
    """One LSTM layer, torch's gate order i, f, g, o; its output is h.

    weight_ih `(4 hidden, in_size)`, weight_hh `(4 hidden, hidden)`, biases `(4 hidden,)`.
    """

    def __init__(self, weight_ih: Floats, weight_hh: Floats, bias_ih: Floats, bias_hh: Floats) -> None:
        inputs, hidden = _recurrent_sizes(4, weight_ih, weight_hh, bias_ih, bias_hh)
        arena = Arena(
            (inputs, hidden),
            constants={
                "weight": pack_weight(np.hstack([weight_ih, weight_hh])),
                "bias": pack_bias(bias_ih + bias_hh),
            },
            state={
                "joined": _zeros(inputs + hidden),
                "c": _zeros(hidden),
                "sums": _zeros(4 * hidden),
            },
        )
        super().__init__(lstm_step.address, arena, inputs, hidden)


class Gru(Layer):
    """One GRU layer, torch's gate order r, z, n; its output is h.

    weight_ih `(3 hidden, in_size)`, weight_hh `(3 hidden, hidden)`, biases `(3 hidden,)`.
    """

    def __init__(self, weight_ih: Floats, weight_hh: Floats, bias_ih: Floats, bias_hh: Floats) -> None:
        inputs, hidden = _recurrent_sizes(3, weight_ih, weight_hh, bias_ih, bias_hh)
        arena = Arena(
            (inputs, hidden),
            constants={
                "weight_ih": pack_weight(weight_ih),
                "bias_ih": pack_bias(bias_ih),
                "weight_hh": pack_weight(weight_hh),
                "bias_hh": pack_bias(bias_hh),
            },
            state={
                "h": _zeros(hidden),
                "from_x": _zeros(3 * hidden),
                "from_h": _zeros(3 * hidden),
            },
        )
        super().__init__(gru_step.address, arena, inputs, hidden)


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


class Beside(Layer):
    """A layer's output followed by its input: `(out_size + in_size,)`, a skip connection."""

    def __init__(self, layer: Layer) -> None:
        arena = Arena((layer.out_size, layer.in_size), constants={"call": np.zeros(2, np.int64)})
        super().__init__(beside_step.address, arena, layer.in_size, layer.out_size + layer.in_size)
        self.children = (layer,)
        self._bind()

    def _bind(self) -> None:
        self.arena["call"][:] = self.children[0].entry, self.children[0].arena.address


class Strided(NativeStage):
    """Another stage, run once every `stride` frames on all of them, oldest first.

    Its last output is held in between; before the first there are zeros. Takes frames of
    `in_size`; the stage inside takes `(stride * in_size,)`.
    """

    def __init__(self, stage: NativeStage, in_size: int, stride: int) -> None:
        if stage.in_spec.size != stride * in_size:
            raise ConfigError(f"{stride} frames of {in_size} are not what the stage takes: {stage.in_spec}")
        out_size = stage.out_spec.size
        arena = Arena(
            (in_size, out_size, stride),
            constants={"call": np.zeros(2, np.int64)},
            state={
                "gathered": np.zeros(stride * in_size, np.float32),
                "count": 0,
                "held": np.zeros(out_size, np.float32),
            },
        )
        super().__init__(strided_step.address, arena, Spec((in_size,)), Spec((out_size,)))
        self.children = (stage,)
        self._bind()

    def _bind(self) -> None:
        self.arena["call"][:] = self.children[0].entry, self.children[0].arena.address


class Lookback(Layer):
    """`taps` frames in a row, `lag` frames apart, the newest last; `(size,)` in, `(taps * size,)` out."""

    def __init__(self, size: int, taps: int, lag: int = 1) -> None:
        if taps < 1 or lag < 1:
            raise ConfigError(f"taps={taps} and lag={lag} must be at least 1")
        state = {"past": np.zeros(((taps - 1) * lag + 1, size), np.float32), "position": 0}
        super().__init__(lookback_step.address, Arena((size, taps, lag), state=state), size, taps * size)


class Unit(Layer):
    """x over its Euclidean length; zeros stay zeros."""

    def __init__(self, size: int) -> None:
        super().__init__(unit_step.address, Arena((size,)), size, size)
