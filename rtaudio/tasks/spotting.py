"""`for event in rtaudio.spot(...)`: words as they are spoken, from a microphone, a file or an array."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from rtaudio.devices.file import AudioReader, Frames
from rtaudio.dsp.spotter import DEFAULT_PATIENCE, DEFAULT_REFRACTORY_MS, NET_RATE, SpotEvent, Spotter
from rtaudio.engine.live import LiveEngine
from rtaudio.engine.watchdog import Watchdog
from rtaudio.errors import ConfigError
from rtaudio.stream.listen import Listen
from rtaudio.tasks.listen import Hearing, open_microphone
from rtaudio.tasks.spot import (
    DENOISE_RATE,
    Thresholds,
    Vocabulary,
    build_listener,
    build_spotter,
    spotter_rate,
)

AFTER_S = 0.5
"""Silence after a recording, for words that end with it: nets notice them within 0.3 s."""

POLL_S = 0.02
"""How often events are looked for: in half of that, on average, nobody notices a delay."""


class LiveEvents:
    """Takes a live spotter's events, with the time of day, and a stream time that never goes back.

    The spotter begins again at 0 s when a lost device has come back.
    """

    def __init__(self, spotter: Spotter) -> None:
        self._spotter = spotter
        self._before_s = self._last_s = 0.0

    def take(self) -> list[SpotEvent]:
        """What was heard since the last call."""
        events, heard_s = self._spotter.events(), self._spotter.heard_s
        if heard_s < self._last_s:
            self._before_s += self._last_s
        self._last_s = heard_s
        now_s, gone_s = time.time(), self._before_s
        return [
            dataclasses.replace(
                event,
                time_s=event.time_s + gone_s,
                start_s=event.start_s + gone_s,
                end_s=event.end_s + gone_s,
                clock_s=now_s - (heard_s - event.time_s),
            )
            for event in events
        ]


class Spotting:
    """An iterator of events; `spotter` may be told of other words and thresholds meanwhile.

    What it listens to is open from the start; it is closed at the end, by `close`, or as a
    context manager.
    """

    def __init__(
        self, spotter: Spotter, events: Iterator[SpotEvent], close: Callable[[], None] = lambda: None
    ) -> None:
        self.spotter, self._events, self._close = spotter, events, close

    def __iter__(self) -> Iterator[SpotEvent]:
        return self

    def __next__(self) -> SpotEvent:
        try:
            return next(self._events)
        except BaseException:
            self.close()
            raise

    def set_threshold(self, word: str, threshold: float) -> None:
        """From now on a word fires at `threshold`, above 0 and up to 1."""
        self.spotter.set_threshold(word, threshold)

    def enable(self, word: str, on: bool = True) -> None:
        """Whether a word may fire, from now on."""
        self.spotter.enable(word, on)

    def close(self) -> None:
        """Stop listening. Does nothing the second time."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def spot(
    sound: str | Path | np.ndarray | None = None,
    *,
    sample_rate: int | None = None,
    device: int | str | None = None,
    keywords: Sequence[str] | None = None,
    threshold: Thresholds = None,
    false_accepts: float | None = None,
    patience: int = DEFAULT_PATIENCE,
    refractory_ms: float = DEFAULT_REFRACTORY_MS,
    denoise: bool = False,
    gate: bool = False,
    model: str | Path | None = None,
) -> Spotting:
    """Spot words and yield a `SpotEvent` for each::

        for event in rtaudio.spot(keywords=["computer"]):
            print(event.time_s, event.word, event.score)

    - sound: an audio file, float samples in ±1 `(n,)` or `(n, channels)` at `sample_rate`, or None
      for the microphone `device`, until it is closed.
    - keywords and the rest: as for `build_spotter`; denoise: clean the sound first; model: weights
      of the built-in words.

    Raises ConfigError, WeightsError, AudioFileError or DeviceError, at once.
    """
    vocabulary = Vocabulary() if model is None else Vocabulary(model)

    def build(rate: int) -> Listen:
        spotter = build_spotter(
            keywords,
            spotter_rate(rate, denoise=denoise),
            threshold=threshold,
            false_accepts=false_accepts,
            patience=patience,
            refractory_ms=refractory_ms,
            gate=gate,
            vocabulary=vocabulary,
        )
        return build_listener(spotter, rate, denoise=denoise)

    if sound is None:
        return listen_live(*open_microphone(build, device))
    if device is not None:
        raise ConfigError("give either sound or a device, not both")
    listener = build(DENOISE_RATE if denoise else NET_RATE)
    if isinstance(sound, np.ndarray):
        return _spot_array(listener, sound, sample_rate)
    reader = AudioReader(sound)
    return Spotting(spotter_of(listener), spot_chunks(listener, reader, reader.sample_rate), reader.close)


def spotter_of(listener: Listen) -> Spotter:
    """The spotter in a listener."""
    return next(stage for stage in listener.walk() if isinstance(stage, Spotter))


def listen_live(engine: LiveEngine, listener: Listen) -> Spotting:
    """The events of a running engine, until its device ends or it is closed."""
    spotter, watchdog, closed = spotter_of(listener), Watchdog(engine), threading.Event()
    live = LiveEvents(spotter)
    watchdog.start()

    def events() -> Iterator[SpotEvent]:
        while not closed.is_set():
            if engine.wait(0):
                closed.set()
            yield from live.take()
            closed.wait(POLL_S)

    def close() -> None:
        closed.set()
        watchdog.stop()
        engine.stop()

    return Spotting(spotter, events(), close)


def spot_chunks(listener: Listen, chunks: Iterable[Frames], sample_rate: int) -> Iterator[SpotEvent]:
    """The events in `(n, channels)` chunks of sound at `sample_rate`, as they come."""
    spotter = spotter_of(listener)
    hearing = Hearing(listener, spotter.sample_rate, sample_rate)
    for chunk in chunks:
        hearing.hear(chunk)
        yield from spotter.events()
    hearing.finish(AFTER_S)
    yield from spotter.events()


def _spot_array(listener: Listen, sound: np.ndarray, sample_rate: int | None) -> Spotting:
    if sample_rate is None or sample_rate < 1:
        raise ConfigError(f"an array of sound needs its sample_rate, not {sample_rate}")
    frames = np.asarray(sound, np.float32).reshape(len(sound), -1)
    if not np.isfinite(frames).all():
        raise ConfigError("the sound has samples that are no numbers (NaN or infinite)")
    return Spotting(spotter_of(listener), spot_chunks(listener, [frames], sample_rate))
