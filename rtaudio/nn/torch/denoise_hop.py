"""One hop of the whole denoiser on tensors, samples in and samples out, for many streams at once.

The net of `rtaudio.nn.torch.denoise`, arranged for one frame at a time so that it is few operations, since
on a GPU each costs microseconds however small it is:

- A block's two convolutions are linear, so they are one matrix over `kernel_size` frames. All but
  the newest frame are known before the hop comes: their part is one product for all blocks.
- Past frames lie in rings, read and written by index: nothing is ever shifted. All streams' slots are rows
  of one matrix for that, since whole rows are what gathers and scatters are quickest with.
- Squaring the spectrum and weighting its bands is one product over real and imaginary parts.
- What it computes on its way lies in buffers made once (`Work`): no operation of a hop takes memory, but
  those of `FftTransform`, for themselves.

Calling a `DenoiseHop` only reads state and samples; `DenoiseHop.remember` alone writes them.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from rtaudio.nn.denoise_config import DenoiseConfig, erb_bands
from rtaudio.nn.torch.hop_buffers import Heard, HopState, make_work
from rtaudio.nn.torch.hop_matrices import Tensors, block_matrices, lstm_matrices, ring_places
from rtaudio.nn.torch.stft import TRANSFORMS, put

LARGEST = 3e38
"""The engine's bound, too: what is larger, or NaN, is no sound."""


class DenoiseHop:
    """The denoiser as `(state, samples) -> (samples, what to remember)`, on any device.

    What it returns are views of its own buffers, which the next call fills anew.

    - tensors: the weights, as `rtaudio.nn.denoise.tensor_shapes` names them.
    - streams: `B`, how many there are.
    - transform: how the STFT is done, one of `rtaudio.nn.torch.stft.TRANSFORMS`.
    - dtype: of the net's weights, activations and past; all around it stays float32, the LSTM's
      cell and the minGRUs' states too, which sum up for minutes.
    """

    def __init__(
        self,
        config: DenoiseConfig,
        tensors: Tensors,
        streams: int,
        *,
        device: torch.device,
        transform: str = "fft",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.config, self.streams, self.dtype, self.device = config, streams, dtype, device
        self.transform = TRANSFORMS[transform](config, streams, device)
        self._bands = put(erb_bands(config).T.repeat(2, 0), device)  # (2 n_bins, n_bands)
        self._lead = config.n_fft - config.hop_length - config.latency  # samples that are old in an overlap
        self._power_floor = torch.full((config.n_bands,), config.power_floor, device=device)
        # A product that gives the mean of log powers, and the weight 1 it counts with.
        self._mean = put(np.array([[1.0 / config.n_bands, 0.0]]).repeat(config.n_bands, 0), device)
        self._weight = put(np.array([0.0, 1.0]), device)
        # Numbers as tensors: of any other an operation makes a tensor, each time.
        number = functools.partial(torch.full, (), device=device)
        self._newest = number(1 - config.level_decay, dtype=torch.float64)
        self._zero, self._one, self._largest = number(0.0), number(1.0), number(LARGEST)
        self._next = number(1, dtype=torch.int64)
        self._block_now, self._block_past, self._block_bias = (
            put(stack, device, dtype) for stack in block_matrices(config, tensors)
        )
        mingrus = range(config.n_mingrus)
        if config.n_mingrus:
            self._mingru_weight, self._mingru_bias = (
                put(np.stack([tensors[f"mingrus.{i}.mix.{part}"].T for i in mingrus]), device, dtype)
                for part in ("weight", "bias")
            )
        if config.hidden:
            self._lstm_input, self._lstm_hidden, self._lstm_bias = (
                put(matrix, device, dtype) for matrix in lstm_matrices(tensors)
            )
        self._inp_weight, self._inp_bias, self._out_weight, self._out_bias = (
            put(tensors[name].T, device, dtype)
            for name in ("inp.weight", "inp.bias", "out.weight", "out.bias")
        )
        lags, sizes, offsets = ring_places(config)
        self._lags, self._sizes, self._offsets = (put(indices, device) for indices in (lags, sizes, offsets))
        self._n_slots = int(sizes[: len(config.dilations)].sum()) + 1
        self._first_rows = put(np.arange(streams) * self._n_slots, device)
        self._unread = put(np.arange(streams) * self._n_slots + self._n_slots - 1, device)
        self.work = make_work(config, streams, dtype, device)

    @property
    def constants(self) -> dict[str, Tensor]:
        """Weights, windows and indices, by name."""
        named = vars(self) | vars(self.transform)
        return {name: value for name, value in named.items() if isinstance(value, Tensor)}

    @property
    def scratch(self) -> dict[str, Tensor]:
        """What a hop computes in, by name."""
        return vars(self.work) | self.transform.work

    @property
    def flops(self) -> int:
        """Operations of a stream's hop in matrix products: two for each number of a matrix."""
        matrices = [t for name, t in self.constants.items() if t.dim() >= 2 and "bias" not in name]
        return 2 * sum(matrix.numel() for matrix in matrices)

    def initial_state(self) -> HopState:
        """State of streams that have heard nothing."""
        config, streams, zeros = self.config, self.streams, functools.partial(torch.zeros, device=self.device)
        samples = config.n_fft - config.hop_length
        return HopState(
            history=zeros(streams, samples),
            overlap=zeros(streams, samples),
            level=zeros(streams, 2, dtype=torch.float64),
            past=zeros(streams, self._n_slots, config.channels, dtype=self.dtype),
            gated=zeros(streams, config.n_mingrus, config.channels),
            hidden=zeros(streams, config.hidden, dtype=self.dtype),
            cell=zeros(streams, config.hidden),
            position=zeros((), dtype=torch.int64),
        )

    def __call__(self, state: HopState, x: Tensor, strength: Tensor, floor: Tensor) -> tuple[Tensor, Heard]:
        """Samples `(B, hop_length)` in and out; `strength` and `floor` as the native net's, `(B, 1)`."""
        hop_length, work = self.config.hop_length, self.work
        frame = torch.cat([state.history, x], 1, out=work.frame)
        spectrum = self.transform.analyse(frame, work.spectrum)
        features = self._features(spectrum, state.level)
        gains, *remembered = self._net(features, state)
        torch.maximum(gains, floor, out=gains)
        factors = torch.lerp(self._one, gains, strength, out=work.factors)
        total = self.transform.synthesise(spectrum.mul_(factors.unsqueeze(2)), work.total)
        total[:, : state.overlap.shape[1]].add_(state.overlap)
        y, overlap = total[:, self._lead : self._lead + hop_length], total[:, hop_length:]
        return y, Heard(frame[:, hop_length:], overlap, work.level, *remembered)

    def _features(self, spectrum: Tensor, level: Tensor) -> Tensor:
        """Log band powers over their running mean, whose new state is in `work.level`.

        In float64 up to there, as the native net; on the GPUs of data centres it costs nothing.
        """
        work, flat = self.work, spectrum.flatten(1)
        torch.mul(flat, flat, out=work.squares)
        logs = work.logs.copy_(torch.addmm(self._power_floor, work.squares, self._bands, out=work.power))
        torch.addmm(self._weight, logs.log10_(), self._mean, out=work.heard)
        level = torch.lerp(level, work.heard, self._newest, out=work.level)
        logs.sub_(torch.div(level[:, :1], level[:, 1:], out=work.mean))
        return work.features.copy_(logs)

    def _net(self, features: Tensor, state: HopState) -> tuple[Tensor, ...]:
        """Gains `(B, n_bins)`, the blocks' newest frames and their slots; gated, hidden and cell."""
        work, blocks = self.work, len(self.config.dilations)
        slots = torch.sub(state.position, self._lags, out=work.slots)
        slots.remainder_(self._sizes).add_(self._offsets)
        torch.add(slots[blocks:].view(blocks, 1, -1), self._first_rows.unsqueeze(1), out=work.rows)
        torch.index_select(state.past.flatten(0, 1), 0, work.rows.view(-1), out=work.known)
        known = work.known.view(blocks, self.streams, -1)
        torch.baddbmm(self._block_bias, known, self._block_past, out=work.sums)
        x = torch.addmm(self._inp_bias, features, self._inp_weight, out=work.frames[0]).relu_()
        for k in range(blocks):
            added = torch.addmm(work.sums[k], x, self._block_now[k], out=work.added).relu_()
            x = torch.add(x, added, out=work.frames[k + 1])
            if (g := self.config.mingru_after(k)) is not None:
                x.add_(self._mingru(g, x, state.gated[:, g]))
        hidden, cell = state.hidden, state.cell
        if self.config.hidden:
            hidden, cell = self._lstm(x, hidden, cell)
            x = torch.cat([hidden, x], 1, out=work.both)
        logits = torch.addmm(self._out_bias, x, self._out_weight, out=work.logits)
        gains = _cast(logits, work.gains).sigmoid_()
        newest = work.frames[:blocks], slots[:blocks].unsqueeze(1)
        return gains, *newest, work.gated.transpose(0, 1), hidden, cell

    def _mingru(self, which: int, x: Tensor, h: Tensor) -> Tensor:
        """New state of a minGRU, in the net's dtype; `work.gated` has it in float32."""
        work = self.work
        sums = torch.addmm(self._mingru_bias[which], x, self._mingru_weight[which], out=work.mixed)
        z, n = _cast(sums, work.wide_mixed).chunk(2, 1)
        return _cast(torch.lerp(h, n.tanh_(), z.sigmoid_(), out=work.gated[which]), work.narrow_gated)

    def _lstm(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """New hidden and cell."""
        work, size = self.work, self.config.hidden
        gates = torch.addmm(self._lstm_bias, hidden, self._lstm_hidden, out=work.gates)
        gates = _cast(gates.addmm_(x, self._lstm_input), work.wide_gates)
        i, f, o = gates[:, : 3 * size].sigmoid_().chunk(3, 1)
        cell = torch.mul(f, cell, out=work.cell).addcmul_(i, gates[:, 3 * size :].tanh_())
        loud = torch.tanh(cell, out=work.loud).mul_(o)
        return _cast(loud, work.narrow_hidden), cell

    def remember(self, state: HopState, heard: Heard, y: Tensor, active: Tensor, out: Tensor) -> None:
        """Write what a hop adds into `state`, in place, and what is to be heard of `y` to `out`.

        Streams that are not `active` `(B, 1)`, 0 or 1, keep their state and are silent. So is a stream
        whose hop is not finite: what was in it is never remembered, and the next hop is sound again.
        """
        work = self.work
        size = torch.sum(y, 1, keepdim=True, out=work.size).abs_()
        good = torch.lt(size, torch.mul(active, self._largest, out=work.limit), out=work.good)
        for name in ("history", "overlap", "level", "hidden", "cell"):
            kept: Tensor = getattr(state, name)
            torch.where(good, getattr(heard, name), kept, out=kept)
        torch.where(good.unsqueeze(2), heard.gated, state.gated, out=state.gated)
        rows = torch.add(heard.slots, self._first_rows, out=work.new_rows)
        torch.where(good.view(-1), rows, self._unread, out=rows)
        state.past.flatten(0, 1).index_copy_(0, rows.view(-1), heard.frames.flatten(0, 1))
        state.position.add_(self._next)
        torch.where(good, y, self._zero, out=out)


def _cast(x: Tensor, into: Tensor) -> Tensor:
    """`x` in the dtype of `into`: itself, or copied there."""
    return x if x.dtype == into.dtype else into.copy_(x)
