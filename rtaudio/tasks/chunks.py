"""Stream chunks of any rate and number of channels through a stage that wants neither.

Sound at another rate is resampled to the stage's and back with soxr. Each channel has a copy of
the stage of its own. The delay of the stage is taken off, so output and input lie on top of each
other to the sample, and are equally long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from rtaudio.devices.file import Frames
from rtaudio.errors import ModelError
from rtaudio.stream.stage import NativeStage

SAMPLE_RATE = 48000
"""The rate stages run at, unless told."""


class ChannelRunner:
    """Streams chunks of any size through a stage, one clone a channel, with the delay taken off.

    What comes out, `flush` included, is exactly as long as what went in, and equals
    `run_offline(stage, x)[stage.latency :]` for each channel.
    """

    def __init__(self, stage: NativeStage, channels: int) -> None:
        (self._hop,) = stage.in_spec.shape
        self._stages = [stage.clone() for _ in range(channels)]
        self._waiting = np.zeros((channels, 0), np.float32)
        self._latency = stage.latency
        self._to_drop = stage.latency
        self._owed = 0
        self._hops = -round(stage.worker_latency / self._hop)  # what a worker gives is of a hop before

    def process(self, x: Frames) -> Frames:
        """Take `(n, channels)` and return the `(m, channels)` that are ready, delay removed."""
        self._owed += len(x)
        return self._run(x)

    def _run(self, x: Frames) -> Frames:
        waiting = np.ascontiguousarray(np.concatenate([self._waiting, x.T], axis=1))
        whole = waiting.shape[1] // self._hop * self._hop
        out = np.empty((len(self._stages), whole), np.float32)
        for stage, source, target in zip(self._stages, waiting, out, strict=True):
            for at in range(0, whole, self._hop):
                stage.process(source[at : at + self._hop], target[at : at + self._hop])
        if not np.isfinite(out).all():
            bad = int(np.flatnonzero(~np.isfinite(out).all(axis=0))[0]) // self._hop
            raise ModelError(f"the model gave NaN or infinity at hop {self._hops + bad}")
        self._hops += whole // self._hop
        self._waiting = waiting[:, whole:].copy()
        dropped = min(self._to_drop, whole)
        self._to_drop -= dropped
        ready = out.T[dropped : dropped + self._owed]
        self._owed -= len(ready)
        return ready

    def flush(self) -> Frames:
        """Feed silence until all that went in has come out."""
        silence = np.zeros((self._latency + self._hop, len(self._stages)), np.float32)
        return self._run(silence)


class RateConverter:
    """Streaming soxr: `(n, channels)` chunks in, chunks at another rate out, aligned in time."""

    def __init__(self, source_rate: int, target_rate: int, channels: int) -> None:
        self._channels = channels
        same = source_rate == target_rate
        self._soxr = (
            None if same else soxr.ResampleStream(source_rate, target_rate, channels, "float32", "HQ")
        )

    def process(self, x: Frames, last: bool = False) -> Frames:
        if self._soxr is None:
            return x
        # soxr works on vectors for one channel and on interleaved frames for several.
        frames = np.ascontiguousarray(x[:, 0] if self._channels == 1 else x)
        return np.asarray(self._soxr.resample_chunk(frames, last=last)).reshape(-1, self._channels)

    def flush(self) -> Frames:
        return self.process(np.zeros((0, self._channels), np.float32), last=True)


def process_chunks(
    stage: NativeStage,
    chunks: Iterable[Frames],
    sample_rate: int,
    channels: int,
    stage_rate: int = SAMPLE_RATE,
) -> Iterator[Frames]:
    """Stream `(n, channels)` chunks at `sample_rate` through `stage`; as many frames come out as went in.

    Raises ModelError where the stage gives NaN or infinity.
    """
    up = RateConverter(sample_rate, stage_rate, channels)
    down = RateConverter(stage_rate, sample_rate, channels)
    runner = ChannelRunner(stage, channels)
    taken = given = 0

    def ready(out: Frames) -> Frames:
        nonlocal given
        out = out[: taken - given]
        given += len(out)
        return out

    for chunk in chunks:
        taken += len(chunk)
        yield ready(down.process(runner.process(up.process(chunk))))
    yield ready(down.process(runner.process(up.flush())))
    yield ready(down.process(runner.flush()))
    yield ready(down.flush())
    # Two conversions may round the length down by a sample; the missing end is beyond the last one.
    yield ready(np.zeros((taken - given, channels), np.float32))
