"""The native side of a stage that runs in a Python worker thread, between two rings.

A hop travels as a frame of `1 + hop_length` float32: its tag, then its samples. The tag is the
hop's number modulo TAGS, or -1 - number where the worker shall reset its stage first.
The step hands over hop n and wants the result of hop n - delay; one that is not there is replaced
by the dry sound of the same time, one that comes too late is dropped. So the worker can stall,
skip or die, and the sound goes on at the same latency.

A native spare, where there is one, does the same work as the worker's stage. It sleeps until a
result is late, then starts, new, and runs along on hop n - delay; once it has heard enough, it
stands in for late results instead of the dry sound, until all has been well for a while.
"""

from __future__ import annotations

import numba
import numpy as np

from rtaudio.kernels.chain import reset_arenas
from rtaudio.kernels.memory import JIT, STEP, call_step, f32, i64
from rtaudio.kernels.ring import ring_pull, ring_push

TAGS = 1 << 24  # float32 counts exactly up to there: 46 h of 10 ms hops
DECAY = np.float32(0.98)  # of the step from wet to dry sound: 1 ms at 48 kHz

WARM_HOPS = 25  # from hop 20 on a denoiser that starts in mid-stream is always nearer the whole one than dry
AWAKE_HOPS = 1000  # since the last late one: trouble comes in bursts, and waking up again costs WARM_HOPS

# Words of the arena.
HOP, DELAY, LATENCY, HISTORY_SIZE, IN_RING, OUT_RING = range(6)
COUNTS, SPARE, HISTORY, FRAME, PENDING, STAND_IN, SPARE_HOP, EDGE, FLAGS = range(6, 15)  # byte offsets
N_WORDS = 15
# Entries of COUNTS, which go on over a reset by the engine: results of before are on their way.
N_HOPS, N_LATE, N_STOOD_IN = range(3)
# Entries of SPARE: entry point (0 where there is none) and state; rows of `reset_arenas`, how many.
ENTRY, STATE, RESETS, N_RESETS = range(4)
N_SPARE = 4
# Entries of EDGE: the last sample given out, and the last of the stand-in.
LAST, LAST_STAND_IN = range(2)
# Entries of FLAGS; AWAKE counts the hops the spare still runs, RUN those since it woke.
HAS_PENDING, WAS_WET, WAS_RESET, AWAKE, RUN = range(5)
N_FLAGS = 5


@numba.njit("int64(int64, int64)", **JIT)
def _find_result(state: int, wanted: int) -> int:
    """1 where PENDING holds the result of hop `wanted`; older ones are dropped."""
    words = i64(state, N_WORDS)
    size, pending = words[HOP] + 1, state + words[PENDING]
    flags = i64(state + words[FLAGS], N_FLAGS)
    while True:
        if flags[HAS_PENDING] == 0 and ring_pull(words[OUT_RING], pending, size) == 0:
            return 0
        flags[HAS_PENDING] = 1
        ahead = (np.int64(f32(pending, 1)[0]) - wanted) & (TAGS - 1)
        if 0 < ahead < TAGS // 2:
            return 0
        flags[HAS_PENDING] = 0
        if ahead == 0:
            return 1


@numba.njit("void(int64, int64)", **JIT)
def _hand_over(state: int, x: int) -> None:
    """Send the hop to the worker, and keep it as dry sound."""
    words = i64(state, N_WORDS)
    hop, counts, flags = words[HOP], i64(state + words[COUNTS], 3), i64(state + words[FLAGS], N_FLAGS)
    source, frame = f32(x, hop), f32(state + words[FRAME], hop + 1)
    history, mask = f32(state + words[HISTORY], words[HISTORY_SIZE]), words[HISTORY_SIZE] - 1
    start = counts[N_HOPS] * hop
    tag = counts[N_HOPS] & (TAGS - 1)
    frame[0] = -1 - tag if flags[WAS_RESET] else tag
    for i in range(hop):
        frame[i + 1] = source[i]
        history[(start + i) & mask] = source[i]
    if ring_push(words[IN_RING], state + words[FRAME], hop + 1):
        flags[WAS_RESET] = 0


@numba.njit("void(int64, int64, int64, int64)", **JIT)
def _recall(state: int, start: int, target: int, size: int) -> None:
    """Copy the dry sound from sample `start` on; before the first lies silence."""
    words = i64(state, N_WORDS)
    history, mask = f32(state + words[HISTORY], words[HISTORY_SIZE]), words[HISTORY_SIZE] - 1
    samples = f32(target, size)
    for i in range(size):
        samples[i] = history[(start + i) & mask] if start + i >= 0 else np.float32(0.0)


@numba.njit("int64(int64, int64)", **JIT)
def _run_spare(state: int, late: int) -> int:
    """Let the spare hear the hop that is wanted, if it is awake; its hops since it woke, 0 if asleep."""
    words = i64(state, N_WORDS)
    hop, spare, flags = words[HOP], i64(state + words[SPARE], N_SPARE), i64(state + words[FLAGS], N_FLAGS)
    if flags[AWAKE] == 0:
        if not late or spare[ENTRY] == 0:
            return 0
        reset_arenas(spare[RESETS], spare[N_RESETS])
        flags[RUN] = 0
    if late:
        flags[AWAKE] = AWAKE_HOPS
    wanted = i64(state + words[COUNTS], 3)[N_HOPS] - words[DELAY]
    _recall(state, wanted * hop, state + words[SPARE_HOP], hop)
    call_step(spare[ENTRY], spare[STATE], state + words[SPARE_HOP], state + words[SPARE_HOP] + 4 * hop)
    flags[AWAKE] -= 1
    flags[RUN] += 1
    return flags[RUN]


@numba.njit("int64(int64, int64)", **JIT)
def _stand_in(state: int, late: int) -> int:
    """Fill STAND_IN: the dry sound, or the spare's once it is warm, cross-faded; 1 where that is so.

    EDGE gets the sample before it: the last of the hop before, or of the dry sound if it was that.
    """
    words = i64(state, N_WORDS)
    hop, edge = words[HOP], f32(state + words[EDGE], 2)
    start = i64(state + words[COUNTS], 3)[N_HOPS] * hop - words[LATENCY]
    sound, spare = f32(state + words[STAND_IN], hop), f32(state + words[SPARE_HOP] + 4 * hop, hop)
    last = spare[hop - 1]
    run = _run_spare(state, late)
    if run <= WARM_HOPS + 1:
        _recall(state, start - 1, state + words[EDGE] + 4 * LAST_STAND_IN, 1)
    else:
        edge[LAST_STAND_IN] = last
    _recall(state, start, state + words[STAND_IN], hop)
    if run <= WARM_HOPS:
        return 0
    for i in range(hop):
        share = np.float32((i + 1) / hop) if run == WARM_HOPS + 1 else np.float32(1.0)
        sound[i] += share * (spare[i] - sound[i])
    return 1


@numba.cfunc(STEP, cache=True, error_model="numpy")
def worker_step(state: int, x: int, out: int) -> None:
    """Hand over a hop and give out the result of the one `DELAY` hops ago, or what stands in for it."""
    words = i64(state, N_WORDS)
    hop, counts, flags = words[HOP], i64(state + words[COUNTS], 3), i64(state + words[FLAGS], N_FLAGS)
    _hand_over(state, x)
    wanted = counts[N_HOPS] - words[DELAY]
    ready = _find_result(state, wanted & (TAGS - 1)) if wanted >= 0 else 0
    late = 1 if wanted >= 0 and not ready else 0
    counts[N_LATE] += late
    counts[N_STOOD_IN] += late * _stand_in(state, late)
    y, wet = f32(out, hop), f32(state + words[PENDING] + 4, hop)
    edge, other = f32(state + words[EDGE], 2), f32(state + words[STAND_IN], hop)
    step = edge[LAST] - edge[LAST_STAND_IN]
    for i in range(hop):
        if ready and (flags[WAS_WET] or wanted == 0):
            y[i] = wet[i]
            continue
        step *= DECAY
        y[i] = step + other[i]
        if ready:
            y[i] += np.float32((i + 1) / hop) * (wet[i] - y[i])
    edge[LAST] = y[hop - 1]
    flags[WAS_WET] = ready
    counts[N_HOPS] += 1
