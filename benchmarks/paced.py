"""Time one step again and again: back to back (warm), or once every so often, as live audio does.

Between paced steps the thread sleeps, so other work cools the caches: what a hop costs live.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from rtaudio.kernels.memory import call_step, i64
from rtaudio.stream.stage import NativeStage

PERIOD_NS = 10_000_000  # 10 ms, a hop of 480 samples at 48 kHz

_MONOTONIC, _ABSOLUTE = 1, 1  # CLOCK_MONOTONIC and TIMER_ABSTIME, Linux
_clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.int64))
_clock_nanosleep = types.ExternalFunction(
    "clock_nanosleep", types.int32(types.int32, types.int32, types.int64, types.int64)
)


@numba.njit("int64(int64)", nogil=True)
def _now_ns(pair: int) -> Any:
    _clock_gettime(_MONOTONIC, pair)
    return i64(pair, 2)[0] * 1_000_000_000 + i64(pair, 2)[1]


@numba.njit("void(int64, int64, int64, int64, int64, int64, int64, int64, int64, int64)", nogil=True)
def _run(
    entry: int, state: int, x: int, x_bytes: int, out: int, out_bytes: int,
    spent: int, n: int, period: int, pair: int,
) -> None:  # fmt: skip
    """Step n times over rows of x into rows of out; nanoseconds of each into `spent`."""
    times, due = i64(spent, n), _now_ns(pair)
    for k in range(n):
        if period > 0:
            due += period
            i64(pair, 2)[0], i64(pair, 2)[1] = due // 1_000_000_000, due % 1_000_000_000
            _clock_nanosleep(_MONOTONIC, _ABSOLUTE, pair, 0)
        before = _now_ns(pair)
        call_step(entry, state, x + k * x_bytes, out + k * out_bytes)
        times[k] = _now_ns(pair) - before


def time_entry(
    entry: int,
    state: int,
    x: NDArray[np.float32],
    out: NDArray[np.float32],
    period_ns: int = 0,
) -> NDArray[np.float64]:
    """Call the compiled `entry(state, row of x, row of out)` for each row; microseconds of each."""
    spent, pair = np.zeros(len(x), np.int64), np.zeros(2, np.int64)
    _run(
        entry, state, x.ctypes.data, x.strides[0], out.ctypes.data, out.strides[0],
        spent.ctypes.data, len(x), period_ns, pair.ctypes.data,
    )  # fmt: skip
    return spent / 1000


def time_stage(
    stage: NativeStage, x: NDArray[np.float32], period_ns: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Microseconds of each hop of x `(n, *in_spec.shape)`, and the output, from a fresh state."""
    stage.reset()
    out = np.zeros((len(x), *stage.out_spec.shape), np.float32)
    return time_entry(stage.entry, stage.arena.address, x, out, period_ns), out


def time_python(step: Callable[[int], object], n: int, period_ns: int = 0) -> NDArray[np.float64]:
    """Call `step(k)` for k = 0 .. n - 1 on the same schedule; microseconds of each."""
    spent, due = np.zeros(n), time.monotonic_ns()
    for k in range(n):
        if period_ns:
            due += period_ns
            time.sleep(max(due - time.monotonic_ns(), 0) / 1e9)
        before = time.perf_counter_ns()
        step(k)
        spent[k] = time.perf_counter_ns() - before
    return spent / 1000
