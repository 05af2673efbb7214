"""A hop to a device that waits for it, and its result back, through words in memory that both see."""

from __future__ import annotations

import numba

from rtaudio.kernels.clock import now_ns, sleep_us, wait_until
from rtaudio.kernels.memory import JIT, copy_bytes, exchange_acquire, f32, i64, load_acquire, store_release
from rtaudio.kernels.ring import ring_fill, ring_first, ring_pull, ring_push

# int64 words. GO: the hop that may begin; LAUNCHED: the last that is launched; TURN: the last handed over;
# LOCK: 1 while somebody does either; BEGUN, ENDED: when the last was handed over, and its result there;
# CLOCK: two for the clock. DONE, in a cache line of its own: the last hop that the device has done.
GO, LAUNCHED, TURN, LOCK, DEVICE_X, DEVICE_OUT, N_BYTES, SPIN_NS, BEGUN, ENDED, CLOCK = range(11)
DONE, N_WORDS = 16, 17
LOW = 0xFFFFFFFF  # devices compare and write 32 bits

NOTHING, LATE, HANDED_OVER = 0, 1, 2
"""What became of a hop: no launched one waits for it; it is under way, and the lock taken; it is done."""
LOCKED_US = 20


@numba.njit("void(int64)", **JIT)
def lock(words: int) -> None:
    """Wait for the lock and take it."""
    while exchange_acquire(words + 8 * LOCK, 1) != 0:
        sleep_us(LOCKED_US)


@numba.njit("void(int64)", **JIT)
def unlock(words: int) -> None:
    """Let go of the lock."""
    store_release(words + 8 * LOCK, 0)


@numba.njit("boolean(int64)", **JIT)
def is_done(words: int) -> bool:
    """Whether the device has done all that was handed over."""
    return (load_acquire(words + 8 * DONE) ^ load_acquire(words + 8 * TURN)) & LOW == 0


@numba.njit("int64(int64, int64, int64)", **JIT)
def _hand_over_locked(words: int, x: int, out: int) -> int:
    """Copy `x` where the device reads, let the next hop begin, spin till it is done, and copy it to `out`."""
    w, clock = i64(words, N_WORDS), words + 8 * CLOCK
    w[TURN] += 1
    copy_bytes(w[DEVICE_X], x, w[N_BYTES])
    store_release(words + 8 * GO, w[TURN])
    ends = now_ns(clock) + w[SPIN_NS]
    while not is_done(words):
        if now_ns(clock) >= ends:
            return LATE
    copy_bytes(out, w[DEVICE_OUT], w[N_BYTES])
    w[ENDED] = now_ns(clock)
    unlock(words)
    return HANDED_OVER


@numba.njit("int64(int64, int64, int64, int64)", **JIT)
def hand_over(words: int, x: int, out: int, due: int) -> int:
    """Sleep until `due`, monotonic ns, and have the hop at `x` done, into `out`.

    NOTHING, LATE or HANDED_OVER. Where it is LATE, `out` is as it was, and whoever waits on for it unlocks.
    """
    wait_until(due, words + 8 * CLOCK)
    i64(words, N_WORDS)[BEGUN] = now_ns(words + 8 * CLOCK)
    lock(words)
    if load_acquire(words + 8 * LAUNCHED) == load_acquire(words + 8 * TURN):
        unlock(words)
        return NOTHING
    return _hand_over_locked(words, x, out)


@numba.njit("int64(int64, int64, int64, int64, int64, int64)", **JIT)
def serve_hop(words: int, hops: int, results: int, frame: int, until: int, idle_us: int) -> int:
    """The next of a worker's hops (`kernels.worker`) from ring to ring, waiting for it until `until`.

    NOTHING, at once, where no launched hop waits or the stage shall be reset first, and where none came:
    the ring is as it was. Where the hop is LATE, its tag is in the result, which is still to be pushed.

    - frame: room for a hop with its tag, and behind it for its result.
    """
    w = i64(words, N_WORDS)
    size = w[N_BYTES] // 4 + 1
    result = frame + 4 * size
    while load_acquire(words + 8 * LAUNCHED) != load_acquire(words + 8 * TURN):
        if ring_fill(hops) < size:
            if now_ns(words + 8 * CLOCK) >= until:
                return NOTHING
            sleep_us(idle_us)
        elif ring_first(hops) < 0:
            return NOTHING
        else:
            lock(words)
            if load_acquire(words + 8 * LAUNCHED) == w[TURN]:
                unlock(words)
                return NOTHING
            ring_pull(hops, frame, size)
            f32(result, 1)[0] = f32(frame, 1)[0]
            became = _hand_over_locked(words, frame + 4, result + 4)
            if became == HANDED_OVER:
                ring_push(results, result, size)
            return became
    return NOTHING
