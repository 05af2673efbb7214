"""The native side of a stage that runs in a Python worker thread, between two rings.

A hop travels as a frame of `1 + hop_length` float32: its number (modulo TAGS), then its samples.
The step hands over hop n and wants the result of hop n - delay; one that is not there is replaced
by the dry sound of the same time, one that comes too late is dropped. So the worker can stall,
skip or die, and the sound goes on at the same latency.
"""

from __future__ import annotations

import numba
import numpy as np

from rtaudio.kernels.memory import JIT, STEP, f32, i64
from rtaudio.kernels.ring import ring_pull, ring_push

TAGS = 1 << 24  # float32 counts exactly up to there: 46 h of 10 ms hops
DECAY = np.float32(0.98)  # of the step from wet to dry sound: 1 ms at 48 kHz

# Words of the arena.
HOP, DELAY, LATENCY, HISTORY_SIZE, IN_RING, OUT_RING = range(6)
HISTORY, FRAME, PENDING, COUNTS, EDGE = range(6, 11)  # byte offsets
# Entries of COUNTS.
N_HOPS, N_LATE, N_UNSENT, HAS_PENDING, WAS_WET = range(5)


@numba.njit("int64(int64, int64)", **JIT)
def _find_result(state: int, wanted: int) -> int:
    """1 where PENDING holds the result of hop `wanted`; older ones are dropped."""
    words = i64(state, 11)
    size, pending = words[HOP] + 1, state + words[PENDING]
    counts = i64(state + words[COUNTS], 5)
    while True:
        if counts[HAS_PENDING] == 0 and ring_pull(words[OUT_RING], pending, size) == 0:
            return 0
        counts[HAS_PENDING] = 1
        ahead = (np.int64(f32(pending, 1)[0]) - wanted) & (TAGS - 1)
        if ahead == 0:
            counts[HAS_PENDING] = 0
            return 1
        if ahead < TAGS // 2:
            return 0
        counts[HAS_PENDING] = 0


@numba.njit("void(int64, int64)", **JIT)
def _hand_over(state: int, x: int) -> None:
    """Send the hop to the worker, and keep it as dry sound."""
    words = i64(state, 11)
    hop, counts = words[HOP], i64(state + words[COUNTS], 5)
    source, frame = f32(x, hop), f32(state + words[FRAME], hop + 1)
    history, mask = f32(state + words[HISTORY], words[HISTORY_SIZE]), words[HISTORY_SIZE] - 1
    start = counts[N_HOPS] * hop
    frame[0] = counts[N_HOPS] & (TAGS - 1)
    for i in range(hop):
        frame[i + 1] = source[i]
        history[(start + i) & mask] = source[i]
    counts[N_UNSENT] += 1 - ring_push(words[IN_RING], state + words[FRAME], hop + 1)


@numba.cfunc(STEP, cache=True, error_model="numpy")
def worker_step(state: int, x: int, out: int) -> None:
    """Hand over a hop and give out the result of the one `DELAY` hops ago, or its dry sound."""
    words = i64(state, 11)
    hop, counts = words[HOP], i64(state + words[COUNTS], 5)
    _hand_over(state, x)
    wanted = counts[N_HOPS] - words[DELAY]
    ready = _find_result(state, wanted & (TAGS - 1)) if wanted >= 0 else 0
    y, wet, edge = f32(out, hop), f32(state + words[PENDING] + 4, hop), f32(state + words[EDGE], 1)
    history, mask = f32(state + words[HISTORY], words[HISTORY_SIZE]), words[HISTORY_SIZE] - 1
    start = counts[N_HOPS] * hop - words[LATENCY]
    before = history[(start - 1) & mask] if start >= 1 else np.float32(0.0)
    step = edge[0] - before if counts[WAS_WET] else np.float32(0.0)
    for i in range(hop):
        dry = history[(start + i) & mask] if start + i >= 0 else np.float32(0.0)
        if ready and (counts[WAS_WET] or wanted == 0):
            y[i] = wet[i]
        elif ready:
            y[i] = dry + np.float32((i + 1) / hop) * (wet[i] - dry)
        else:
            step *= DECAY
            y[i] = dry + step
    edge[0] = y[hop - 1]
    if wanted >= 0:
        counts[N_LATE] += 1 - ready
    counts[WAS_WET] = ready
    counts[N_HOPS] += 1
