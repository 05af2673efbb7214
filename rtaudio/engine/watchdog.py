"""Devices go away: the watchdog notices, and brings the stream back when they return."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rtaudio.engine.live import LiveEngine
from rtaudio.errors import DeviceError, RateError

SILENCE_S = 1.0  # without a callback; the longest block in use, 4096 at 8 kHz, takes half of that
BACK_OFF_S = (0.25, 0.5, 1.0, 2.0, 5.0)  # between attempts; the last one goes on
LOOK_EVERY_S = 0.25
ENDS = (0, 1)  # microphone and loudspeaker: with two clocks either may go alone


class Watchdog:
    """Looks at the engine's heartbeat and restarts it, with back-off, where it stands still.

    `check(now_s)` is one look and holds all the logic, so a test can be its clock; `start` runs
    it in a thread. `report` gets one line for each thing that happened.
    """

    def __init__(self, engine: LiveEngine, report: Callable[[str], None] = lambda line: None) -> None:
        self._engine, self._report = engine, report
        self._beats, self._beats_s = [-1 for _ in ENDS], [0.0 for _ in ENDS]
        self._silent = {*ENDS}  # ends not heard of since the last attempt
        self._attempts, self._next_s = 0, 0.0
        self._rate, self._refusal = engine.plan.sample_rate, ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def lost(self) -> bool:
        """Whether the device is away now."""
        return self._attempts > 0

    def check(self, now_s: float) -> None:
        """Look once, at monotonic time `now_s`."""
        for end, beat in enumerate(self._engine.heartbeat):
            if beat != self._beats[end]:
                self._beats[end], self._beats_s[end] = beat, now_s
                self._silent.discard(end)
        if self.lost and not self._silent:
            self._report("the device is back" + self._other_rate())
            self._attempts, self._refusal = 0, ""
        elif now_s - min(self._beats_s) >= SILENCE_S and now_s >= self._next_s and not self._ended():
            self._revive(now_s)

    def _ended(self) -> bool:
        """A recording that was played to its end is no lost device."""
        return bool(getattr(self._engine.device, "finished", False))

    def _other_rate(self) -> str:
        before, self._rate = self._rate, self._engine.plan.sample_rate
        return f", at {self._rate} Hz where it was {before}" if self._rate != before else ""

    def _revive(self, now_s: float) -> None:
        if not self.lost:
            self._report("the device is gone; waiting for it to come back")
        self._next_s = now_s + BACK_OFF_S[min(self._attempts, len(BACK_OFF_S) - 1)]
        self._attempts += 1
        self._silent = {*ENDS}
        try:
            self._engine.restart()
        except DeviceError as error:
            if isinstance(error, RateError) and str(error) != self._refusal:
                self._refusal = str(error)
                self._report(self._refusal)
            return  # still away, or of no use as it is: tried again after the back-off
        self._beats_s = [now_s for _ in ENDS]

    def start(self) -> None:
        self._thread = threading.Thread(target=self._watch, name="rtaudio-watchdog", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            self.check(time.monotonic())

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
