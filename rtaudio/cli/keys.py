"""Single key presses from a terminal, without waiting for Enter, and without leaving it changed."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from types import TracebackType
from typing import Any, Self


class Keys:
    """Waits for keys; where stdin is no terminal (or this is Windows), it only waits."""

    def __init__(self) -> None:
        self._saved: Any = None
        self._descriptor = -1

    def __enter__(self) -> Self:
        with contextlib.suppress(ImportError, OSError, ValueError):
            import termios
            import tty

            descriptor = sys.stdin.fileno()
            # A background job that touches its terminal is stopped by the system.
            if os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp():
                self._saved, self._descriptor = termios.tcgetattr(descriptor), descriptor
                tty.setcbreak(descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._saved is not None:
            import termios

            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._saved)
            self._saved = None

    @property
    def listening(self) -> bool:
        return self._saved is not None

    def wait(self, timeout_s: float) -> str:
        """The key pressed within `timeout_s`, or an empty string once that is over."""
        if not self.listening:
            time.sleep(timeout_s)
            return ""
        import select

        if not select.select([self._descriptor], [], [], timeout_s)[0]:
            return ""
        return os.read(self._descriptor, 1).decode("ascii", "ignore")
