"""Ctrl-C and SIGTERM at a moment of our choosing, while devices are opened, played and closed."""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)

AGAIN_S = 0.05
"""More than a callback from C takes to return."""


class Interrupts:
    """While entered, the first interrupt only sets `wanted`, for `watch` to see and end the stream.

    An exception that may come up at any line would cut the starting or the stopping of audio
    threads in half. The second interrupt is such an exception: the way out if something hangs.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        with contextlib.suppress(ValueError):  # only the main thread may set handlers
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True


class LostInterrupts:
    """While entered, an interrupt that strikes where no exception can leave comes again a moment later.

    Python prints and forgets what is raised in a finalizer, or in a callback from C such as the
    compiler's when it has made code.
    """

    def __enter__(self) -> Self:
        self._over, self._before = False, sys.unraisablehook
        sys.unraisablehook = self._take
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        sys.unraisablehook = self._before

    def _take(self, lost: Any) -> None:
        if lost.exc_type is not KeyboardInterrupt:
            self._before(lost)
            return
        timer = threading.Timer(AGAIN_S, self._strike)
        timer.daemon = True
        timer.start()

    def _strike(self) -> None:
        if self._over:
            return
        if sys.platform == "win32":
            _thread.interrupt_main()
        else:  # SIGTERM, because SIGINT may be ignored, as in the background
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
