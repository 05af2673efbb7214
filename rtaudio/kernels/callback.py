"""The device callbacks: what runs on the audio thread.

Push, pull, count, time-stamp. No allocation, lock, system call (but the clock), raise or print;
a test reads the generated assembly. `memory` is laid out in `rtaudio.kernels.live`.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types

from rtaudio.kernels import live as w
from rtaudio.kernels.clock import now_ns
from rtaudio.kernels.memory import JIT, f32, f64, i64, load_acquire, store_release
from rtaudio.kernels.ring import READ, WRITE, ring_fill, ring_pull, ring_push, ring_skip

INPUT_OVERFLOW, OUTPUT_UNDERFLOW = 0x2, 0x4  # PaStreamCallbackFlags, portaudio.h
CONTINUE = 0  # paContinue
CAPTURE, PLAYBACK = 1, 2  # the ends that a callback serves
DECAY = 0.98  # of the last sample where sound ends: 1 ms at 48 kHz, short and no step

PORTAUDIO = types.int32(types.int64, types.int64, types.uint64, types.int64, types.uint64, types.int64)
"""PaStreamCallback: input, output, frames, time info, flags, user data; pointers as integers."""


@numba.njit(**JIT)
def time_ns(memory: int, scratch: int) -> int:
    """The time: of the simulation where there is one, else monotonic."""
    words = i64(memory, w.N_WORDS)
    return words[w.NOW] if words[w.VIRTUAL] != 0 else now_ns(memory + 8 * scratch)


@numba.njit(**JIT)
def _to_mono(memory: int, source: int, frames: int) -> None:
    """Fill SCRATCH with the mean of the channels; NaN or Inf from a broken driver becomes silence."""
    words = i64(memory, w.N_WORDS)
    channels = words[w.IN_CHANNELS]
    mono = f32(words[w.SCRATCH], frames)
    if source == 0:  # PortAudio hands no input for a moment while a stream starts or primes
        for i in range(frames):
            mono[i] = 0.0
        return
    x = f32(source, frames * channels)
    if channels == 1:
        for i in range(frames):
            mono[i] = x[i] if np.isfinite(x[i]) else np.float32(0.0)
        return
    scale = np.float32(1.0 / channels)
    for i in range(frames):
        total = np.float32(0.0)
        for c in range(channels):
            total += x[i * channels + c]
        total *= scale
        mono[i] = total if np.isfinite(total) else np.float32(0.0)


@numba.njit(**JIT)
def capture(memory: int, source: int, frames: int, flags: int) -> None:
    """Take a block from the device: to the history of dry sound, then to the capture ring.

    Where the ring is full the *new* block is dropped and counted (the read cursor belongs to the
    engine); input time goes on all the same.
    """
    words = i64(memory, w.N_WORDS)
    _to_mono(memory, source, frames)
    mono = f32(words[w.SCRATCH], frames)
    dry, mask, start = f32(words[w.DRY], words[w.DRY_SIZE]), words[w.DRY_SIZE] - 1, words[w.IN_TIME]
    for i in range(frames):
        dry[(start + i) & mask] = mono[i]
    words[w.CAPTURE_NS] = time_ns(memory, w.CAPTURE_CLOCK)
    if ring_push(words[w.CAPTURE_RING], words[w.SCRATCH], frames) == 0:
        words[w.RING_OVERFLOWS] += 1
        store_release(memory + 8 * w.DROPPED, words[w.DROPPED] + frames)
    words[w.IN_TIME] = start + frames
    words[w.CAPTURE_BLOCKS] += 1
    if flags & INPUT_OVERFLOW:
        words[w.INPUT_OVERFLOWS] += 1


@numba.njit(**JIT)
def _spread(memory: int, target: int, frames: int, n_channels: int) -> None:
    """Copy the finished mono block in WET to every output channel."""
    words = i64(memory, w.N_WORDS)
    mono, out = f32(words[w.WET], frames), f32(target, frames * n_channels)
    for i in range(frames):
        for c in range(n_channels):
            out[i * n_channels + c] = mono[i]


@numba.njit(**JIT)
def _pull_on_time(memory: int, wanted: int, frames: int) -> int:
    """Fill WET with the pipeline's outputs from number `wanted` on, as far as they exist.

    Drops what is too late. Returns where in the block the wet samples begin (high 32 bits) and
    end (low 32 bits); WET holds them at those places.
    """
    words = i64(memory, w.N_WORDS)
    ring = words[w.PLAYBACK_RING]
    write = load_acquire(ring + 8 * WRITE)
    read = i64(ring, READ + 1)[READ]
    first = read + load_acquire(memory + 8 * w.PLAY_OFFSET)
    if first < wanted:
        dropped = ring_skip(ring, min(wanted - first, write - read))
        words[w.LATE_DROPPED] += dropped
        read, first = read + dropped, first + dropped
    begin = min(max(first - wanted, 0), frames)
    end = begin
    if first >= wanted:
        end = min(frames, begin + write - read)
        ring_pull(ring, words[w.WET] + 4 * begin, end - begin)
    return (begin << 32) | end


@numba.njit(**JIT)
def _mend(memory: int, wanted: int, frames: int, begin: int, end: int) -> None:
    """Dry sound where WET has none, without a step at either edge.

    Going from wet to dry the last sample is already out: what it differed by from the dry signal
    is added and fades over FADE samples. Coming back, both signals are there: an ordinary cross-fade.
    """
    words, reals = i64(memory, w.N_WORDS), f64(memory, w.N_WORDS)
    out = f32(words[w.WET], frames)
    dry, mask = f32(words[w.DRY], words[w.DRY_SIZE]), words[w.DRY_SIZE] - 1
    fade, behind = words[w.FADE], wanted - words[w.LATENCY]
    last, step, left = reals[w.LAST_F], reals[w.STEP_F], words[w.STEP_LEFT]
    mix, gain = reals[w.MIX_F], reals[w.GAIN_F]
    slope = 1.0 / fade
    for i in range(frames):
        plain = np.float64(dry[(behind + i) & mask]) if behind + i >= 0 else 0.0
        value = plain
        if begin <= i < end:
            mix = min(1.0, mix + slope)
            value = plain + mix * (out[i] - plain) if mix < 1.0 else np.float64(out[i])
        elif mix > 0.0:
            before = np.float64(dry[(behind + i - 1) & mask]) if behind + i >= 1 else 0.0
            mix, step, left = 0.0, last - before, fade
        if left > 0:
            value += step * left * slope
            left -= 1
        if gain < 1.0:
            value *= gain
            gain = min(1.0, gain + 0.25 * slope)
        out[i] = value
        last = value
    reals[w.LAST_F], reals[w.STEP_F], words[w.STEP_LEFT] = last, step, left
    reals[w.MIX_F], reals[w.GAIN_F] = mix, gain


@numba.njit(**JIT)
def _fill_duplex(memory: int, frames: int) -> None:
    """Fill WET for play times PLAY_TIME and on, of a device whose input and output come together."""
    words, reals = i64(memory, w.N_WORDS), f64(memory, w.N_WORDS)
    out = f32(words[w.WET], frames)
    wanted = words[w.PLAY_TIME] - words[w.PREFILL]
    if wanted + frames <= 0:  # the pipeline is being filled: nothing was captured that long ago
        for i in range(frames):
            out[i] = 0.0
        return
    first_part = max(-wanted, 0)
    span = _pull_on_time(memory, wanted, frames)
    begin, end = span >> 32, span & 0xFFFFFFFF
    missing = frames - first_part - max(end - max(begin, first_part), 0)
    if first_part > 0:
        for i in range(first_part):
            out[i] = 0.0
        if begin <= first_part:
            begin, end = 0, max(end, first_part)  # zeros before the first output are as good as wet
    if missing > 0:
        words[w.RING_UNDERFLOWS] += 1
        words[w.SUBSTITUTED] += missing
    if missing > 0 or words[w.STEP_LEFT] > 0 or reals[w.MIX_F] < 1.0 or reals[w.GAIN_F] < 1.0:
        _mend(memory, wanted, frames, begin, end)
    else:
        reals[w.LAST_F] = out[frames - 1]


@numba.njit(**JIT)
def _keep_pace(memory: int) -> None:
    """Fade in once TARGET_FILL samples are there; what is beyond them after a disturbance is late.

    That is after an interruption, and where more has gathered while playing than may be without
    one: the loudspeaker stood still, and each sample would be heard that much later for good.
    """
    words, reals = i64(memory, w.N_WORDS), f64(memory, w.N_WORDS)
    beyond = ring_fill(words[w.PLAYBACK_RING]) - words[w.TARGET_FILL]
    plays = words[w.PLAYING] == w.PLAYS
    if beyond < 0 or (plays and beyond <= words[w.SPARE_FILL]):
        return
    ring_skip(words[w.PLAYBACK_RING], beyond)
    if words[w.PLAYING] != w.NOT_BEGUN:
        words[w.LATE_DROPPED] += beyond
    words[w.PLAYING], reals[w.GAIN_F], reals[w.STEP_F] = w.PLAYS, 0.0, reals[w.LAST_F]


@numba.njit(**JIT)
def _fill_from_ring(memory: int, frames: int) -> None:
    """Fill WET from the playback ring, for a device that plays at moments of its own.

    An empty ring fades to silence and waits until TARGET_FILL samples are there again. So
    latency does not creep.
    """
    words, reals = i64(memory, w.N_WORDS), f64(memory, w.N_WORDS)
    ring, out = words[w.PLAYBACK_RING], f32(words[w.WET], frames)
    _keep_pace(memory)
    got = 0
    if words[w.PLAYING] == w.PLAYS:
        got = min(ring_fill(ring), frames)
        ring_pull(ring, words[w.WET], got)
        if got < frames:
            words[w.PLAYING] = w.INTERRUPTED
    if words[w.PLAYING] == w.INTERRUPTED:
        words[w.RING_UNDERFLOWS] += 1
        words[w.SUBSTITUTED] += frames - got
    slope = 1.0 / words[w.FADE]
    gain, tail = reals[w.GAIN_F], reals[w.STEP_F]
    for i in range(got):
        if gain < 1.0:
            tail *= DECAY
            out[i] = gain * out[i] + (1.0 - gain) * tail
            gain = min(1.0, gain + slope)
    last = np.float64(out[got - 1]) if got > 0 else reals[w.LAST_F]
    for i in range(got, frames):
        last *= DECAY
        out[i] = last
    reals[w.LAST_F] = last if abs(last) > 1e-9 else 0.0
    reals[w.GAIN_F], reals[w.STEP_F] = gain, tail


@numba.njit(**JIT)
def playback(memory: int, target: int, frames: int, flags: int) -> None:
    """Give the device a block: wet sound on time, dry or fading sound where there is none."""
    words = i64(memory, w.N_WORDS)
    if words[w.RESAMPLER] != 0:
        _fill_from_ring(memory, frames)
    else:
        _fill_duplex(memory, frames)
    _spread(memory, target, frames, words[w.OUT_CHANNELS])
    words[w.PLAYBACK_NS] = time_ns(memory, w.PLAYBACK_CLOCK)
    words[w.PLAY_TIME] += frames
    words[w.PLAYBACK_BLOCKS] += 1
    if flags & OUTPUT_UNDERFLOW:
        words[w.OUTPUT_UNDERFLOWS] += 1


@numba.njit(**JIT)
def _frame(buffer: int, at: int, channels: int) -> int:
    """Address of frame `at` of an interleaved buffer; a missing one (0) stays missing."""
    return buffer + 4 * at * channels if buffer != 0 else 0


@numba.njit(**JIT)
def _serve(memory: int, x: int, out: int, frames: int, flags: int, ends: int) -> None:
    """Capture and playback of a block of any size, in pieces that the working memory holds.

    Some hosts hand over more than was asked for. Both ends advance piece by piece together: the
    history of dry sound reaches no further.
    """
    words = i64(memory, w.N_WORDS)
    done = 0
    while done < frames:
        size = min(frames - done, words[w.MAX_FRAMES])
        if ends & CAPTURE:
            capture(memory, _frame(x, done, words[w.IN_CHANNELS]), size, flags)
        if ends & PLAYBACK:
            playback(memory, _frame(out, done, words[w.OUT_CHANNELS]), size, flags)
        flags = 0  # counted with the first piece
        done += size


@numba.cfunc(PORTAUDIO, cache=True, error_model="numpy")
def duplex_callback(x: Any, out: Any, frames: Any, time_info: Any, flags: Any, memory: Any) -> Any:
    """PaStreamCallback of a stream of input and output together."""
    _serve(memory, x, out, types.int64(frames), types.int64(flags), CAPTURE | PLAYBACK)
    return CONTINUE


@numba.cfunc(PORTAUDIO, cache=True, error_model="numpy")
def capture_callback(x: Any, out: Any, frames: Any, time_info: Any, flags: Any, memory: Any) -> Any:
    """PaStreamCallback of a stream of input alone."""
    _serve(memory, x, 0, types.int64(frames), types.int64(flags), CAPTURE)
    return CONTINUE


@numba.cfunc(PORTAUDIO, cache=True, error_model="numpy")
def playback_callback(x: Any, out: Any, frames: Any, time_info: Any, flags: Any, memory: Any) -> Any:
    """PaStreamCallback of a stream of output alone."""
    _serve(memory, 0, out, types.int64(frames), types.int64(flags), PLAYBACK)
    return CONTINUE
