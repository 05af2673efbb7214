"""Spotting: a spectrum passes by, nets score it on the side, and a score that holds is an event.

A frame is kept, and judged once the gate is open: the nets score it, each word's scores are
averaged over the last `PATIENCE` frames (Chen, Parada and Heigold 2014, "Small-footprint keyword
spotting using deep neural networks", equation 2), and a word fires when its mean reaches the
threshold. It can fire again when the mean has been below the release threshold and the
refractory time is over. Events leave through a ring; a full one drops the event and counts it.

While the gate is closed the last `PRE_ROLL` frames wait unscored: when speech is noticed they are
scored in one go, so its beginning isn't lost. What falls out of them counts as a score of 0.

Everything remembered is bounded and knows no absolute time, so the state of the first hour and of
the last is alike. The clock, int64 samples, is no state: it goes on when the engine resets a stage.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from rtaudio.kernels.memory import JIT, STEP, call_step, copy_bytes, f32, f64, i64
from rtaudio.kernels.ring import ring_push

MOST_PATIENCE = 64  # frames a score may be averaged over
LONGEST = 150  # frames a word may last: 1.5 s
GAP = 12  # frames of quiet within a word: the closure before a plosive takes up to 120 ms
RANGE = np.float32(1e-6)  # what is 60 dB below the loudest counts as silence
SHOWN_FALL = np.float32(0.97)  # a frame: what a meter shows falls to half in 230 ms

# Words of the arena; then byte offsets of its arrays.
N_BINS, N_KEPT, N_WORDS, N_NETS, HOP, PRE_ROLL = range(6)
NETS, LINKS, SCALE, CLOCK = range(6, 10)  # constants
THRESHOLD, RELEASE, ENABLED, PATIENCE, REFRACTORY, GATE_OPEN, GATE_HOLD = range(10, 17)  # parameters
KEPT, SCORES, RECENT, SMOOTH, SHOWN, ARMED, WAIT, POWER, SPEECH, AT, EVENT = range(17, 28)  # state
SIZE = 28

# A row of NETS: entry, state, first score.
ROW = 3
# Entries of LINKS: the event ring; entry and state of the gate's net, or 0.
RING, GATE_ENTRY, GATE_STATE = range(3)
# Entries of CLOCK: samples heard; events lost to a full ring; frames the nets did not run for.
HEARD, LOST, SPARED = range(3)
# Entries of AT: next place in RECENT and in POWER; frames in POWER; next place in KEPT; frames
# kept and not judged; frames the gate stays open.
RECENT_AT, POWER_AT, N_POWER, KEPT_AT, PENDING, OPEN = range(6)

EVENT_WORDS = 5
"""An event: time, word, start, end (samples heard), and the bits of its score, a float64."""


@numba.njit(**JIT)
def _keep(state: int, x: int) -> None:
    """Scale the lower bins of a spectrum into the next place of KEPT; what is no number becomes 0."""
    words = i64(state, SIZE)
    at, size = i64(state + words[AT], 6), 2 * words[N_KEPT]
    source, scale = f32(x, size), f32(state + words[SCALE], 1)[0]
    kept = f32(state + words[KEPT] + 4 * size * at[KEPT_AT], size)
    for i in range(size):
        value = source[i] * scale
        kept[i] = value if np.isfinite(value) else np.float32(0.0)
    at[KEPT_AT] = (at[KEPT_AT] + 1) % (words[PRE_ROLL] + 1)
    at[PENDING] += 1


@numba.njit(**JIT)
def _frame(state: int, age: int) -> int:
    """Address of the kept frame that came `age` frames ago."""
    words = i64(state, SIZE)
    room = words[PRE_ROLL] + 1
    place = (i64(state + words[AT], 6)[KEPT_AT] - 1 - age + room) % room
    return state + words[KEPT] + 8 * words[N_KEPT] * place


@numba.njit(**JIT)
def _is_open(state: int) -> bool:
    """Whether the gate lets the newest frame through; without a gate it always does."""
    words = i64(state, SIZE)
    links, at = i64(state + words[LINKS], 3), i64(state + words[AT], 6)
    if links[GATE_ENTRY] == 0:
        return True
    speech = state + words[SPEECH]
    call_step(links[GATE_ENTRY], links[GATE_STATE], _frame(state, 0), speech)
    if f32(speech, 1)[0] >= f32(state + words[GATE_OPEN], 1)[0]:
        at[OPEN] = i64(state + words[GATE_HOLD], 1)[0]
    elif at[OPEN] > 0:
        at[OPEN] -= 1
    return at[OPEN] > 0


@numba.njit(**JIT)
def _note_power(state: int, frame: int) -> None:
    """Remember a frame's power, to find later where a word began and ended."""
    words = i64(state, SIZE)
    at, x, total = i64(state + words[AT], 6), f32(frame, 2 * words[N_KEPT]), np.float32(0.0)
    for i in range(2 * words[N_KEPT]):
        total += x[i] * x[i]
    f32(state + words[POWER], LONGEST)[at[POWER_AT]] = total
    at[POWER_AT] = (at[POWER_AT] + 1) % LONGEST
    at[N_POWER] = min(at[N_POWER] + 1, LONGEST)


@numba.njit(**JIT)
def _find_word(state: int) -> int:
    """Where the word that just fired lies: frames ago it began (high 32 bits) and ended (low 32 bits).

    Halfway, in decibels, between the quietest and the loudest of the last 1.5 s lies what counts
    as sound. The word is the newest stretch of it, with gaps no longer than GAP.
    """
    words = i64(state, SIZE)
    at, power = i64(state + words[AT], 6), f32(state + words[POWER], LONGEST)
    low, high = np.float32(np.inf), np.float32(0.0)
    for age in range(at[N_POWER]):
        value = power[(at[POWER_AT] - 1 - age + LONGEST) % LONGEST]
        low, high = min(low, value), max(high, value)
    limit = math.sqrt(np.float64(max(low, high * RANGE)) * high)
    first, last = 0, -1
    for age in range(at[N_POWER]):
        if power[(at[POWER_AT] - 1 - age + LONGEST) % LONGEST] >= limit:
            if last < 0:
                last = age
            first = age
        elif last >= 0 and age - first > GAP:
            break
    return (first << 32) | max(last, 0)


@numba.njit(**JIT)
def _fire(state: int, word: int, age: int) -> None:
    """Send an event for a word, judged by a frame that came `age` frames ago."""
    words = i64(state, SIZE)
    clock, hop = i64(state + words[CLOCK], 3), words[HOP]
    event, span = i64(state + words[EVENT], EVENT_WORDS), _find_word(state)
    centre = clock[HEARD] - (age + 1) * hop  # of the newest judged window, two hops long
    event[0], event[1] = clock[HEARD], word
    event[2] = max(0, centre - (span >> 32) * hop)
    event[3] = max(0, centre - (span & 0xFFFFFFFF) * hop)
    f64(state + words[EVENT], EVENT_WORDS)[4] = f32(state + words[SMOOTH], words[N_WORDS])[word]
    ring = i64(state + words[LINKS], 3)[RING]
    if ring_push(ring, state + words[EVENT], 2 * EVENT_WORDS) == 0:
        clock[LOST] += 1


@numba.njit(**JIT)
def _smooth(state: int) -> None:
    """Average each word's last scores; a score that is no number counts as 0."""
    words = i64(state, SIZE)
    n, at = words[N_WORDS], i64(state + words[AT], 6)
    scores, recent = f32(state + words[SCORES], n), f32(state + words[RECENT], n * MOST_PATIENCE)
    smooth, shown = f32(state + words[SMOOTH], n), f32(state + words[SHOWN], n)
    patience = min(max(i64(state + words[PATIENCE], 1)[0], 1), MOST_PATIENCE)
    for word in range(n):
        score = scores[word]
        recent[at[RECENT_AT] * n + word] = score if np.isfinite(score) else np.float32(0.0)
        total = np.float32(0.0)
        for age in range(patience):
            total += recent[((at[RECENT_AT] - age + MOST_PATIENCE) % MOST_PATIENCE) * n + word]
        smooth[word] = total / np.float32(patience)
        shown[word] = max(smooth[word], SHOWN_FALL * shown[word])
    at[RECENT_AT] = (at[RECENT_AT] + 1) % MOST_PATIENCE


@numba.njit(**JIT)
def _judge(state: int, age: int) -> None:
    """Smooth the scores of the frame that came `age` frames ago, and fire what is to be fired."""
    words = i64(state, SIZE)
    n = words[N_WORDS]
    _note_power(state, _frame(state, age))
    _smooth(state)
    smooth, enabled = f32(state + words[SMOOTH], n), i64(state + words[ENABLED], n)
    threshold, release = f32(state + words[THRESHOLD], n), f32(state + words[RELEASE], n)
    armed, wait = i64(state + words[ARMED], n), i64(state + words[WAIT], n)
    for word in range(n):
        if wait[word] > 0:
            wait[word] -= 1
        if armed[word] == 0:
            armed[word] = 1 if smooth[word] < release[word] and wait[word] == 0 else 0
        elif enabled[word] != 0 and smooth[word] >= threshold[word]:
            armed[word] = 0
            wait[word] = i64(state + words[REFRACTORY], 1)[0]
            _fire(state, word, age)


@numba.njit(**JIT)
def _score(state: int, age: int) -> None:
    """Run every net on a kept frame."""
    words = i64(state, SIZE)
    nets, frame = i64(state + words[NETS], ROW * words[N_NETS]), _frame(state, age)
    for net in range(words[N_NETS]):
        row = ROW * net
        call_step(nets[row], nets[row + 1], frame, state + words[SCORES] + 4 * nets[row + 2])


@numba.cfunc(STEP, cache=True, error_model="numpy")
def spot_step(state: int, x: int, out: int) -> None:
    """Spectrum `(n_bins, 2)` to itself, spotted on the side."""
    words = i64(state, SIZE)
    at, clock = i64(state + words[AT], 6), i64(state + words[CLOCK], 3)
    copy_bytes(out, x, 8 * words[N_BINS])
    clock[HEARD] += words[HOP]
    _keep(state, x)
    if _is_open(state):
        while at[PENDING] > 0:
            at[PENDING] -= 1
            _score(state, at[PENDING])
            _judge(state, at[PENDING])
    elif at[PENDING] > words[PRE_ROLL]:
        at[PENDING] -= 1
        clock[SPARED] += 1
        scores = f32(state + words[SCORES], words[N_WORDS])
        for word in range(words[N_WORDS]):
            scores[word] = 0.0
        _judge(state, at[PENDING])


@numba.cfunc(STEP, cache=True, error_model="numpy")
def spot_hold_step(state: int, x: int, out: int) -> None:
    """For an overloaded engine: the spectrum to itself, and no spotting."""
    words = i64(state, SIZE)
    clock = i64(state + words[CLOCK], 3)
    copy_bytes(out, x, 8 * words[N_BINS])
    clock[HEARD] += words[HOP]
    clock[SPARED] += 1
