"""Record utterances from a microphone: each from its first sound to the pause after it."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import numpy as np

from rtaudio.dsp.resample import heard_at
from rtaudio.dsp.spotter import FRAMES_PER_S, NET_RATE
from rtaudio.errors import DeviceError
from rtaudio.stream.listen import Listen, Tell
from rtaudio.stream.stage import Samples
from rtaudio.tasks.listen import open_microphone

HOP = NET_RATE // FRAMES_PER_S
MOST_WAITING = 1 << 10

LEARN_S = 0.3
"""How long the background is listened to before a word is waited for."""
ABOVE_DB, QUIET_DB = 10.0, -55.0
"""Sound is what is that much above the background, and not below what a quiet microphone gives."""
BEFORE_S, PAUSE_S = 0.3, 0.5
"""What is kept before the first sound, and the silence that ends an utterance."""
BEGUN_S = 0.05
"""A click is shorter than that, a word is not."""
LONGEST_S, GIVE_UP_S = 4.0, 8.0


class Utterance:
    """Finds one utterance in hops of 10 ms at NET_RATE: `feed` them until `done`.

    `wave` then holds it, or nothing where none came within GIVE_UP_S.
    """

    def __init__(self) -> None:
        self._before: deque[Samples] = deque(maxlen=round(BEFORE_S * FRAMES_PER_S))
        self._kept: list[Samples] = []
        self._background: list[float] = []
        self._loud = self._quiet = self._hops = 0
        self.done = False
        self.wave: Samples = np.zeros(0, np.float32)
        self.level_db = -120.0
        """Of the newest hop."""

    @property
    def begun(self) -> bool:
        return bool(self._kept)

    def feed(self, hop: Samples) -> None:
        """One more hop `(160,)`; ignored once `done`."""
        if self.done:
            return
        self._hops += 1
        self.level_db = 10 * math.log10(float(np.mean(np.square(hop))) + 1e-12)
        if self._hops <= LEARN_S * FRAMES_PER_S:
            self._background.append(self.level_db)
            self._before.append(hop)
        elif self.begun:
            self._go_on(hop)
        else:
            self._wait(hop)

    def _is_sound(self) -> bool:
        background = sorted(self._background)[len(self._background) // 2]
        return self.level_db > max(background + ABOVE_DB, QUIET_DB)

    def _wait(self, hop: Samples) -> None:
        self._before.append(hop)
        self._loud = self._loud + 1 if self._is_sound() else 0
        if self._loud >= BEGUN_S * FRAMES_PER_S:
            self._kept = list(self._before)
        elif self._hops >= GIVE_UP_S * FRAMES_PER_S:
            self.done = True

    def _go_on(self, hop: Samples) -> None:
        self._kept.append(hop)
        self._quiet = 0 if self._is_sound() else self._quiet + 1
        if self._quiet >= PAUSE_S * FRAMES_PER_S or len(self._kept) >= LONGEST_S * FRAMES_PER_S:
            self.wave, self.done = np.concatenate(self._kept), True


class Microphone:
    """A microphone at NET_RATE, to record utterances from; use it as a context manager.

    Raises DeviceError where it can't be opened.
    """

    def __init__(self, source: int | str | None = None) -> None:
        self._engine, listener = open_microphone(_recorder, source)
        self._teller = next(stage for stage in listener.walk() if isinstance(stage, Tell))

    def record(self, look: Callable[[Utterance], None] = lambda utterance: None) -> Samples:
        """The next utterance, float32 at NET_RATE; empty where none came. `look` is called meanwhile.

        Raises DeviceError where the microphone falls silent for good.
        """
        utterance = Utterance()
        self._teller.heard()  # what was said before is not meant
        heard_s = time.monotonic()
        while not utterance.done:
            time.sleep(0.02)
            hops = self._teller.heard()
            if len(hops):
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > GIVE_UP_S:
                raise DeviceError("the microphone gives no sound any more")
            for hop in hops:
                utterance.feed(hop)
            look(utterance)
        return utterance.wave

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.stop()


def _recorder(sample_rate: int) -> Listen:
    return Listen(heard_at(Tell((HOP,), MOST_WAITING), NET_RATE, sample_rate))
