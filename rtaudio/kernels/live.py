"""The memory a device's callbacks and the engine share, word by word.

One block of int64 words (some hold float64 bits, named `..._F`). Each writer has lines of 128
bytes of its own, so no two threads write the same cache line. Words are only ever read by other
threads as counters and cursors; the two that order other memory, `PLAY_OFFSET` and the ring
cursors, are stored with release and loaded with acquire.

Two clocks of samples run through all of it:

- *input time*: samples the device has captured since the start, dropped ones included;
- *play time*: samples the device has been given to play.

In a duplex callback both advance together, and the sample played at play time `p` must be the
pipeline's output number `p - PREFILL`, which carries the input of time `p - PREFILL - LATENCY`.
A sample of the playback ring at cursor `r` is the pipeline's output number `r + PLAY_OFFSET`.
Whatever goes wrong, the callback finds from these numbers which samples are late, drops exactly
those, and plays the dry input of the right time where wet sound is missing. So latency can't creep.

With two streams neither time says anything of the other: there the samples on the way are kept at a
number, by dropping what is too much at once and by a slow resampler (`rtaudio.kernels.drift`).
"""

from __future__ import annotations

# fmt: off
# Configuration: written before the start, constant while running.
HOP, IN_CHANNELS, OUT_CHANNELS, SAMPLE_RATE = 0, 1, 2, 3
CAPTURE_RING, PLAYBACK_RING = 4, 5              # addresses of rings
LATENCY, PREFILL, FADE, BACKLOG = 9, 10, 11, 12  # samples
VIRTUAL = 13                                    # 1: time is NOW, set by the simulation
POLL_US = 14                                    # how long the engine sleeps when there is no hop
DRY, DRY_SIZE = 16, 17                          # the callback's history of the input; power of two
SCRATCH = 18                                    # the capture callback's mono block
WET = 19                                        # the playback callback's wet block
X, Y = 20, 21                                   # the engine's hop in and hop out
PAST, PAST_SIZE = 22, 23                        # the engine's history of the input; power of two
HISTOGRAM = 24                                  # compute times, see engine_loop.bin_of
TAP_IN, TAP_OUT = 25, 26                        # rings for a recorder, or 0
RESETS, N_RESETS = 27, 28                       # rows of (destination, source, bytes)
RESAMPLER, RESAMPLED, MAX_RESAMPLED = 29, 30, 31  # two streams only; RESAMPLER 0 with one
TARGET_FILL = 32                                # two streams: samples in the ring when playing begins
MAX_FRAMES = 33                                 # room in SCRATCH and WET
BLOCK = 34                                      # frames the device hands over at a time
SPARE_FILL = 35                                 # two streams: samples beyond TARGET_FILL that may be there
DEAD_ZONE = 36                                  # samples off the set point that are let be; 0 with two clocks
STEPS = 37                                      # (entry, state) of each rung: full, cheaper, held

N_CONFIGURATION = 48

# Capture callback.
IN_TIME, CAPTURE_NS, CAPTURE_BLOCKS, INPUT_OVERFLOWS = 48, 49, 50, 51
RING_OVERFLOWS, DROPPED = 52, 53                # blocks, samples
CAPTURE_CLOCK = 54                              # two words for clock_gettime

# Playback callback.
PLAY_TIME, PLAYBACK_NS, PLAYBACK_BLOCKS, OUTPUT_UNDERFLOWS = 64, 65, 66, 67
RING_UNDERFLOWS, SUBSTITUTED, LATE_DROPPED = 68, 69, 70  # blocks, samples, samples
PLAYBACK_CLOCK = 71                             # two words
PLAYING = 73                                    # two streams: one of the values below
STEP_LEFT = 74                                  # samples left of a step being smoothed
LAST_F, STEP_F, MIX_F, GAIN_F = 75, 76, 77, 78  # last sample out, its step, wet share, fade-in gain

# Engine.
PLAY_OFFSET, HOPS, MISSES, NAN_HOPS, JUMPS, LEVEL = 96, 97, 98, 99, 100, 101
MAX_NS, LAST_NS = 102, 103                      # compute time of a hop
ENGINE_CLOCK = 104                              # two words
HOP_START, HOP_READY, HOP_TIME = 106, 107, 108  # of the hop in work: ns, ns, input time
SHIFT = 109                                     # DROPPED before what is in the capture ring; -1 after a jump
STRIKES_F, CALM = 110, 111                      # overload ladder: misses, calm hops in a row
WARM = 113                                      # hops to run unheard before the wet sound returns
DID_RUN = 114                                   # whether the hop in work went through the stage
IN_POWER_F, OUT_POWER_F = 115, 116              # mean squares, with a slow fall
WET_F = 117                                     # wet share at the end of the last hop
MUTED = 118                                     # the last hop was muted for NaN
LAST_OUT_F = 119                                # last sample of the last hop
TAP_LOST = 120                                  # samples a recorder was too slow for
PUSH_FULL = 121                                 # hops the playback ring had no room for
ERROR_F, INTEGRAL_F, RATIO_F = 122, 123, 124    # drift servo: smoothed error, integral, ratio
SERVO_HOPS, SETPOINT_F = 125, 126
UNHEARD = 127                                   # hops not to push: after a jump the stage's tail is stale
IDLE_NS = 128                                   # when the engine last found no whole hop waiting
STEADY = 129                                    # hops on this rung of the ladder
PATIENCE = 130                                  # of each rung, four words: calm hops before it is left
STEERING = 134                                  # one clock, two streams: on the way back to the set point

# Python.
RUN, BYPASS = 144, 145
NOW = 146                                       # virtual time in ns, set by the simulation

N_WORDS = 160

# PLAYING: silence until the ring is filled; sound; silence until it is filled again.
NOT_BEGUN, PLAYS, INTERRUPTED = 0, 1, 2
# fmt: on
