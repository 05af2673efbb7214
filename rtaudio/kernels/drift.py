"""Two streams, two clocks or one: a slow servo keeps the sound between them at constant length.

The controller is proportional-integral on the number of samples in the path (Adriaensen,
"Controlling adaptive resampling", LAC 2012). Ring fill alone would beat with the block phase of
the two devices, so the fill is taken in continuous time: what each device has consumed or
delivered since its last callback is counted in by the clock.
"""

from __future__ import annotations

import numba

from rtaudio.kernels import live as w
from rtaudio.kernels.memory import JIT, f64, i64, load_acquire
from rtaudio.kernels.resample import resample_run
from rtaudio.kernels.ring import ring_fill, ring_push

SMOOTHING_S = 2.0  # of the measured fill, well under the servo's own time
SERVO_S = 15.0  # time constant of the proportional part; the integral's is 4 times as long
LOCK_HOPS = 100  # hops whose mean is the set point; at 100 ppm a second moves it by 5 samples
CLOCKS = 5e-4  # clocks of real devices differ by less than 300 ppm
LIMIT = 1e-3  # of all steering: 1.7 cents, which nobody hears
ARRIVED = 1.0 / 16  # of the dead zone: as near to the set point as the fill can be measured


@numba.njit(**JIT)
def path_samples(memory: int) -> float:
    """Samples between capture and playback now, callbacks' block phase taken out."""
    words = i64(memory, w.N_WORDS)
    rate_per_ns = words[w.SAMPLE_RATE] * 1e-9
    played_ns, fill = 0, 0
    for _ in range(3):  # again where the playback callback ran in between
        played_ns = load_acquire(memory + 8 * w.PLAYBACK_NS)
        fill = ring_fill(words[w.PLAYBACK_RING])
        if played_ns == load_acquire(memory + 8 * w.PLAYBACK_NS):
            break
    captured_ns = load_acquire(memory + 8 * w.CAPTURE_NS)
    waiting = ring_fill(words[w.CAPTURE_RING])
    return fill + waiting + (played_ns - captured_ns) * rate_per_ns


@numba.njit(**JIT)
def _on_course(memory: int) -> bool:
    """On one clock: whether the path is as long as it was, give or take the callbacks' jitter."""
    words, off = i64(memory, w.N_WORDS), abs(f64(memory, w.N_WORDS)[w.ERROR_F])
    zone = words[w.DEAD_ZONE]
    if off > zone:
        words[w.STEERING] = 1
    elif off < ARRIVED * zone:
        words[w.STEERING] = 0
    return zone > 0 and words[w.STEERING] == 0


@numba.njit(**JIT)
def _steer(memory: int) -> None:
    """Update RATIO_F, output samples for each input sample.

    The set point is the mean length of the path over the first LOCK_HOPS that play on end: the
    callback started with TARGET_FILL samples, and whatever the path was then it shall stay. An
    interruption does not move it: the path may come back longer, by what the engine still had
    to catch up when the ring was full enough, and is brought back.
    """
    words, reals = i64(memory, w.N_WORDS), f64(memory, w.N_WORDS)
    locked = words[w.SERVO_HOPS] == LOCK_HOPS
    if words[w.PLAYING] != w.PLAYS:
        reals[w.ERROR_F] = 0.0
        words[w.SERVO_HOPS] = LOCK_HOPS if locked else 0
        return
    length = path_samples(memory)
    if not locked:
        words[w.SERVO_HOPS] += 1
        before = reals[w.SETPOINT_F] if words[w.SERVO_HOPS] > 1 else 0.0
        reals[w.SETPOINT_F] = before + (length - before) / words[w.SERVO_HOPS]
        return
    hop_s = words[w.HOP] / words[w.SAMPLE_RATE]
    reals[w.ERROR_F] += hop_s / SMOOTHING_S * (length - reals[w.SETPOINT_F] - reals[w.ERROR_F])
    if _on_course(memory):
        reals[w.RATIO_F] = 1.0
        return
    relative = reals[w.ERROR_F] / (SERVO_S * words[w.SAMPLE_RATE])
    # More than that is not the clocks' doing, and would teach the integral wrong.
    if abs(relative) < CLOCKS and words[w.DEAD_ZONE] == 0:
        reals[w.INTEGRAL_F] -= relative * hop_s / (4.0 * SERVO_S)
    reals[w.RATIO_F] = 1.0 + min(LIMIT, max(-LIMIT, reals[w.INTEGRAL_F] - relative))


@numba.njit(**JIT)
def push_resampled(memory: int) -> None:
    """Resample the finished hop by the servo's ratio and hand it to the playback ring."""
    words = i64(memory, w.N_WORDS)
    _steer(memory)
    ratio = f64(memory, w.N_WORDS)[w.RATIO_F]
    n = resample_run(
        words[w.RESAMPLER], words[w.Y], words[w.HOP], ratio, words[w.RESAMPLED], words[w.MAX_RESAMPLED]
    )
    if ring_push(words[w.PLAYBACK_RING], words[w.RESAMPLED], n) == 0:
        words[w.PUSH_FULL] += 1
