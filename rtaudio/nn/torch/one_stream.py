"""One stream's hop on a GPU in a score of kernels of our own: `DenoiseHop` for one stream, layer by layer.

What such a hop takes is how many kernels follow one another, 1.6 us each on an H200 however little they
do: torch's operations are a hundred. Here a kernel is a layer with all that is done just before and after it
(`rtaudio.nn.torch.one_stream_kernels`), and samples go from host memory and back to it without copies of
their own.
"""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtaudio.nn.denoise_config import DenoiseConfig, erb_bands
from rtaudio.nn.torch.hop_buffers import HopState
from rtaudio.nn.torch.hop_matrices import Tensors, block_matrices, ring_places
from rtaudio.nn.torch.stft import MatrixTransform, put

ROWS = 4
"""Of a layer, for a program: 64 programs for 256 channels were quickest on an H200."""
PAST_ROWS = 16


def has_kernels(config: DenoiseConfig) -> bool:
    """Whether there are kernels for such a net, and Triton to compile them. It comes with torch for CUDA."""
    return config.hidden == 0 and importlib.util.find_spec("triton") is not None


class OneStreamHop:
    """The denoiser's hop for one stream, from host memory to host memory, on the state of `DenoiseHop`.

    Calling it changes state and output; all its buffers stay where they are. `config` has no LSTM.
    """

    def __init__(self, config: DenoiseConfig, tensors: Tensors, *, device: torch.device) -> None:
        from rtaudio.nn.torch import one_stream_kernels

        self._kernels: Any = one_stream_kernels
        self.config = config
        self._channels, self._bands = padded(config.channels), padded(config.n_bands)
        self._frame = padded(config.n_fft + 2)
        self.constants = _constants(config, tensors, device)
        self.scratch = self._scratch(device)

    def _scratch(self, device: torch.device) -> dict[str, Tensor]:
        config, zeros = self.config, functools.partial(torch.zeros, device=device)
        blocks = len(config.dilations)
        return {
            "frame": zeros(self._frame * 2),  # twice as long: what is kept of it is read in whole blocks
            "controls": zeros(4),
            "sums": zeros(blocks, self._channels),
            "slots": zeros(blocks, dtype=torch.int64),
            "parts": zeros(self._frame),
            "logs": zeros(self._bands, dtype=torch.float64),
            "new_level": zeros(2, dtype=torch.float64),
            "layers": zeros(blocks + config.n_mingrus + 1, self._channels),
            "new_gated": zeros(max(1, config.n_mingrus), self._channels),
            "masked": zeros(self._frame),
            "total": zeros(self._frame * 2),
        }

    def __call__(self, state: HopState, host_x: Tensor, host_controls: Tensor, host_out: Tensor) -> None:
        """A hop of samples `(1, hop_length)`, with controls `(3, 1, 1)`: strength, floor, active."""
        config, k, c, w = self.config, self._kernels, self.constants, self.scratch
        blocks, taps, wide = len(config.dilations), config.kernel_size - 1, self._channels
        sizes = {"CHANNELS": config.channels, "PADDED": wide}
        ends = {"N_HISTORY": config.n_fft - config.hop_length, "FRAME": self._frame}
        k.begin[(blocks * max(1, wide // PAST_ROWS) + 1,)](
            host_x, host_controls, state.history, state.past, state.position,
            c["lags"], c["sizes"], c["offsets"], c["block_past"], c["block_bias"],
            w["frame"], w["controls"], w["sums"], w["slots"],
            N_BLOCKS=blocks, TAPS=taps, N_FFT=config.n_fft, ROWS=min(PAST_ROWS, wide), **sizes, **ends,
        )  # fmt: skip
        _layer(k.spectrum, self._frame)(w["frame"], c["forth"], w["parts"], FRAME=self._frame)
        _layer(k.log_bands, self._bands)(
            w["parts"], c["bands"], c["power_floor"], w["logs"], FRAME=self._frame
        )
        x = self._net(state)
        _layer(k.masked, self._frame // 2)(
            x, c["out_weight"], c["out_bias"], w["controls"], w["parts"], w["masked"], PADDED=wide
        )
        _layer(k.samples, self._frame)(
            w["masked"], c["back"], state.overlap, w["total"],
            N_OVERLAP=ends["N_HISTORY"], FRAME=self._frame,
        )  # fmt: skip
        k.remember[(blocks + config.n_mingrus + 1,)](
            w["total"], w["controls"], w["frame"], w["layers"], c["inputs"], w["slots"], w["new_gated"],
            w["new_level"], host_out, state.history, state.overlap, state.level, state.past, state.gated,
            state.position, N_BLOCKS=blocks, N_MINGRUS=config.n_mingrus,
            LEAD=config.n_fft - config.hop_length - config.latency, HOP=config.hop_length, **sizes, **ends,
        )  # fmt: skip

    def _net(self, state: HopState) -> Tensor:
        """From log powers to the last layer's output."""
        config, k, c, w, wide = self.config, self._kernels, self.constants, self.scratch, self._channels
        layers = iter(w["layers"])
        x = next(layers)
        _layer(k.first_layer, wide)(
            w["logs"], c["share_of_mean"], state.level, c["newest"], c["inp_weight"], c["inp_bias"], x,
            w["new_level"], BANDS=self._bands,
        )  # fmt: skip
        for i in range(len(config.dilations)):
            before, x = x, next(layers)
            _layer(k.block, wide)(before, c["block_now"][i], w["sums"][i], x, PADDED=wide)
            if (g := config.mingru_after(i)) is not None:
                before, x = x, next(layers)
                weight, bias = c["mingru_weight"][g], c["mingru_bias"][g]
                _layer(k.mingru, wide)(
                    before, weight, bias, state.gated[0, g], x, w["new_gated"][g],
                    CHANNELS=config.channels, PADDED=wide,
                )  # fmt: skip
        return x


def padded(length: int) -> int:
    """The power of two that many numbers are padded to: at least a program's rows."""
    return max(ROWS, 1 << (length - 1).bit_length())


def _layer(kernel: Any, n_rows: int) -> Any:
    """`kernel` for all rows of a layer."""
    return functools.partial(kernel[(n_rows // ROWS,)], ROWS=ROWS)


def _constants(config: DenoiseConfig, tensors: Tensors, device: torch.device) -> dict[str, Tensor]:
    """Matrices with a row for each output, and all else a hop only reads, padded."""
    wide, bands, frame = padded(config.channels), padded(config.n_bands), padded(config.n_fft + 2)
    transform = MatrixTransform(config, 1, torch.device("cpu"))
    now, past, bias = block_matrices(config, tensors)
    blocks, taps = len(now), config.kernel_size - 1
    past = past.reshape(blocks, taps, config.channels, config.channels)
    lags, sizes, offsets = ring_places(config)
    mixed = range(config.n_mingrus)
    weights: list[NDArray[Any]] = [tensors[f"mingrus.{i}.mix.weight"] for i in mixed]
    biases: list[NDArray[Any]] = [tensors[f"mingrus.{i}.mix.bias"] for i in mixed]
    shape = (config.n_mingrus, 2, config.channels)
    made = {
        "forth": pad(transform.forth.numpy().T, frame, frame),
        "back": pad(transform.back.numpy().T, frame, frame),
        "bands": pad(erb_bands(config).repeat(2, 1), bands, frame),
        "power_floor": np.append(
            np.full(config.n_bands, config.power_floor), np.ones(bands - config.n_bands)
        ),
        "block_now": pad(now.transpose(0, 2, 1), wide, wide),
        "block_past": pad(past.transpose(0, 1, 3, 2), wide, wide),
        "block_bias": pad(bias[:, 0], wide),
        "inp_weight": pad(tensors["inp.weight"], wide, bands),
        "inp_bias": pad(tensors["inp.bias"], wide),
        "mingru_weight": pad(np.array(weights).reshape(*shape, config.channels), wide, wide),
        "mingru_bias": pad(np.array(biases).reshape(shape), wide),
        "out_weight": pad(tensors["out.weight"], frame // 2, wide),
        "out_bias": pad(tensors["out.bias"], frame // 2),
    }
    whole = {"lags": lags, "sizes": sizes, "offsets": offsets, "inputs": np.array(_inputs(config))}
    doubles = {
        "share_of_mean": pad(np.full(config.n_bands, 1.0 / config.n_bands), bands),
        "newest": np.array(1 - config.level_decay),
    }
    floats = {name: put(array, device, torch.float32) for name, array in made.items()}
    return floats | {name: put(array, device) for name, array in (whole | doubles).items()}


def _inputs(config: DenoiseConfig) -> list[int]:
    """Which of the layers' outputs each block reads, and remembers."""
    gated = [config.mingru_after(i) is not None for i in range(len(config.dilations))]
    return [i + sum(gated[:i]) for i in range(len(gated))]


def pad(array: NDArray[Any], *lengths: int) -> NDArray[Any]:
    """Zeros behind the last axes, up to those lengths."""
    kept = array.ndim - len(lengths)
    room = [(0, length - n) for length, n in zip(lengths, array.shape[kept:], strict=True)]
    return np.pad(array, [(0, 0)] * kept + room)
