"""The denoiser run by torch on a GPU, behind a deadline, with the native one to stand in for late hops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rtaudio.errors import DeviceError
from rtaudio.kernels.ring import Ring
from rtaudio.nn.denoise import Denoiser
from rtaudio.nn.optional import require
from rtaudio.nn.weights import find_weights, load_weights
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import Samples
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.denoise import denoiser_of

if TYPE_CHECKING:
    from rtaudio.nn.torch.denoise_stream import DenoiseStream


class FollowingStream:
    """A one-stream `DenoiseStream` as a stage whose strength and floor are always those of `leader`."""

    def __init__(self, stream: DenoiseStream, leader: Denoiser) -> None:
        self.stream, self.leader = stream, leader
        self.in_spec, self.out_spec, self.latency = stream.in_spec, stream.out_spec, stream.latency

    def process(self, x: Samples, out: Samples) -> None:
        self._follow()
        self.stream.process(x, out)

    def serve(self, hops: Ring, results: Ring, frames: Samples) -> bool:
        self._follow()
        return self.stream.serve(hops, results, frames)

    def _follow(self) -> None:
        self.stream.strength[0] = self.leader.arena["strength"]
        self.stream.floor[0] = self.leader.arena["floor"]

    def prepare(self) -> None:
        self.stream.prepare()

    def settle(self) -> None:
        self.stream.settle()

    def reset(self) -> None:
        self.stream.reset()


def on_gpu(model: str | Path, native: Pipeline) -> WorkerStage:
    """The denoiser `native`, built from `model`, run on a GPU, a hop later; Python launches its hops ahead.

    Late hops are stood in for by `native` itself, whose strength and floor rule both.
    Raises DeviceError, in one line, where there is no torch, no GPU, or none that works.
    """
    require("device cuda", "gpu", "torch")
    from rtaudio.nn.torch.cuda import cuda_device
    from rtaudio.nn.torch.denoise_stream import live_stream

    device = cuda_device()
    try:
        stream = live_stream(load_weights(find_weights(model)), device)
    except RuntimeError as error:  # out of memory, or a driver that does not fit: torch's own errors
        raise DeviceError(f"device cuda: {str(error).splitlines()[0]}") from error
    return behind_a_deadline(stream, native)


def behind_a_deadline(stream: DenoiseStream, native: Pipeline) -> WorkerStage:
    """`stream` in a worker that has a hop's time; `native` stands in where that is not enough."""
    return WorkerStage(FollowingStream(stream, denoiser_of(native)), spare=native)
