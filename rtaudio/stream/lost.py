"""Threads that never come back from native code: nothing ends them but the end of the process."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

_lost: list[threading.Thread] = []


def give_up(thread: threading.Thread) -> None:
    """Go on without a daemon thread that hangs. What others want of the processor, it no longer gets."""
    _lost.append(thread)
    if hasattr(os, "SCHED_IDLE") and thread.native_id is not None:
        with suppress(OSError):  # it came back after all, or may not be changed
            policy = os.SCHED_IDLE | os.SCHED_RESET_ON_FORK  # which may have been set, and can't be unset
            os.sched_setscheduler(thread.native_id, policy, os.sched_param(0))


def any_lost() -> bool:
    """Whether a thread given up is still at it: the interpreter's ordinary end then crashes or hangs,
    since libraries take down what the thread still uses."""
    return any(thread.is_alive() for thread in _lost)
