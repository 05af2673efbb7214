"""Tensors of a denoiser's hop: what streams remember, what a hop adds to it, and where it computes."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from rtaudio.nn.denoise_config import DenoiseConfig


@dataclass
class HopState:
    """What `B` streams remember between hops.

    - history, overlap: `(B, n_fft - hop_length)` samples heard, and samples not yet complete.
    - level: `(B, 2)` float64, running mean of the log level and the weight it has gathered.
    - past: `(B, slots, channels)`, a ring per block of the frames its convolution still needs; and a slot
      that is never read, for frames that are not to be kept.
    - gated: `(B, mingrus, channels)`, states of the minGRUs.
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

    - frames: `(blocks, B, channels)`; slots: `(blocks, 1)` int64.
    """

    history: Tensor
    overlap: Tensor
    level: Tensor
    frames: Tensor
    slots: Tensor
    gated: Tensor
    hidden: Tensor
    cell: Tensor


@dataclass
class Work:
    """Where a hop of `B` streams computes, in the order it does; of no meaning to the next hop.

    What other operations fill, too, is named for the first. Where the net's dtype is float32, `wide_`
    and `narrow_` buffers lie idle: nothing must be cast.
    """

    frame: Tensor
    spectrum: Tensor
    squares: Tensor
    power: Tensor
    logs: Tensor
    heard: Tensor
    level: Tensor
    mean: Tensor
    features: Tensor
    slots: Tensor
    rows: Tensor
    known: Tensor
    sums: Tensor
    frames: Tensor
    added: Tensor
    mixed: Tensor
    wide_mixed: Tensor
    gated: Tensor
    narrow_gated: Tensor
    gates: Tensor
    wide_gates: Tensor
    cell: Tensor
    loud: Tensor
    narrow_hidden: Tensor
    both: Tensor
    logits: Tensor
    gains: Tensor
    factors: Tensor
    total: Tensor
    size: Tensor
    limit: Tensor
    good: Tensor
    new_rows: Tensor


def make_work(config: DenoiseConfig, streams: int, dtype: torch.dtype, device: torch.device) -> Work:
    """Buffers for hops of so many streams."""
    single = functools.partial(torch.zeros, device=device)
    double = functools.partial(single, dtype=torch.float64)
    net = functools.partial(single, dtype=dtype)
    blocks, past = len(config.dilations), len(config.dilations) * (config.kernel_size - 1)
    channels, hidden, n_bins, n_bands = config.channels, config.hidden, config.n_bins, config.n_bands
    return Work(
        frame=single(streams, config.n_fft),
        spectrum=single(streams, n_bins, 2),
        squares=single(streams, 2 * n_bins),
        power=single(streams, n_bands),
        logs=double(streams, n_bands),
        heard=double(streams, 2),
        level=double(streams, 2),
        mean=double(streams, 1),
        features=net(streams, n_bands),
        slots=single(blocks + past, dtype=torch.int64),
        rows=single(blocks, streams, config.kernel_size - 1, dtype=torch.int64),
        known=net(streams * past, channels),
        sums=net(blocks, streams, channels),
        frames=net(blocks + 1, streams, channels),
        added=net(streams, channels),
        mixed=net(streams, 2 * channels),
        wide_mixed=single(streams, 2 * channels),
        gated=single(config.n_mingrus, streams, channels),
        narrow_gated=net(streams, channels),
        gates=net(streams, 4 * hidden),
        wide_gates=single(streams, 4 * hidden),
        cell=single(streams, hidden),
        loud=single(streams, hidden),
        narrow_hidden=net(streams, hidden),
        both=net(streams, hidden + channels),
        logits=net(streams, n_bins),
        gains=single(streams, n_bins),
        factors=single(streams, n_bins),
        total=single(streams, config.n_fft),
        size=single(streams, 1),
        limit=single(streams, 1),
        good=single(streams, 1, dtype=torch.bool),
        new_rows=single(blocks, streams, dtype=torch.int64),
    )
