"""A sound card made of arithmetic: the real callbacks, driven by a virtual or a real clock.

The virtual clock runs the callbacks and the two halves of the engine's hop in the order in which
they would happen, as fast as it can, with whatever cost, jitter, outage and clock error it is
told. The same run gives the same samples, always.

`sim` is an address of int64 words, laid out below; `memory` is `rtaudio.kernels.live`'s.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rtaudio.kernels import live as w
from rtaudio.kernels.clock import flush_denormals, now_ns, restore_denormals, sleep_us
from rtaudio.kernels.engine_loop import engine_begin, engine_finish
from rtaudio.kernels.memory import JIT, f32, f64, i64, load_acquire, store_release

# fmt: off
BLOCK, N_BLOCKS, RATE = 0, 1, 2
X, X_SIZE, CYCLIC = 3, 4, 5                    # what the microphone hears; then zeros, or again
Y, Y_SIZE = 6, 7                               # what the speakers got; cyclic
COSTS, N_COSTS = 8, 9                          # ns for hop number i; the last one goes on
JITTER, N_JITTER = 10, 11                      # ns by which block i is late
FLAGS, N_FLAGS = 12, 13                        # PortAudio's flags of block i
CAPTURE_CALLBACK, PLAYBACK_CALLBACK, DUPLEX_CALLBACK = 14, 15, 16
IN_PPM_F, OUT_PPM_F = 17, 18                   # clock errors of the two devices
IN_BLOCK, OUT_BLOCK = 19, 20                   # interleaved scratch blocks
IN_COUNT, OUT_COUNT = 21, 22                   # blocks delivered
STOP, DONE = 23, 24
CLOCK = 25                                     # two words for clock_gettime
TONE_F, WORST_F = 27, 28                       # 2 cos(omega) of a tone to watch, or 0; worst residual
BEFORE_F, BEFORE2_F = 29, 30                   # the last two samples played
PENDING, FINISH_NS, FREE_NS = 31, 32, 33       # the engine's hop in work, and when it is free
WATCH_FROM = 34                                # first sample played that is watched
N_WORDS = 40
# fmt: on


@intrinsic
def _call_callback(
    typingctx: Any, callback: Any, x: Any, out: Any, frames: Any, flags: Any, memory: Any
) -> Any:
    """Call a PaStreamCallback by address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.IntType(32), [word] * 6)
        no_time = ir.Constant(word, 0)
        callback, x, out, frames, flags, memory = args
        builder.call(builder.inttoptr(callback, kind.as_pointer()), [x, out, frames, no_time, flags, memory])
        return context.get_dummy_value()

    word = types.int64
    return types.void(word, word, word, word, word, word), codegen


@numba.njit(**JIT)
def _hear(sim: int, memory: int) -> None:
    """Fill the input block with the next samples of the recording, on every channel."""
    s, m = i64(sim, N_WORDS), i64(memory, w.N_WORDS)
    block, size, channels = s[BLOCK], s[X_SIZE], m[w.IN_CHANNELS]
    x, out = f32(s[X], size), f32(s[IN_BLOCK], block * channels)
    at = s[IN_COUNT] * block
    if s[CYCLIC]:
        at %= size
    for i in range(block):
        value = x[at] if at < size else np.float32(0.0)
        for c in range(channels):
            out[i * channels + c] = value
        at += 1
        if s[CYCLIC] and at == size:
            at = 0
    s[IN_COUNT] += 1


@numba.njit(**JIT)
def _watch(sim: int, memory: int) -> None:
    """Look for clicks in a tone.

    A pure tone obeys y[n] = 2 cos(omega) y[n-1] - y[n-2]; any lost, doubled or bent sample is a
    residual.
    """
    s, m, reals = i64(sim, N_WORDS), i64(memory, w.N_WORDS), f64(sim, N_WORDS)
    channels, first = m[w.OUT_CHANNELS], s[WATCH_FROM] - s[OUT_COUNT] * s[BLOCK]
    x = f32(s[OUT_BLOCK], s[BLOCK] * channels)
    before, before2, worst, tone = reals[BEFORE_F], reals[BEFORE2_F], reals[WORST_F], reals[TONE_F]
    for i in range(s[BLOCK]):
        value = np.float64(x[i * channels])
        if i >= first:
            worst = max(worst, abs(value - tone * before + before2))
        before2, before = before, value
    reals[BEFORE_F], reals[BEFORE2_F], reals[WORST_F] = before, before2, worst


@numba.njit(**JIT)
def _speak(sim: int, memory: int) -> None:
    """Keep what was played (first channel), where there are speakers."""
    s, m = i64(sim, N_WORDS), i64(memory, w.N_WORDS)
    block, size, channels = s[BLOCK], s[Y_SIZE], m[w.OUT_CHANNELS]
    if channels == 0:
        return
    y, x = f32(s[Y], size), f32(s[OUT_BLOCK], block * channels)
    at = s[OUT_COUNT] * block % size
    for i in range(block):
        y[at] = x[i * channels]
        at = at + 1 if at + 1 < size else 0
    if f64(sim, N_WORDS)[TONE_F] != 0.0:
        _watch(sim, memory)
    s[OUT_COUNT] += 1


@numba.njit(**JIT)
def _entry_of(table: int, size: int, index: int, past_end: int) -> int:
    """Entry `index` of a table; past its end 0, or with `past_end` the last one."""
    if size == 0:
        return 0
    values = i64(table, size)
    if index < size:
        return values[index]
    return values[size - 1] if past_end else 0


@numba.njit(**JIT)
def _block_flags(sim: int, index: int) -> int:
    s = i64(sim, N_WORDS)
    return _entry_of(s[FLAGS], s[N_FLAGS], index, 0)


@numba.njit(**JIT)
def _due_ns(sim: int, index: int, ppm_word: int) -> int:
    """When block `index` is due on a clock with the given error, late blocks late."""
    s, reals = i64(sim, N_WORDS), f64(sim, N_WORDS)
    rate = s[RATE] * (1.0 + 1e-6 * reals[ppm_word])
    exact = np.int64((index + 1) * s[BLOCK] / rate * 1e9)
    return exact + _entry_of(s[JITTER], s[N_JITTER], index, 0)


@numba.njit(**JIT)
def _engine_until(sim: int, memory: int, until: int) -> None:
    """Let the engine do what it gets done before the virtual time `until`."""
    s, m = i64(sim, N_WORDS), i64(memory, w.N_WORDS)
    while True:
        if s[PENDING]:
            if s[FINISH_NS] > until:
                return
            m[w.NOW] = s[FINISH_NS]
            engine_finish(memory)
            s[PENDING], s[FREE_NS] = 0, s[FINISH_NS]
        start = max(s[FREE_NS], m[w.CAPTURE_NS])
        if start > until:
            return
        m[w.NOW] = start
        jumps = m[w.JUMPS]
        if engine_begin(memory) == 0:
            if m[w.JUMPS] == jumps:
                return
            continue
        s[FINISH_NS] = start + _entry_of(s[COSTS], s[N_COSTS], m[w.HOPS], 1)
        s[PENDING] = 1


@numba.njit(**JIT)
def _duplex_block(sim: int, memory: int) -> None:
    s, m = i64(sim, N_WORDS), i64(memory, w.N_WORDS)
    index = s[IN_COUNT]
    due = _due_ns(sim, index, IN_PPM_F)
    _engine_until(sim, memory, due)
    m[w.NOW] = due
    flags = _block_flags(sim, index)
    _hear(sim, memory)
    _call_callback(s[DUPLEX_CALLBACK], s[IN_BLOCK], s[OUT_BLOCK], s[BLOCK], flags, memory)
    _speak(sim, memory)


@numba.njit(**JIT)
def _either_block(sim: int, memory: int) -> None:
    """The next block of whichever device is due first."""
    s, m = i64(sim, N_WORDS), i64(memory, w.N_WORDS)
    capture_due, playback_due = _due_ns(sim, s[IN_COUNT], IN_PPM_F), _due_ns(sim, s[OUT_COUNT], OUT_PPM_F)
    _engine_until(sim, memory, min(capture_due, playback_due))
    m[w.NOW] = min(capture_due, playback_due)
    if capture_due <= playback_due:
        flags = _block_flags(sim, s[IN_COUNT])
        _hear(sim, memory)
        _call_callback(s[CAPTURE_CALLBACK], s[IN_BLOCK], 0, s[BLOCK], flags, memory)
    else:
        _call_callback(s[PLAYBACK_CALLBACK], 0, s[OUT_BLOCK], s[BLOCK], 0, memory)
        _speak(sim, memory)


@numba.njit("void(int64, int64)", **JIT)
def run_virtual(sim: int, memory: int) -> None:
    """Run N_BLOCKS blocks on the virtual clock."""
    s, m = i64(sim, N_WORDS), i64(memory, w.N_WORDS)
    control = flush_denormals()
    while s[IN_COUNT] < s[N_BLOCKS] and load_acquire(sim + 8 * STOP) == 0:
        if m[w.RESAMPLER] != 0:
            _either_block(sim, memory)
        else:
            _duplex_block(sim, memory)
    restore_denormals(control)
    store_release(sim + 8 * DONE, 1)


@numba.njit("void(int64, int64)", **JIT)
def run_real(sim: int, memory: int) -> None:
    """Deliver N_BLOCKS blocks as a duplex sound card does: each when it is due, by the real clock."""
    s = i64(sim, N_WORDS)
    begin = now_ns(sim + 8 * CLOCK)
    first = s[IN_COUNT]
    while s[IN_COUNT] < s[N_BLOCKS] and load_acquire(sim + 8 * STOP) == 0:
        due = begin + _due_ns(sim, s[IN_COUNT] - first, IN_PPM_F)
        while load_acquire(sim + 8 * STOP) == 0:
            left = due - now_ns(sim + 8 * CLOCK)
            if left <= 0:
                break
            sleep_us(min(left // 1000, 2000))
        flags = _block_flags(sim, s[IN_COUNT])
        _hear(sim, memory)
        _call_callback(s[DUPLEX_CALLBACK], s[IN_BLOCK], s[OUT_BLOCK], s[BLOCK], flags, memory)
        _speak(sim, memory)
    if s[IN_COUNT] >= s[N_BLOCKS]:
        store_release(sim + 8 * DONE, 1)
