"""Time a chain of steps hop by hop: once every so often, as live audio does, or back to back (warm).

Between paced hops the thread sleeps, so other work cools the caches: what a hop costs live. A
warm loop costs 4 to 8 times less, and is what a benchmark that doesn't sleep would tell.
"""

from __future__ import annotations

import numba

from rtaudio.kernels.chain import ROW
from rtaudio.kernels.clock import flush_denormals, now_ns, restore_denormals, wait_until
from rtaudio.kernels.memory import JIT, STEP, call_step, i64, load_acquire

CLOCK_WORDS = 2
STOP_WORD = 2
SCRATCH_WORDS = 3
"""The clock's two words, then one that ends the loop as soon as it isn't 0."""


@numba.njit("void(int64, int64, int64, int64, int64, int64)", **JIT)
def _time_hop(table: int, n_rows: int, x: int, out: int, marks: int, scratch: int) -> None:
    """Run the chain once; the time before it and after each of its rows into `marks`."""
    rows, times = i64(table, n_rows * ROW), i64(marks, n_rows + 1)
    times[0] = now_ns(scratch)
    for row in range(n_rows):
        source, target = rows[row * ROW + 2], rows[row * ROW + 3]
        call_step(
            rows[row * ROW],
            rows[row * ROW + 1],
            source if source != 0 else x,
            target if target != 0 else out,
        )
        times[row + 1] = now_ns(scratch)


_TIME_HOPS = "int64(int64, int64, int64, int64, int64, int64, int64, int64, int64, int64, int64)"


@numba.njit(_TIME_HOPS, **JIT)
def time_hops(
    table: int, n_rows: int, x: int, x_bytes: int, out: int, out_bytes: int,
    n_inputs: int, marks: int, n_hops: int, period: int, scratch: int,
) -> int:  # fmt: skip
    """Run a chain (`kernels.chain`) for up to `n_hops` hops; returns how many were run.

    - x, out: first of `n_inputs` rows `x_bytes` and `out_bytes` apart, gone through again and again.
    - marks: int64 `(n_hops, n_rows + 2)`: when the hop was due, when it began, and when each row was
      done; monotonic ns.
    - period: ns between hops, on a fixed schedule that a late hop doesn't shift; 0 goes on at once.
    - scratch: `SCRATCH_WORDS` int64; writing to the last from another thread ends the loop.
    """
    control = flush_denormals()  # as on the engine's thread
    due, done = now_ns(scratch), 0
    while done < n_hops and load_acquire(scratch + 8 * STOP_WORD) == 0:
        if period > 0:
            due += period
            wait_until(due, scratch)
        mark, row = marks + done * 8 * (n_rows + 2), done % n_inputs
        _time_hop(table, n_rows, x + row * x_bytes, out + row * out_bytes, mark + 8, scratch)
        times = i64(mark, 2)
        times[0] = due if period > 0 else times[1]
        done += 1
    restore_denormals(control)
    return done


@numba.cfunc(STEP, cache=True, error_model="numpy")
def nothing_step(state: int, x: int, out: int) -> None:
    """A step that does nothing: timing it times the timing."""
