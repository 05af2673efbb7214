"""The engine: pull a hop, run the stage, mend what must be mended, push it, account for the time.

`engine_begin` does the first half of a hop and `engine_finish` the second, so that a simulation
can put virtual time between them; `engine_run` is the loop that runs live. `memory` is laid out
in `rtaudio.kernels.live`.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from rtaudio.kernels import live as w
from rtaudio.kernels.callback import time_ns
from rtaudio.kernels.chain import reset_arenas
from rtaudio.kernels.clock import flush_denormals, restore_denormals, sleep_us
from rtaudio.kernels.drift import push_resampled
from rtaudio.kernels.memory import JIT, call_step, f32, f64, i64, load_acquire, store_release
from rtaudio.kernels.overload import BYPASSED, HELD, climb_or_descend
from rtaudio.kernels.ring import READ, WRITE, ring_fill, ring_pull, ring_push, ring_skip

HISTOGRAM_BINS, BINS_PER_OCTAVE, FIRST_OCTAVE = 768, 32, 7  # 128 ns to 2 s, 2.2 % a bin
LARGEST = np.float32(3.0e38)
MUTE_DECAY = np.float32(0.95)  # a hop that was NaN ends the last sample within 1-2 ms, no step
POWER_FALL_S = 0.3  # level meters: the fall time of a VU meter


@numba.njit(**JIT)
def bin_of(ns: int) -> int:
    """Histogram bin of a duration: logarithmic, so that the tail is as sharp as the middle."""
    if ns < 1 << FIRST_OCTAVE:
        return 0
    return min(HISTOGRAM_BINS - 1, int((math.log2(ns) - FIRST_OCTAVE) * BINS_PER_OCTAVE))


@numba.njit("void(int64)", **JIT)
def reset_stage(memory: int) -> None:
    """Copy every arena's initial state back."""
    words = i64(memory, w.N_WORDS)
    reset_arenas(words[w.RESETS], words[w.N_RESETS])


@numba.njit(**JIT)
def _hops_of_latency(memory: int) -> int:
    """Hops until what the stage gives out is what it was given from now on."""
    words = i64(memory, w.N_WORDS)
    return -(-words[w.LATENCY] // words[w.HOP])


@numba.njit(**JIT)
def _jump_to_newest(memory: int) -> None:
    """Give up a backlog: what is in the capture ring is too old to be heard.

    How many samples were dropped before those still to come is not known yet: the callback may
    be dropping a block right now. It is looked up when they are there (`engine_begin`).
    """
    words = i64(memory, w.N_WORDS)
    ring_skip(words[w.CAPTURE_RING], ring_fill(words[w.CAPTURE_RING]))
    words[w.SHIFT] = -1
    words[w.JUMPS] += 1
    words[w.UNHEARD] = _hops_of_latency(memory)


@numba.njit(**JIT)
def _take(memory: int) -> None:
    """Move the next hop from the capture ring to X and to the history of dry sound."""
    words = i64(memory, w.N_WORDS)
    hop, ring = words[w.HOP], words[w.CAPTURE_RING]
    words[w.HOP_START] = time_ns(memory, w.ENGINE_CLOCK)
    later = (ring_fill(ring) - hop) // words[w.BLOCK] * words[w.BLOCK]  # whole blocks since this hop
    ready = words[w.CAPTURE_NS] - later * 1_000_000_000 // words[w.SAMPLE_RATE]
    # A sound server hands over several blocks at once: a hop wasn't there before the engine last looked.
    words[w.HOP_READY] = max(ready, words[w.IDLE_NS])
    words[w.HOP_TIME] = i64(ring, READ + 1)[READ] + words[w.SHIFT]
    ring_pull(ring, words[w.X], hop)
    x, past = f32(words[w.X], hop), f32(words[w.PAST], words[w.PAST_SIZE])
    start, mask = words[w.HOPS] * hop, words[w.PAST_SIZE] - 1
    for i in range(hop):
        past[(start + i) & mask] = x[i]


@numba.njit(**JIT)
def engine_begin(memory: int) -> int:
    """Take a hop and run the stage on it; 0, and nothing done, where no whole hop is waiting."""
    words, reals = i64(memory, w.N_WORDS), f64(memory, w.N_WORDS)
    fill = ring_fill(words[w.CAPTURE_RING])
    if fill < words[w.HOP]:
        words[w.IDLE_NS] = time_ns(memory, w.ENGINE_CLOCK)
        return 0
    if fill > words[w.BACKLOG]:
        _jump_to_newest(memory)
        return 0
    if words[w.SHIFT] < 0:  # every drop so far was before this hop: since the jump there was room
        words[w.SHIFT] = load_acquire(memory + 8 * w.DROPPED)
    _take(memory)
    level = words[w.LEVEL]
    words[w.DID_RUN] = 1 if level < BYPASSED or words[w.WARM] > 0 or reals[w.WET_F] > 0.0 else 0
    if words[w.DID_RUN]:
        step = w.STEPS + 2 * min(level, HELD)
        call_step(words[step], words[step + 1], words[w.X], words[w.Y])
    return 1


@numba.njit(**JIT)
def _guard(memory: int) -> None:
    """A hop that is not finite is muted without a step, and the stage's state reset."""
    words, reals = i64(memory, w.N_WORDS), f64(memory, w.N_WORDS)
    hop = words[w.HOP]
    y = f32(words[w.Y], hop)
    finite = True
    for i in range(hop):
        finite &= abs(y[i]) < LARGEST
    if not finite:
        words[w.NAN_HOPS] += 1
        words[w.MUTED] = 1
        reset_stage(memory)
        last = np.float32(reals[w.LAST_OUT_F])
        for i in range(hop):
            last *= MUTE_DECAY
            y[i] = last
    elif words[w.MUTED]:
        words[w.MUTED] = 0
        for i in range(hop):
            y[i] *= np.float32((i + 1) / hop)


@numba.njit(**JIT)
def _blend(memory: int) -> None:
    """Cross-fade between the wet hop and the dry one of the same time, for bypass and overload."""
    words, reals = i64(memory, w.N_WORDS), f64(memory, w.N_WORDS)
    hop = words[w.HOP]
    dry_wanted = words[w.BYPASS] != 0 or words[w.LEVEL] >= BYPASSED or words[w.WARM] > 0
    before, after = reals[w.WET_F], 0.0 if dry_wanted else 1.0
    if words[w.WARM] > 0:
        words[w.WARM] -= 1
    reals[w.WET_F] = after
    if before == 1.0 and after == 1.0:
        return
    y, past = f32(words[w.Y], hop), f32(words[w.PAST], words[w.PAST_SIZE])
    start, mask = words[w.HOPS] * hop - words[w.LATENCY], words[w.PAST_SIZE] - 1
    for i in range(hop):
        dry = past[(start + i) & mask] if start + i >= 0 else np.float32(0.0)
        share = np.float32(before + (after - before) * (i + 1) / hop)
        y[i] = dry + share * (y[i] - dry) if share > 0.0 else dry


@numba.njit(**JIT)
def _power(address: int, size: int, before: float, fall: float) -> float:
    """Mean square of a hop, falling no faster than the meter does."""
    x = f32(address, size)
    total = 0.0
    for i in range(size):
        total += np.float64(x[i]) * x[i]
    return max(total / size, before * fall, 1e-14)


@numba.njit(**JIT)
def _show(memory: int) -> None:
    """Levels for the meters, and both hops for a recorder."""
    words, reals = i64(memory, w.N_WORDS), f64(memory, w.N_WORDS)
    hop = words[w.HOP]
    fall = math.exp(-hop / (POWER_FALL_S * words[w.SAMPLE_RATE]))
    reals[w.IN_POWER_F] = _power(words[w.X], hop, reals[w.IN_POWER_F], fall)
    reals[w.OUT_POWER_F] = _power(words[w.Y], hop, reals[w.OUT_POWER_F], fall)
    reals[w.LAST_OUT_F] = f32(words[w.Y], hop)[hop - 1]
    if words[w.TAP_IN] != 0 and ring_push(words[w.TAP_IN], words[w.X], hop) == 0:
        words[w.TAP_LOST] += hop
    if words[w.TAP_OUT] != 0:
        ring_push(words[w.TAP_OUT], words[w.Y], hop)


@numba.njit(**JIT)
def _push(memory: int) -> None:
    """Hand the hop to the playback ring, labelled with the input time it belongs to.

    The label is of the whole ring, so it moves only when the ring is empty. After a jump all in
    it is late, and the callback drops it; a hop that is finished before that is not heard.
    """
    words = i64(memory, w.N_WORDS)
    if words[w.OUT_CHANNELS] == 0:  # a microphone alone: nothing is played
        return
    if words[w.UNHEARD] > 0:
        words[w.UNHEARD] -= 1
        return
    if words[w.RESAMPLER] != 0:
        push_resampled(memory)
        return
    ring = words[w.PLAYBACK_RING]
    offset = words[w.HOP_TIME] - i64(ring, READ + 1)[WRITE]
    if offset != words[w.PLAY_OFFSET]:
        if ring_fill(ring) > 0:
            return
        store_release(memory + 8 * w.PLAY_OFFSET, offset)
    if ring_push(ring, words[w.Y], words[w.HOP]) == 0:
        words[w.PUSH_FULL] += 1


@numba.njit(**JIT)
def _account(memory: int) -> None:
    """Time of the hop against its deadline, and what the overload ladder makes of it."""
    words = i64(memory, w.N_WORDS)
    now = time_ns(memory, w.ENGINE_CLOCK)
    compute = now - words[w.HOP_START]
    deadline = words[w.HOP] * 1_000_000_000 // words[w.SAMPLE_RATE]
    words[w.LAST_NS] = compute
    words[w.MAX_NS] = max(words[w.MAX_NS], compute)
    i64(words[w.HISTOGRAM], HISTOGRAM_BINS)[bin_of(compute)] += 1
    missed = now - words[w.HOP_READY] > deadline
    if missed:
        words[w.MISSES] += 1
    if words[w.OUT_CHANNELS] != 0 and climb_or_descend(memory, missed, compute, deadline):
        reset_stage(memory)
        words[w.WARM] = 1 + _hops_of_latency(memory)
    words[w.HOPS] += 1


@numba.njit(**JIT)
def engine_finish(memory: int) -> None:
    """Mend, show and push the hop that `engine_begin` ran, and account for it."""
    if i64(memory, w.N_WORDS)[w.DID_RUN]:
        _guard(memory)
    _blend(memory)
    _show(memory)
    _push(memory)
    _account(memory)


@numba.njit("void(int64)", **JIT)
def engine_run(memory: int) -> None:
    """Run hops until RUN is cleared: one call, no GIL, no lock."""
    control = flush_denormals()
    while load_acquire(memory + 8 * w.RUN) != 0:
        if engine_begin(memory) != 0:
            engine_finish(memory)
        else:
            sleep_us(i64(memory, w.N_WORDS)[w.POLL_US])
    restore_denormals(control)
