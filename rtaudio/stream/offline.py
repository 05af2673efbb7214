"""Run a stage over a whole recording: the same code, in the same order, as live."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rtaudio.errors import ConfigError
from rtaudio.stream.stage import Samples, Stage


def run_offline(stage: Stage, x: Samples, *, blocks: Iterable[int] | None = None) -> Samples:
    """Stream `x` through `stage`, hop by hop, and flush it.

    Takes float32 samples of any length and returns `x.size + stage.latency` of them: the output
    delayed by `latency`, its tail included, so `run_offline(stage, x)[stage.latency:]` is
    aligned with `x`. From a stage that changes the sample rate come as many as last that long.
    The stage is not reset first: call `reset` to start afresh.

    `blocks` splits the input into blocks of those sizes on the way in, as a device would; the
    result is the same.

    Raises ConfigError where `x` is no row of real numbers.
    """
    x = np.asarray(x)
    if x.ndim != 1 or x.dtype.kind not in "fiu":
        raise ConfigError(
            f"run_offline takes real samples of one channel, of shape (n,), not {x.dtype} of {x.shape}"
        )
    (hop_length,), (out_length,) = stage.in_spec.shape, stage.out_spec.shape
    total = x.size + stage.latency
    n_hops = -(-total // hop_length)
    padded = np.zeros(n_hops * hop_length, np.float32)
    padded[: x.size] = x
    hops, out = padded.reshape(n_hops, hop_length), np.empty((n_hops, out_length), np.float32)
    done = 0
    for ready in _whole_hops(padded.size, hop_length, blocks):
        while done < ready // hop_length:
            stage.process(hops[done], out[done])
            done += 1
    return out.ravel()[: -(-total * out_length // hop_length)]


def run_frames(stage: Stage, x: np.ndarray) -> np.ndarray:
    """Run a stage over a sequence of hops `(n, *in_spec.shape)`; returns `(n, *out_spec.shape)`."""
    out = np.empty((len(x), *stage.out_spec.shape), np.float32)
    for source, target in zip(x, out, strict=True):
        stage.process(np.ascontiguousarray(source), target)
    return out


def _whole_hops(size: int, hop_length: int, blocks: Iterable[int] | None) -> Iterable[int]:
    """After each block, how many samples are in whole hops that can be processed."""
    received = 0
    for block in blocks or (size,):
        received = min(received + block, size)
        yield received // hop_length * hop_length
        if received == size:
            return
    yield size
