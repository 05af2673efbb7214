"""The denoiser by torch on a GPU as something `rtaudio bench` can time: whole hops, host to host."""

from __future__ import annotations

import numpy as np

from rtaudio.nn.optional import require
from rtaudio.nn.weights import Weights
from rtaudio.stream.stage import Samples
from rtaudio.stream.timing import HopTimes, time_calls


class GpuBackend:
    """A hop from host memory to host memory, as `rtaudio denoise --device cuda` runs it.

    Raises DeviceError where there is no GPU, MissingLibraryError where there is no torch.
    """

    gil_free = False
    stages: tuple[str, ...] = ("hop, host to host",)

    def __init__(self, weights: Weights, hops: Samples) -> None:
        require("the backend torch", "gpu", "torch")
        from rtaudio.nn.cuda import cuda_device
        from rtaudio.nn.denoise_stream import DenoiseStream

        self.name, self._hops, self._stopped = "torch, cuda", hops, False
        self._stream = DenoiseStream.from_weights(weights, device=cuda_device())
        self._out = np.zeros(hops.shape[1], np.float32)

    def run(self, n_hops: int, period_ns: int) -> HopTimes:
        return time_calls([self._hop], n_hops, period_ns, lambda: self._stopped)

    def _hop(self, k: int) -> None:
        self._stream.process(self._hops[k % len(self._hops)], self._out)

    def stop(self) -> None:
        self._stopped = True
