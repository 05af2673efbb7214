"""Many streams on one GPU: chunks side by side, and how many of them keep up with sound."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.gpu_limits import Bus
from benchmarks.report import percentiles
from rtaudio.nn.torch.denoise_stream import FULL_SCALE, DenoiseStream
from rtaudio.stream.timing import PERIOD_NS, HopTimes, time_calls

DEADLINE_US = PERIOD_NS / 1000

# What products are made of: the net's dtype, and torch's word for float32 products.
PRODUCTS = {
    "float32": ("float32", "highest"),
    "tf32": ("float32", "high"),
    "float16": ("float16", "highest"),
    "bfloat16": ("bfloat16", "highest"),
}


class Precision:
    """Torch's float32 products are "highest" (true) or "high" (TF32) for as long as this lasts."""

    def __init__(self, precision: str) -> None:
        self._wanted, self._before = precision, torch.get_float32_matmul_precision()

    def __enter__(self) -> None:
        torch.set_float32_matmul_precision(self._wanted)

    def __exit__(self, *_: object) -> None:
        torch.set_float32_matmul_precision(self._before)


class Fleet:
    """Streams in equal chunks, each with its own buffers, graph and CUDA stream."""

    def __init__(self, make: Callable[[], DenoiseStream]) -> None:
        self._make, self.chunks = make, [make()]
        noise = np.random.default_rng(0).standard_normal(self.chunks[0].x.shape) * 0.05
        scale = FULL_SCALE if self.chunks[0].x.dtype == np.int16 else 1.0
        self._noise = (noise * scale).astype(self.chunks[0].x.dtype)

    def grow(self, count: int) -> int:
        """To `count` chunks, or as many as the device has memory for; how many there are."""
        with contextlib.suppress(torch.OutOfMemoryError):
            while len(self.chunks) < count:
                self.chunks.append(self._make())
        for chunk in self.chunks:
            chunk.x[:] = self._noise
        return len(self.chunks)

    def time(self, count: int, hops: int, period_ns: int) -> HopTimes:
        """Hops of the first `count` chunks together."""
        chunks = self.chunks[:count]

        def hop(_: int) -> None:
            for chunk in chunks:
                chunk.launch()
            for chunk in chunks:
                chunk.wait()

        return time_calls([hop], hops, period_ns)


def most_in_time(fleet: Fleet, limit: int, hops: int) -> tuple[int, HopTimes]:
    """The most chunks whose paced hops are done within 10 ms of their time at p99.9, and those hops.

    Upwards by doubling, without pauses; then down from where that crosses the deadline.
    """
    wanted = 1
    while True:
        there = fleet.grow(wanted)
        took_us = float(np.median(fleet.time(there, 30, 0).compute_us))
        if took_us > DEADLINE_US or there == limit or there < wanted:
            break
        wanted = min(limit, 2 * there)
    count = max(1, min(there, int(there * DEADLINE_US / took_us)))
    while True:
        for n in (hops // 10, hops):  # a short look first
            times = fleet.time(count, n, PERIOD_NS)
            if percentiles(times.response_us)[2] > DEADLINE_US:
                break
        else:
            return count, times
        if count == 1:
            return 0, times
        count = max(1, count - max(1, count // 16))


def bounds(bus: Bus, tflops: float, chunk: DenoiseStream) -> tuple[int, int]:
    """Streams that the bus, both ways at once, and matrix products at their best would allow."""
    hop_s, hop_bytes = DEADLINE_US / 1e6, chunk.x[0].nbytes
    return int(bus.each_of_both * 1e9 * hop_s / hop_bytes), int(tflops * 1e12 * hop_s / chunk.flops)
