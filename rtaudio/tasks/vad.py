"""Voice activity: where in a stream somebody speaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from rtaudio.devices.file import Frames
from rtaudio.dsp.resample import heard_at
from rtaudio.dsp.spotter import FRAMES_PER_S, NET_RATE
from rtaudio.dsp.stft import Analysis
from rtaudio.errors import ConfigError
from rtaudio.nn.optional import require
from rtaudio.stream.listen import Listen, Tell
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import Samples
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.denoise import is_onnx
from rtaudio.tasks.listen import Hearing
from rtaudio.tasks.spot import VAD_MODEL, live_vad_net

MOST_WAITING = 1 << 16
"""Probabilities that may wait to be looked at: 11 minutes."""


@dataclass(frozen=True)
class Segment:
    """Speech from start_s to end_s, in seconds of the stream."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class SegmentRules:
    """What makes probabilities of speech a segment.

    - open, close: a segment begins where the probability reaches `open`, and ends where it stays
      under `close`; the space between keeps it from flickering.
    - min_speech_ms: shorter ones are none; min_silence_ms: shorter gaps are none.
    - pad_ms: added at both ends, where there is room.

    Raises ConfigError for values out of range.
    """

    open: float = 0.5
    close: float = 0.35
    min_speech_ms: float = 100.0
    min_silence_ms: float = 200.0
    pad_ms: float = 30.0

    def __post_init__(self) -> None:
        if not 0 < self.close <= self.open <= 1:
            raise ConfigError(f"close={self.close:g} and open={self.open:g} must be above 0, close no higher")
        for name in ("min_speech_ms", "min_silence_ms", "pad_ms"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{name}={getattr(self, name)} must be 0 or more")


class Segmenter:
    """Probabilities in, `frames_per_s` of them; segments out, each as soon as its end is certain."""

    def __init__(self, rules: SegmentRules | None = None, frames_per_s: float = FRAMES_PER_S) -> None:
        self.rules = rules = rules or SegmentRules()
        self._frames_per_s = frames_per_s
        lengths_ms = rules.min_speech_ms, rules.min_silence_ms, rules.pad_ms
        self._least, gap, self._pad = (round(ms * frames_per_s / 1000) for ms in lengths_ms)
        self._gap = max(1, gap, 2 * self._pad)  # padding must not make two segments overlap
        self._at = 0
        self._start: int | None = None
        self._last = 0  # the newest frame that was speech

    @property
    def speaking(self) -> bool:
        """Whether a segment is open now."""
        return self._start is not None

    def feed(self, probabilities: Iterable[float]) -> Iterator[Segment]:
        """The segments that end with these."""
        for probability in probabilities:
            level = self.rules.close if self._start is not None else self.rules.open
            if probability >= level:
                self._start = self._at if self._start is None else self._start
                self._last = self._at
            elif self._start is not None and self._at - self._last >= self._gap:
                yield from self._close()
            self._at += 1

    def finish(self) -> Iterator[Segment]:
        """The segment that the end of the stream ends."""
        if self._start is not None:
            yield from self._close()

    def _close(self) -> Iterator[Segment]:
        start, end = self._start, self._last + 1
        self._start = None
        if start is not None and end - start >= self._least:
            first, last = max(0, start - self._pad), min(end + self._pad, self._at)
            yield Segment(first / self._frames_per_s, last / self._frames_per_s)


class Teller(Protocol):
    """Tells probabilities of speech, one a frame."""

    @property
    def frames_per_s(self) -> float: ...

    def probabilities(self) -> list[float]:
        """Those since the last call."""
        ...


class NetTeller(Tell):
    """The voice activity net's: one every 10 ms."""

    frames_per_s = float(FRAMES_PER_S)

    def probabilities(self) -> list[float]:
        probabilities: list[float] = self.heard()[:, 0].tolist()
        return probabilities


def build_vad(sample_rate: int = NET_RATE, model: str | Path = VAD_MODEL) -> Listen:
    """Sound at `sample_rate`, unchanged, with a voice activity model on the side; `teller_of` it tells.

    Hops are of 10 ms; those of an ONNX model (a file or its manifest, which runs in a Python worker) are
    its own. Raises WeightsError or ModelError where the model is missing or another kind.
    """
    if is_onnx(model):
        require("an ONNX model", "onnx", "onnxruntime")
        from rtaudio.tasks.vad_onnx import onnx_worker

        worker, own_rate = onnx_worker(model)
        return Listen(heard_at(worker, own_rate, sample_rate))
    net = live_vad_net(model)
    hop = NET_RATE // FRAMES_PER_S
    side = Pipeline([Analysis(2 * hop, hop), net, NetTeller((1,), MOST_WAITING)])
    return Listen(heard_at(side, NET_RATE, sample_rate))


def teller_of(listener: Listen) -> Teller:
    """What tells the probabilities of what `build_vad` made."""
    for stage in listener.walk():
        if isinstance(stage, NetTeller):
            return stage
        if isinstance(stage, WorkerStage):
            teller: Teller = stage.inner  # type: ignore[assignment]
            return teller
    raise ConfigError(f"{listener!r} is no voice activity pipeline")


def speech_probabilities(wave: Samples, model: str | Path = VAD_MODEL) -> np.ndarray:
    """Probability of speech in every frame (10 ms, or an ONNX model's hop) of mono sound at NET_RATE."""
    listener = build_vad(model=model)
    teller, hearing = teller_of(listener), Hearing(listener, NET_RATE, NET_RATE)
    told: list[float] = []
    for at in range(0, wave.size, NET_RATE):
        hearing.hear(wave[at : at + NET_RATE, None])
        told += teller.probabilities()
    hearing.finish(0.0)
    return np.array(told + teller.probabilities(), np.float32)


def segments(
    listener: Listen, chunks: Iterable[Frames], sample_rate: int, rules: SegmentRules | None = None
) -> Iterator[Segment]:
    """Speech in `(n, channels)` chunks of sound at `sample_rate`, as they come. `build_vad` listens."""
    teller = teller_of(listener)
    segmenter = Segmenter(rules, teller.frames_per_s)
    hearing, frames = Hearing(listener, NET_RATE, sample_rate), 0
    for chunk in chunks:
        hearing.hear(chunk)
        frames += len(chunk)
        yield from segmenter.feed(teller.probabilities())
    hearing.finish(0.0)
    yield from segmenter.feed(teller.probabilities())
    for last in segmenter.finish():
        yield Segment(last.start_s, min(last.end_s, frames / sample_rate))
