"""Keyword spotting on the side of a pipeline: the spectrum passes through, events come out of a ring."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from rtaudio.errors import ConfigError
from rtaudio.kernels import spot as k
from rtaudio.stream.arena import Arena
from rtaudio.stream.events import EventRing
from rtaudio.stream.stage import NativeStage, Spec

NET_RATE = 16000
"""Rate of the spectra that the nets were trained on: frames of 20 ms, every 10 ms, `sqrt_hann`."""

FRAMES_PER_S = 100

DEFAULT_THRESHOLD, DEFAULT_PATIENCE, DEFAULT_REFRACTORY_MS = 0.5, 5, 1000.0

RELEASE_SHARE = 0.5
"""The release threshold is this share of the threshold."""

PRE_ROLL_S, GATE_HOLD_S, GATE_OPEN = 3.0, 0.6, 0.2
"""A gate opens early and closes late. When it opens, what the nets still remember of before is run: the
shipped ones hear 1.5 s, and follow the level with a time constant of as much. Of 822 words said, 3.0 s
and 4.5 s find those that are found without a gate, and no other; 1.6 s loses two and finds two others; 0.4 s
loses 3 of 100. A pause within a word is shorter than the hold. At 0.3 it lets 28 % of noise through, at 0.2
39, at 0.1 60."""

MOST_EVENTS = 256

MOST_REFRACTORY_MS = 3_600_000

EVENT = np.dtype([("at", "i8"), ("word", "i8"), ("start", "i8"), ("end", "i8"), ("score", "f8")])


@dataclass(frozen=True)
class SpotEvent:
    """A word was heard.

    - time_s: when it was noticed, in seconds of the stream.
    - score: the net's, averaged over the frames of `patience`; at least the threshold.
    - start_s, end_s: where the word seems to lie, by its level.
    - clock_s: Unix time of `time_s`; None where the sound is not live.
    """

    time_s: float
    word: str
    score: float
    start_s: float
    end_s: float
    clock_s: float | None = None


class Spotter(NativeStage):
    """Passes spectra `(sample_rate // 100 + 1, 2)` through, unchanged and at once, and spots words in them.

    Spectra are those of `Analysis(sample_rate // 50, sample_rate // 100)`, whatever is done to
    them in between: after a denoiser it hears what is left. Their lower bins, scaled, are the
    spectra that `nets` were trained on.

    - nets: stages from `(n, 2)` to one score of 0..1 a word; together they score `words`.
    - gate: a stage from `(n, 2)` to the probability of speech; without speech no net runs.
    - threshold: of all words, or by word. Half of it is the release threshold.
    - patience: frames of 10 ms a score is averaged over, up to 64; refractory_ms: the least time
      between two events of a word.

    Thresholds and words may be changed while audio flows. `reset` keeps them, and begins at 0 s.
    Raises ConfigError for what doesn't fit together or lies out of range.
    """

    hold_entry = k.spot_hold_step.address

    def __init__(
        self,
        nets: Sequence[NativeStage],
        words: Sequence[str],
        sample_rate: int = NET_RATE,
        *,
        gate: NativeStage | None = None,
        threshold: float | Mapping[str, float] = DEFAULT_THRESHOLD,
        patience: int = DEFAULT_PATIENCE,
        refractory_ms: float = DEFAULT_REFRACTORY_MS,
    ) -> None:
        _check(nets, words, sample_rate, gate)
        self.words, self.sample_rate = tuple(words), sample_rate
        self._gated = gate is not None
        n, hop = len(words), sample_rate // FRAMES_PER_S
        n_bins, n_kept = hop + 1, nets[0].in_spec.shape[0]
        pre_roll = round(PRE_ROLL_S * FRAMES_PER_S) if gate else 0
        arena = Arena(
            (n_bins, n_kept, n, len(nets), hop, pre_roll),
            constants={
                "nets": np.zeros((len(nets), k.ROW), np.int64),
                "links": np.zeros(3, np.int64),
                "scale": float(NET_RATE / sample_rate),
                "clock": np.zeros(3, np.int64),
            },
            params={
                "threshold": np.ones(n, np.float32),
                "release": np.ones(n, np.float32),
                "enabled": np.ones(n, np.int64),
                "patience": DEFAULT_PATIENCE,
                "refractory": 0,
                "gate_open": GATE_OPEN,
                "gate_hold": round(GATE_HOLD_S * FRAMES_PER_S),
            },
            state={
                "kept": np.zeros((pre_roll + 1, n_kept, 2), np.float32),
                "scores": np.zeros(n, np.float32),
                "recent": np.zeros((k.MOST_PATIENCE, n), np.float32),
                "smooth": np.zeros(n, np.float32),
                "shown": np.zeros(n, np.float32),
                "armed": np.ones(n, np.int64),
                "wait": np.zeros(n, np.int64),
                "power": np.zeros(k.LONGEST, np.float32),
                "speech": 0.0,
                "at": np.zeros(6, np.int64),
                "event": np.zeros(k.EVENT_WORDS, np.int64),
            },
        )
        super().__init__(k.spot_step.address, arena, Spec((n_bins, 2)), Spec((n_bins, 2)))
        self.children = (*nets, gate) if gate else tuple(nets)
        self._bind()
        self.set_patience(patience)
        self.set_refractory(refractory_ms)
        for word in words:
            self.set_threshold(
                word, threshold.get(word, DEFAULT_THRESHOLD) if isinstance(threshold, Mapping) else threshold
            )

    def _bind(self) -> None:
        self._events = EventRing(EVENT, MOST_EVENTS)  # a clone has a ring of its own
        nets = self.children[:-1] if self._gated else self.children
        firsts = accumulate((net.out_spec.size for net in nets), initial=0)
        for row, net, first in zip(self.arena["nets"], nets, firsts, strict=False):
            row[:] = net.entry, net.arena.address, first
        gate = self.children[-1] if self._gated else None
        self.arena["links"][k.RING] = self._events.address
        self.arena["links"][k.GATE_ENTRY] = gate.entry if gate else 0
        self.arena["links"][k.GATE_STATE] = gate.arena.address if gate else 0

    def reset(self) -> None:
        super().reset()
        self.arena["clock"][:] = 0
        self._events.take()

    def remembered(self) -> list[np.ndarray]:
        """The clock, too: the engine's own reset lets it go on."""
        return [*super().remembered(), self.arena["clock"].view(np.uint8)]

    def events(self) -> list[SpotEvent]:
        """What was heard since the last call. From one thread, any but the audio's."""
        rate = self.sample_rate
        return [
            SpotEvent(
                float(e["at"] / rate),
                self.words[e["word"]],
                float(e["score"]),
                float(e["start"] / rate),
                float(e["end"] / rate),
            )
            for e in self._events.take()
        ]

    @property
    def heard_s(self) -> float:
        """Seconds of sound so far."""
        return float(self.arena["clock"][k.HEARD] / self.sample_rate)

    @property
    def lost_events(self) -> int:
        """Events that nobody took in time: more than MOST_EVENTS were waiting."""
        return int(self.arena["clock"][k.LOST])

    @property
    def spared_frames(self) -> int:
        """Frames no net was run for: the gate was closed, or the engine overloaded."""
        return int(self.arena["clock"][k.SPARED])

    @property
    def scores(self) -> dict[str, float]:
        """Averaged scores as a meter shows them: up at once, down by half in 230 ms."""
        return dict(zip(self.words, self.arena["shown"].tolist(), strict=True))

    @property
    def thresholds(self) -> dict[str, float]:
        return dict(zip(self.words, self.arena["threshold"].tolist(), strict=True))

    @property
    def enabled(self) -> dict[str, bool]:
        return dict(zip(self.words, (self.arena["enabled"] != 0).tolist(), strict=True))

    def set_threshold(self, word: str, threshold: float) -> None:
        """From the next hop on a word fires at `threshold`, above 0 and up to 1."""
        at = self._index(word)
        if not 0 < threshold <= 1:
            raise ConfigError(f"a threshold of {threshold:g} for {word!r} must be above 0, and 1 at most")
        self.arena["release"][at] = RELEASE_SHARE * threshold
        self.arena["threshold"][at] = threshold

    def enable(self, word: str, on: bool = True) -> None:
        """Whether a word may fire, from the next hop on. It is scored all the same."""
        self.arena["enabled"][self._index(word)] = on

    def set_patience(self, frames: int) -> None:
        """Average scores over so many frames, 1 to 64, from the next hop on."""
        if not 1 <= frames <= k.MOST_PATIENCE:
            raise ConfigError(f"patience={frames} must be from 1 to {k.MOST_PATIENCE} frames of 10 ms")
        self.arena["patience"] = frames

    def set_refractory(self, ms: float) -> None:
        """The least time between two events of a word, up to an hour."""
        if not 0 <= ms <= MOST_REFRACTORY_MS:
            raise ConfigError(f"refractory_ms={ms:g} must be from 0 to {MOST_REFRACTORY_MS} (an hour)")
        self.arena["refractory"] = math.ceil(ms * FRAMES_PER_S / 1000)

    def _index(self, word: str) -> int:
        if word not in self.words:
            raise ConfigError(f"no word {word!r} here; there are: {', '.join(self.words)}")
        return self.words.index(word)


def _check(
    nets: Sequence[NativeStage], words: Sequence[str], sample_rate: int, gate: NativeStage | None
) -> None:
    if not nets:
        raise ConfigError("a spotter needs at least one net")
    n_scores = sum(net.out_spec.size for net in nets)
    if n_scores != len(words) or len(set(words)) != len(words):
        raise ConfigError(f"the nets score {n_scores} words, and {len(set(words))} different ones are named")
    shapes = {stage.in_spec.shape for stage in (*nets, *([gate] if gate else []))}
    if len(shapes) > 1 or len(nets[0].in_spec.shape) != 2 or nets[0].in_spec.shape[1] != 2:
        raise ConfigError(f"all nets must take the same spectrum (bins, 2), not {sorted(shapes)}")
    if gate is not None and gate.out_spec.size != 1:
        raise ConfigError(f"a gate gives one probability, not {gate.out_spec.size}")
    n_bins = sample_rate // FRAMES_PER_S + 1
    if sample_rate % FRAMES_PER_S or n_bins < nets[0].in_spec.shape[0]:
        raise ConfigError(
            f"sample_rate={sample_rate} must be a multiple of {FRAMES_PER_S}, and its spectrum "
            f"of {n_bins} bins hold the nets' {nets[0].in_spec.shape[0]}"
        )
