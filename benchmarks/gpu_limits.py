"""What bounds a GPU's streams whatever the program: the bus to the host, and arithmetic."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

REPEATS = 10


@dataclass(frozen=True)
class Bus:
    """GB/s between pinned host memory and the device: one way at a time, and each way with both busy."""

    to_device: float
    to_host: float
    each_of_both: float


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Time of one `work`, the best of three means."""
    work()
    best = float("inf")
    for _ in range(3):
        synchronise(device)
        begun = time.perf_counter()
        for _ in range(REPEATS):
            work()
        synchronise(device)
        best = min(best, (time.perf_counter() - begun) / REPEATS)
    return best


def measure_bus(device: torch.device, megabytes: int = 256) -> Bus:
    size, pinned = megabytes * 1_000_000, device.type == "cuda"
    sources, targets = (
        [torch.zeros(size, dtype=torch.uint8, pin_memory=pinned) for _ in range(2)] for _ in range(2)
    )
    there, here = (torch.zeros(size, dtype=torch.uint8, device=device) for _ in range(2))

    def up() -> None:
        there.copy_(sources[0], non_blocking=True)

    def down() -> None:
        targets[0].copy_(here, non_blocking=True)

    side = torch.cuda.Stream(device) if pinned else None  # type: ignore[no-untyped-call]

    def both() -> None:
        up()
        with torch.cuda.stream(side):  # on a CPU, where it is None, this does nothing
            down()

    return Bus(*(size / 1e9 / seconds(way, device) for way in (up, down, both)))


def measure_products(device: torch.device, dtype: torch.dtype, size: int = 8192) -> float:
    """TFLOP/s of square matrix products on random numbers: zeros would run faster than sound does."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / 1e12 / seconds(lambda: left @ right, device)
