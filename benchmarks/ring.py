"""The ring buffer against its floor (two memcpys) and against what people use instead.

Push and pull of 480 float32 on one thread, then a thousand million samples between two threads
in blocks of random sizes, every one checked.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from benchmarks.report import Report, main
from rtaudio.kernels.memory import JIT, _pointer, f32, load_acquire, store_release
from rtaudio.kernels.ring import Ring, ring_pull, ring_push
from rtaudio.stream.slab import aligned_bytes

BLOCK = 480
CAPACITY = 4096
COUNT_MODULO = 1 << 24  # float32 counts exactly up to there
ROUNDS = 15  # alternating, so that a slow moment of the machine hits every row

_memcpy = types.ExternalFunction("memcpy", types.voidptr(types.voidptr, types.voidptr, types.uint64))


@numba.njit("void(int64, int64, int64, int64)", **{**JIT, "cache": False})
def push_pull(ring: int, x: int, out: int, repeats: int) -> None:
    for _ in range(repeats):
        ring_push(ring, x, BLOCK)
        ring_pull(ring, out, BLOCK)


@numba.njit("void(int64, int64, int64, int64)", **{**JIT, "cache": False})
def two_memcpys(ring: int, x: int, out: int, repeats: int) -> None:
    """The floor: the same bytes in and out of the same memory, at the same places, nothing else."""
    at = 0
    for _ in range(repeats):
        place = ring + 4 * (at & (CAPACITY - 1))
        at = (at + BLOCK) % (CAPACITY - BLOCK)
        _memcpy(_pointer(place), _pointer(x), 4 * BLOCK)
        _memcpy(_pointer(out), _pointer(place), 4 * BLOCK)


def native_ns(run: Any, ring: int, x: NDArray[Any], out: NDArray[Any], repeats: int) -> float:
    begin = time.perf_counter_ns()
    run(ring, x.ctypes.data, out.ctypes.data, repeats)
    return (time.perf_counter_ns() - begin) / repeats


def python_ns(step: Callable[[], Any], repeats: int) -> float:
    begin = time.perf_counter_ns()
    for _ in range(repeats):
        step()
    return (time.perf_counter_ns() - begin) / repeats


def python_peers(x: NDArray[Any], out: NDArray[Any]) -> dict[str, Callable[[], Any]]:
    samples: deque[float] = deque(maxlen=CAPACITY)
    blocks: queue.Queue[NDArray[Any]] = queue.Queue(8)

    def through_deque() -> None:
        samples.extend(x)
        for i in range(BLOCK):
            out[i] = samples.popleft()

    def through_queue() -> None:
        blocks.put(x.copy())
        out[:] = blocks.get()

    peers: dict[str, Callable[[], Any]] = {"queue.Queue of arrays": through_queue, "deque": through_deque}
    own = Ring(CAPACITY)

    def through_own_python_face() -> None:
        own.push(x)
        own.pull(out)

    peers["rtaudio Ring, called from Python"] = through_own_python_face
    if (pa := pa_ring()) is not None:

        def through_pa() -> None:
            pa.write(x)
            pa.readinto(out)

        peers["pa_ringbuffer, called from Python"] = through_pa
    return peers


def pa_ring() -> Any:
    """PortAudio's ring buffer with its Python face, which rtmixer carries compiled; or None."""
    try:
        from _rtmixer import ffi, lib
        from pa_ringbuffer import init
    except ImportError:
        return None
    return init(ffi, lib)(4, CAPACITY)


@numba.njit("void(int64, int64, int64[::1], int64)", **{**JIT, "cache": False})
def produce(ring: int, scratch: int, sizes: NDArray[Any], total: int) -> None:
    x, done, turn = f32(scratch, BLOCK), 0, 0
    while done < total:
        size = min(sizes[turn % sizes.size], total - done)
        for i in range(size):
            x[i] = (done + i) & (COUNT_MODULO - 1)
        if ring_push(ring, scratch, size) == 1:
            done += size
            turn += 1


@numba.njit("void(int64, int64, int64[::1], int64, int64)", **{**JIT, "cache": False})
def consume(ring: int, scratch: int, sizes: NDArray[Any], total: int, result: int) -> None:
    """Counts wrong samples into word 0 of `result`, samples seen into word 1."""
    out, done, turn, wrong = f32(scratch, BLOCK), 0, 0, 0
    while done < total:
        size = min(sizes[turn % sizes.size], total - done)
        if ring_pull(ring, scratch, size) == 1:
            for i in range(size):
                wrong += out[i] != (done + i) & (COUNT_MODULO - 1)
            done += size
            turn += 1
            store_release(result + 8, done)
    store_release(result, load_acquire(result) + wrong)


def count_torn(total: int) -> tuple[int, float]:
    """Wrong samples of `total` between two threads, and the seconds it took."""
    rng, ring, result = np.random.default_rng(0), Ring(CAPACITY), np.zeros(2, np.int64)
    scratch, sizes = np.zeros((2, BLOCK), np.float32), rng.integers(1, BLOCK + 1, (2, 4096))
    threads = [
        threading.Thread(target=produce, args=(ring.address, scratch[0].ctypes.data, sizes[0], total)),
        threading.Thread(
            target=consume, args=(ring.address, scratch[1].ctypes.data, sizes[1], total, result.ctypes.data)
        ),
    ]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return int(result[0]) + total - int(result[1]), time.perf_counter() - begin


def run(report: Report, quick: bool) -> None:
    repeats = 20_000 if quick else 200_000
    x, out = (aligned_bytes(4 * BLOCK).view(np.float32) for _ in range(2))  # as the engine's hops are
    x[:] = np.random.default_rng(0).standard_normal(BLOCK)
    ring, plain = Ring(CAPACITY), aligned_bytes(4 * (CAPACITY + BLOCK)).view(np.float32)
    rows: dict[str, list[float]] = {"two memcpys (the floor)": [], "rtaudio ring, in compiled code": []}
    for _ in range(ROUNDS):
        rows["two memcpys (the floor)"].append(native_ns(two_memcpys, plain.ctypes.data, x, out, repeats))
        rows["rtaudio ring, in compiled code"].append(native_ns(push_pull, ring.address, x, out, repeats))
    for name, step in python_peers(x, out).items():
        rows[name] = [python_ns(step, repeats // 100) for _ in range(ROUNDS)]
    table = report.table(f"push + pull of {BLOCK} float32, {ROUNDS} rounds", ["", "median ns", "min", "max"])
    for name, spent in rows.items():
        table.row(name, float(np.median(spent)), min(spent), max(spent))
    report.show(table)
    if pa_ring() is None:
        report.note("pa_ringbuffer is not beside it: pip install rtmixer")
    floor, ours = list(rows.values())[:2]
    ratio = float(np.median(np.array(ours) / np.array(floor)))

    total = 10**8 if quick else 10**9
    wrong, seconds = count_torn(total)
    report.note(f"two threads, {total:.0e} samples in blocks of 1..{BLOCK}: {total / seconds / 1e6:.0f} M/s")
    report.goal("push + pull over two memcpys", ratio, 1.1)
    report.goal(f"torn or lost samples in {total:.0e}", wrong, 0, "==")


if __name__ == "__main__":
    main(run)
