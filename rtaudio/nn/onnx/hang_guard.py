"""Ends steps of a model that never come to an end themselves."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Protocol

LIMIT_S = 5.0
"""A step of live audio takes milliseconds: one that isn't done by then never will be."""


class Abortable(Protocol):
    """Something that says since when it has been busy (monotonic seconds; 0 when it isn't)."""

    busy_since: float

    def abort(self) -> None: ...


class HangGuard:
    """A daemon thread, begun with the first that is watched, aborts what is busy beyond `limit_s`."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self.limit_s = limit_s
        self._watched: weakref.WeakSet[Abortable] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def watch(self, abortable: Abortable) -> None:
        with self._lock:
            self._watched.add(abortable)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rtaudio-hang-guard", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(min(1.0, self.limit_s / 4))
            with self._lock:
                watched = list(self._watched)
            for abortable in watched:
                since = abortable.busy_since
                if since and time.monotonic() - since > self.limit_s:
                    abortable.abort()
            del watched  # what nobody else needs may go while this thread sleeps


GUARD = HangGuard()
