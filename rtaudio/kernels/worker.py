"""The native side of a stage that runs in a Python worker thread, between two rings.

A hop travels as a frame of `1 + hop_length` float32: its tag, then its samples. The tag is the
hop's number modulo TAGS, or -1 - number where the worker shall reset its stage first.
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
COUNTS, HISTORY, FRAME, PENDING, EDGE, FLAGS = range(6, 12)  # byte offsets
N_WORDS = 12
# Entries of COUNTS, which go on over a reset by the engine: results of before are on their way.
N_HOPS, N_LATE = range(2)
# Entries of FLAGS.
HAS_PENDING, WAS_WET, WAS_RESET = range(3)


@numba.njit("int64(int64, int64)", **JIT)
def _find_result(state: int, wanted: int) -> int:
    """1 where PENDING holds the result of hop `wanted`; older ones are dropped."""
    words = i64(state, N_WORDS)
    size, pending = words[HOP] + 1, state + words[PENDING]
    flags = i64(state + words[FLAGS], 3)
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
    hop, counts, flags = words[HOP], i64(state + words[COUNTS], 2), i64(state + words[FLAGS], 3)
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


@numba.cfunc(STEP, cache=True, error_model="numpy")
def worker_step(state: int, x: int, out: int) -> None:
    """Hand over a hop and give out the result of the one `DELAY` hops ago, or its dry sound."""
    words = i64(state, N_WORDS)
    hop, counts, flags = words[HOP], i64(state + words[COUNTS], 2), i64(state + words[FLAGS], 3)
    _hand_over(state, x)
    wanted = counts[N_HOPS] - words[DELAY]
    ready = _find_result(state, wanted & (TAGS - 1)) if wanted >= 0 else 0
    y, wet, edge = f32(out, hop), f32(state + words[PENDING] + 4, hop), f32(state + words[EDGE], 1)
    history, mask = f32(state + words[HISTORY], words[HISTORY_SIZE]), words[HISTORY_SIZE] - 1
    start = counts[N_HOPS] * hop - words[LATENCY]
    before = history[(start - 1) & mask] if start >= 1 else np.float32(0.0)
    step = edge[0] - before
    for i in range(hop):
        if ready and (flags[WAS_WET] or wanted == 0):
            y[i] = wet[i]
            continue
        step *= DECAY
        dry = step + (history[(start + i) & mask] if start + i >= 0 else np.float32(0.0))
        share = np.float32((i + 1) / hop) if ready else np.float32(0.0)
        y[i] = dry + share * (wet[i] - dry) if ready else dry
    edge[0] = y[hop - 1]
    if wanted >= 0:
        counts[N_LATE] += 1 - ready
    flags[WAS_WET] = ready
    counts[N_HOPS] += 1
