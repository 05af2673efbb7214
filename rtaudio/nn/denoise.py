"""The denoiser net as a native stage: spectrum in, spectrum out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import WeightsError
from rtaudio.kernels.denoise import denoise_batch_step, denoise_hold_step, denoise_step
from rtaudio.kernels.mel import pack_rows
from rtaudio.nn.denoise_config import DenoiseConfig, erb_bands
from rtaudio.nn.layers import Beside, Dense, Lstm, MinGru, conv_blocks, conv_shapes
from rtaudio.nn.product import FLOAT32
from rtaudio.nn.weights import Weights, check_shapes
from rtaudio.stream.arena import Arena
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import CHEAPER, FULL, NativeStage, Spec

Tensors = Mapping[str, NDArray[np.float32]]

LSTM_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")

NET_NAME = "denoise"
"""What a weights file of this net says it is for."""


def tensor_shapes(config: DenoiseConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight, as in the torch module's `state_dict`."""
    channels, hidden = config.channels, config.hidden
    recurrent = {
        "lstm.weight_ih_l0": (4 * hidden, channels),
        "lstm.weight_hh_l0": (4 * hidden, hidden),
        "lstm.bias_ih_l0": (4 * hidden,),
        "lstm.bias_hh_l0": (4 * hidden,),
    }
    gated = {
        f"mingrus.{i}.mix.{part}": shape
        for i in range(config.n_mingrus)
        for part, shape in (("weight", (2 * channels, channels)), ("bias", (2 * channels,)))
    }
    return {
        "inp.weight": (channels, config.n_bands),
        "inp.bias": (channels,),
        **conv_shapes(channels, config.kernel_size, len(config.dilations)),
        **gated,
        **(recurrent if hidden else {}),
        "out.weight": (config.n_bins, hidden + channels),
        "out.bias": (config.n_bins,),
    }


def build_net(config: DenoiseConfig, tensors: Tensors, precisions: Sequence[str] = FLOAT32) -> Pipeline:
    """The layers alone: features `(n_bands,)` in, gains `(n_bins,)` of 0..1 out."""
    body: list[NativeStage] = []
    for i, block in enumerate(conv_blocks(tensors, config.dilations, precisions)):
        body.append(block)
        if (k := config.mingru_after(i)) is not None:
            name = f"mingrus.{k}.mix"
            body.append(MinGru(tensors[f"{name}.weight"], tensors[f"{name}.bias"], precisions))
    if config.hidden:
        weight_ih, weight_hh, bias_ih, bias_hh = (tensors[f"lstm.{part}_l0"] for part in LSTM_PARTS)
        body.append(Beside(Lstm(weight_ih, weight_hh, bias_ih, bias_hh, precisions)))
    inp = Dense(tensors["inp.weight"], tensors["inp.bias"], "relu", precisions)
    out = Dense(tensors["out.weight"], tensors["out.bias"], "sigmoid", precisions)
    return Pipeline([inp, *body, out])


class Denoiser(NativeStage):
    """Spectrum `(n_bins, 2)` in and out, each bin times its gain. No delay.

    The spectrum is the unnormalised real FFT of frames windowed by `config.window`, of samples
    in ±1. Per hop the gain g in 0..1 comes from the net, and the bin is multiplied by
    1 - strength (1 - max(g, floor)).

    - params: strength 0..1 (0 leaves the spectrum untouched); floor, least gain, linear.
    - precision: of the net's products, see `rtaudio.nn.product`; a cheaper step of "float32" is "int8".
    - `hold_entry` applies the last gains again without running the net.
    """

    hold_entry = denoise_hold_step.address
    batch_entry = denoise_batch_step.address

    def __init__(
        self,
        config: DenoiseConfig,
        tensors: Tensors,
        *,
        strength: float = 1.0,
        floor: float = 0.0,
        precision: str = "float32",
    ) -> None:
        check_shapes(tensors, tensor_shapes(config))
        self.config, self.precision = config, precision
        spans, weights = pack_rows(erb_bands(config))
        call = {"net": np.zeros(2, np.int64)}
        arena = Arena(
            (config.n_bins, config.n_bands),
            constants={
                **call,
                "band_weights": weights,
                "band_spans": spans,
                "level_constants": np.array([config.level_decay, config.power_floor]),
            },
            params={"strength": float(strength), "floor": float(floor)},
            state={
                "powers": np.zeros(config.n_bins, np.float32),
                "features": np.zeros(config.n_bands, np.float32),
                "level": np.zeros(2),
                "gains": np.ones(config.n_bins, np.float32),
                "logs": np.zeros(config.n_bands),
            },
            views={CHEAPER: call},
        )
        spec = Spec((config.n_bins, 2))
        super().__init__(denoise_step.address, arena, spec, spec)
        net = build_net(config, tensors, ("float32", "int8") if precision == "float32" else (precision,))
        self.children = (net,)
        self.cheaper_entry = self.entry if net.cheaper_entry else 0
        self._bind()

    @classmethod
    def from_weights(cls, weights: Weights, **options: Any) -> Self:
        """Build from a loaded weights file, with the class's options.

        Raises WeightsError where it is for another net.
        """
        if weights.net != NET_NAME:
            raise WeightsError(f"these weights are for the net {weights.net!r}, not {NET_NAME!r}")
        try:
            config = DenoiseConfig(**weights.config)
        except (TypeError, ValueError) as error:
            raise WeightsError(f"the weights' configuration can't be used: {error}") from error
        return cls(config, weights.tensors, **options)

    def _bind(self) -> None:
        (net,) = self.children
        self.arena["net"], self.arena[f"{CHEAPER}.net"] = net.step_at(FULL), net.step_at(CHEAPER)

    @property
    def gain_db(self) -> float:
        """Mean power gain over all bins at the last hop, strength and floor included; 0 or less.

        Read it from any thread: it looks at what the audio thread last wrote.
        """
        strength, floor = float(self.arena["strength"]), float(self.arena["floor"])
        factors = 1 - strength * (1 - np.maximum(self.arena["gains"], floor))
        return 10 * math.log10(float(np.mean(np.square(factors))) + 1e-12)  # -120 dB is "all gone"
