"""Nets over speech as native stages: spectrum in, a few numbers out, once a hop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import WeightsError
from rtaudio.kernels.features import features_step
from rtaudio.kernels.mel import pack_rows
from rtaudio.nn.frames import Strided
from rtaudio.nn.layers import Dense, Layer, conv_blocks, conv_shapes
from rtaudio.nn.speech_config import SpeechConfig, mel_bands
from rtaudio.nn.weights import Weights, check_shapes
from rtaudio.stream.arena import Arena
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import NativeStage, Spec

Tensors = Mapping[str, NDArray[np.float32]]

LIVE = "int8"
"""Precision of the products live: half as dear as float32, and it finds words and speech as well."""


class Features(NativeStage):
    """Log mel power less the running mean of its level: `(n_bins, 2)` in, `(n_bands,)` out.

    The spectrum is the unnormalised real FFT of frames windowed by `config.window`, of samples
    in ±1 at `config.sample_rate`.
    """

    def __init__(self, config: SpeechConfig) -> None:
        spans, weights = pack_rows(mel_bands(config))
        arena = Arena(
            (config.n_bins, config.n_bands),
            constants={
                "band_weights": weights,
                "band_spans": spans,
                "level_constants": np.array([config.level_decay, config.power_floor]),
            },
            state={
                "powers": np.zeros(config.n_bins, np.float32),
                "logs": np.zeros(config.n_bands),
                "level": np.zeros(2),
            },
        )
        super().__init__(features_step.address, arena, Spec((config.n_bins, 2)), Spec((config.n_bands,)))


def tensor_shapes(config: SpeechConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight, as in the torch module's `state_dict`."""
    return {
        "inp.weight": (config.channels, config.stride * config.n_bands),
        "inp.bias": (config.channels,),
        **conv_shapes(config.channels, config.kernel_size, len(config.dilations)),
        "out.weight": (config.n_outputs, config.channels),
        "out.bias": (config.n_outputs,),
    }


class SpeechNet(Pipeline):
    """A net over speech: spectrum `(n_bins, 2)` in, `(n_outputs,)` out, once a hop. No delay.

    The convolutions run once every `config.stride` hops; in between the last output is held, and
    before their first run it is zeros.

    - precision: of the net's products, see `rtaudio.nn.product`; live it is LIVE.
    """

    net_name: ClassVar[str]
    """What a weights file of this net says it is for."""
    config_type: ClassVar[type[SpeechConfig]]

    def __init__(self, config: SpeechConfig, tensors: Tensors, precision: str = "float32") -> None:
        check_shapes(tensors, tensor_shapes(config))
        self.config, self._precisions = config, (precision,)
        inp = Dense(tensors["inp.weight"], tensors["inp.bias"], "relu", self._precisions)
        blocks = conv_blocks(tensors, config.dilations, self._precisions)
        layers = [inp, *blocks, *self._head(tensors)]
        super().__init__([Features(config), Strided(Pipeline(layers), config.n_bands, config.stride)])

    def _head(self, tensors: Tensors) -> list[Layer]:
        """The last layers: `(channels,)` in."""
        return [Dense(tensors["out.weight"], tensors["out.bias"], "sigmoid", self._precisions)]

    @classmethod
    def from_weights(cls, weights: Weights, *, precision: str = "float32") -> Self:
        """Build from a loaded weights file. Raises WeightsError where it is for another net."""
        return cls(cls.read_config(weights), weights.tensors, precision=precision)

    @classmethod
    def read_config(cls, weights: Weights) -> Any:
        """The configuration in a weights file, of this net's `config_type`."""
        if weights.net != cls.net_name:
            raise WeightsError(f"these weights are for the net {weights.net!r}, not {cls.net_name!r}")
        try:
            return cls.config_type(**weights.config)
        except (TypeError, ValueError) as error:
            raise WeightsError(f"the weights' configuration can't be used: {error}") from error
