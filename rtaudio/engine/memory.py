"""Everything the callbacks and the engine share, allocated once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.devices.base import Callbacks, Device
from rtaudio.engine.budget import LatencyBudget
from rtaudio.kernels import live as w
from rtaudio.kernels.callback import capture_callback, duplex_callback, playback_callback
from rtaudio.kernels.engine_loop import HISTOGRAM_BINS
from rtaudio.kernels.resample import FractionalResampler
from rtaudio.kernels.ring import Ring
from rtaudio.stream.slab import aligned_bytes
from rtaudio.stream.stage import CHEAPER, FULL, HOLD, NativeStage

FADE_S = 5e-3  # cross-fades between wet and dry: short to the ear, long against any waveform
BACKLOG_HOPS = 4  # beyond the path's own delay: what the engine catches up rather than gives up
POLL_SHARE, LEAST_POLL_US = 16, 100  # the engine sleeps 1/16 of a block, at least 100 us
LEAST_RING_S = 0.5
BACKLOG_ALONE_S = 2.0  # a microphone alone: whoever stalled that long has missed more than a word


def _power_of_two(size: int) -> int:
    return 1 << max(0, int(size) - 1).bit_length()


class LiveMemory:
    """The words of `rtaudio.kernels.live`, the rings and buffers they point to, and their sizes."""

    def __init__(self, stage: NativeStage, device: Device, plan: LatencyBudget) -> None:
        self._stage = stage  # its arenas are known here by address only
        self._resampler: FractionalResampler | None = None
        self._arrays: dict[int, NDArray[Any]] = {}
        raw = np.zeros(w.N_WORDS + 16, np.int64)
        skip = -raw.ctypes.data % 128 // 8
        self.words: NDArray[np.int64] = raw[skip : skip + w.N_WORDS]
        self.reals = self.words.view(np.float64)
        self.histogram = np.zeros(HISTOGRAM_BINS, np.int64)
        hop, rate = plan.hop_length, plan.sample_rate
        words = self.words
        words[[w.HOP, w.SAMPLE_RATE, w.LATENCY, w.PREFILL]] = hop, rate, stage.latency, plan.prefill
        words[w.BLOCK] = plan.block
        words[[w.IN_CHANNELS, w.OUT_CHANNELS]] = device.in_channels, device.out_channels
        steps = [stage.step_at(rung) for rung in (FULL, CHEAPER, HOLD)]
        words[w.STEPS : w.STEPS + 6] = np.ravel(steps)
        words[w.FADE] = max(1, round(FADE_S * rate))
        backlog = (BACKLOG_HOPS + 1) * hop if device.out_channels else round(BACKLOG_ALONE_S * rate)
        words[w.BACKLOG] = plan.prefill + backlog
        words[w.POLL_US] = max(LEAST_POLL_US, int(1e6 * min(plan.block, hop) / rate / POLL_SHARE))
        words[w.VIRTUAL] = getattr(device, "virtual", False)
        self._allocate(stage, plan)
        if not device.duplex:
            self._bridge_two_streams(plan, device.one_clock)
        self.start_afresh()
        self.reals[[w.MIX_F, w.GAIN_F]] = 1.0

    def _allocate(self, stage: NativeStage, plan: LatencyBudget) -> None:
        words, hop = self.words, plan.hop_length
        frames = max(4 * plan.block, 4096)  # some hosts hand over more than was asked for
        capacity = max(2 * words[w.BACKLOG] + frames, round(LEAST_RING_S * plan.sample_rate))
        self.capture_ring, self.playback_ring = Ring(_power_of_two(capacity)), Ring(_power_of_two(capacity))
        words[[w.CAPTURE_RING, w.PLAYBACK_RING]] = self.capture_ring.address, self.playback_ring.address
        words[w.DRY_SIZE] = _power_of_two(plan.prefill + stage.latency + 2 * frames)
        words[w.PAST_SIZE] = _power_of_two(stage.latency + 2 * hop)
        words[w.MAX_FRAMES] = frames
        for word, size in {
            w.DRY: words[w.DRY_SIZE],
            w.PAST: words[w.PAST_SIZE],
            w.SCRATCH: frames,
            w.WET: frames,
            w.X: hop,
            w.Y: hop,
        }.items():
            self._point(word, aligned_bytes(4 * int(size)).view(np.float32))
        words[w.HISTOGRAM] = self.histogram.ctypes.data
        resets = np.array([arena.reset_copy for arena in stage.arenas()], np.int64)
        self._point(w.RESETS, resets)
        words[w.N_RESETS] = len(resets)

    def _point(self, word: int, array: NDArray[Any]) -> None:
        self._arrays[word] = array
        self.words[word] = array.ctypes.data

    def _bridge_two_streams(self, plan: LatencyBudget, one_clock: bool) -> None:
        """Put a steered resampler between the engine and the playback ring.

        On one clock it is only steered after an interruption: half a hop of wandering is the
        callbacks' jitter, and until then every sample is what it is offline.
        """
        self._resampler = FractionalResampler()
        room = 2 * plan.hop_length + 64
        self._point(w.RESAMPLED, aligned_bytes(4 * room).view(np.float32))
        self.words[[w.RESAMPLER, w.MAX_RESAMPLED]] = self._resampler.address, room
        self.words[w.TARGET_FILL] = plan.prefill + plan.bridge
        # What may be there at most undisturbed, where playing began at the latest moment of all.
        self.words[w.SPARE_FILL] = plan.compute + plan.hop_length
        self.words[w.DEAD_ZONE] = plan.hop_length // 2 if one_clock else 0

    def start_afresh(self) -> None:
        """Forget all sound: empty rings, time zero, fade in. Counters and settings stay."""
        for ring in (self.capture_ring, self.playback_ring):
            ring.words[1:] = 0
        words, reals = self.words, self.reals
        words[[w.IN_TIME, w.PLAY_TIME, w.PLAY_OFFSET, w.DROPPED, w.SHIFT]] = 0
        words[[w.STEP_LEFT, w.PLAYING, w.SERVO_HOPS, w.STEERING, w.WARM, w.UNHEARD, w.MUTED]] = 0
        words[[w.LEVEL, w.STEADY, w.CALM]] = 0
        reals[[w.LAST_F, w.STEP_F, w.ERROR_F, w.LAST_OUT_F, w.STRIKES_F, w.GAIN_F]] = 0.0
        reals[[w.MIX_F, w.RATIO_F]] = 1.0
        reals[w.WET_F] = 0.0 if words[w.BYPASS] else 1.0
        for word in (w.DRY, w.PAST):
            self._arrays[word].fill(0)
        if self._resampler is not None:
            self._resampler.reset()

    def go_on_from(self, before: LiveMemory) -> None:
        """Take over the counters and settings of a memory that was made for another rate."""
        self.words[w.N_CONFIGURATION :] = before.words[w.N_CONFIGURATION :]
        self.histogram[:] = before.histogram
        self.start_afresh()

    @property
    def callbacks(self) -> Callbacks:
        return Callbacks(
            duplex_callback.address,
            capture_callback.address,
            playback_callback.address,
            int(self.words.ctypes.data),
        )
