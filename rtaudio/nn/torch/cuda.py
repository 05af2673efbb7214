"""Steps on fixed buffers: on a CUDA GPU captured once and replayed, on the CPU simply called."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import sys
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import torch

from rtaudio.errors import DeviceError

Step = Callable[[], None]
"""Reads and writes tensors that stay where they are; nothing in it waits for the device."""

WARM_UPS = 3  # what libraries do in their first calls (plans, workspaces) can't be captured
SPIN_S = 300e-6  # a hop of one stream takes 100 us or so: waking up would cost as much again
NAP_S = 50e-6  # what Linux adds to any sleep, too


class Runner(Protocol):
    """Runs a step, again and again. `launch`, then `wait`, before buffers are touched again."""

    def launch(self) -> None: ...

    def wait(self) -> None: ...

    def run(self, work: Step) -> None:
        """Do `work` between two steps, and wait for it."""

    def launch_ahead(self, go: int, done: int, turn: int) -> bool:
        """Launch a step that begins when the word at address `go` is `turn`, and sets that at `done` at its
        end; words of 32 bits, pinned. False where that can't be."""

    def check(self) -> None:
        """Raise what has gone wrong on the device, if anything has."""


@functools.cache
def _driver() -> ctypes.CDLL | None:
    """CUDA's driver, for what torch doesn't pass on: streams that wait for a word in memory."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        for name in ("cuStreamWaitValue32_v2", "cuStreamWriteValue32_v2"):
            function = getattr(driver, name)
            function.argtypes = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint]
    except (OSError, AttributeError):
        return None
    return driver


def cuda_device(purpose: str = "device cuda") -> torch.device:
    """The GPU that torch uses. Raises DeviceError, in one line, where it sees none."""
    if not torch.cuda.is_available():
        built = "finds no CUDA GPU" if torch.version.cuda else "is built without CUDA"
        raise DeviceError(f"{purpose}: torch {torch.__version__} {built}")
    return torch.device("cuda", torch.cuda.current_device())


def gpu_name() -> str | None:
    """What the GPU that torch uses is called; None where it sees none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def wait_until(
    ready: Callable[[], bool],
    spin_s: float = SPIN_S,
    nap_s: float = NAP_S,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once `ready()`: spin for `spin_s`, then sleep in naps.

    Spinning answers soonest, but keeps the interpreter's lock and a core busy.
    """
    ends = clock() + spin_s
    while not ready():
        if clock() >= ends:
            sleep(nap_s)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage is collected: where that frees another graph, it spoils the one that is being captured."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


class CpuRunner:
    """Calls the step, on one thread: for a hop, handing work to others costs more than it saves."""

    def __init__(self, step: Step) -> None:
        self._step = step

    def launch(self) -> None:
        torch.set_num_threads(1)  # each time: torch keeps it per calling thread
        self._step()

    def wait(self) -> None:
        pass

    def run(self, work: Step) -> None:
        work()

    def launch_ahead(self, go: int, done: int, turn: int) -> bool:
        return False

    def check(self) -> None:
        pass


class CudaRunner:
    """Runs the step on a CUDA stream of its own: as one graph, or op by op without `graph`."""

    def __init__(self, step: Step, device: torch.device, *, graph: bool = True) -> None:
        self._stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._done: torch.cuda.Event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                step()
        self._stream.synchronize()
        self._call = step
        if graph:
            captured = torch.cuda.CUDAGraph()
            with _no_collection(), torch.cuda.graph(captured, stream=self._stream):
                step()
            self._call = captured.replay

    def launch(self) -> None:
        with torch.cuda.stream(self._stream):
            self._call()
            self._done.record(self._stream)

    def wait(self) -> None:
        wait_until(self._done.query)

    def run(self, work: Step) -> None:
        with torch.cuda.stream(self._stream):
            work()
        self._stream.synchronize()

    def launch_ahead(self, go: int, done: int, turn: int) -> bool:
        driver, stream = _driver(), self._stream.cuda_stream
        at_least, plain = 0, 0  # CU_STREAM_WAIT_VALUE_GEQ, CU_STREAM_WRITE_VALUE_DEFAULT
        if driver is None or driver.cuStreamWaitValue32_v2(stream, go, turn, at_least) != 0:
            return False
        with torch.cuda.stream(self._stream):
            self._call()
        if driver.cuStreamWriteValue32_v2(stream, done, turn, plain) != 0:
            raise DeviceError("device cuda: the driver launched a hop that nobody would hear the end of")
        return True

    def check(self) -> None:
        self._stream.query()


def make_runner(step: Step, device: torch.device, *, graph: bool = True) -> Runner:
    """What runs `step` on `device`. On a GPU the step has run a few times when this returns."""
    return CudaRunner(step, device, graph=graph) if device.type == "cuda" else CpuRunner(step)


def compiled(function: Callable[..., None], backend: str) -> Callable[..., None]:
    """`function` compiled whole by `torch.compile`, for fixed shapes; it takes up to a minute."""
    return torch.compile(function, backend=backend, fullgraph=True, dynamic=False)
