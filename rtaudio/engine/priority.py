"""Real-time priority for the threads that sound depends on.

PortAudio's ALSA thread and the threads of ALSA's Pulse plug-in (`threaded-ml`) run at ordinary
priority, as the engine's does; JACK raises its own. Found by looking which threads a stream's
start added, they are raised from Python. Without the right to, sound goes on as before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TASKS = Path("/proc/self/task")

PRIORITY = 3
"""SCHED_FIFO priority. The lowest runs before every ordinary program already; above the sound
server's own threads (PulseAudio 5, PipeWire 20 by rtkit, JACK 10) ours would only starve it."""

RESET_ON_FORK = 0x40000000  # sched(7): programs we start don't inherit the priority

MEND = (
    "to allow it: put `@audio - rtprio 95` into /etc/security/limits.d/audio.conf, "
    "join the group audio, and log in again"
)


@dataclass(frozen=True)
class PriorityResult:
    """Which threads now run in real time, and in one line why others don't ("" if all do)."""

    raised: tuple[int, ...] = ()
    reason: str = ""

    @property
    def granted(self) -> bool:
        return not self.reason


def thread_ids() -> frozenset[int]:
    """Ids of this process's threads; empty where the system doesn't list them."""
    try:
        return frozenset(int(task.name) for task in TASKS.iterdir())
    except OSError:
        return frozenset()


def audio_threads(before: frozenset[int]) -> frozenset[int]:
    """Threads that came since `before`, and those of ALSA's Pulse plug-in."""
    return (thread_ids() - before) | {tid for tid in thread_ids() if _name(tid) == "threaded-ml"}


def _name(thread_id: int) -> str:
    try:
        return (TASKS / str(thread_id) / "comm").read_text().strip()
    except OSError:
        return ""


def raise_priority(threads: Iterable[int], priority: int = PRIORITY) -> PriorityResult:
    """Give threads SCHED_FIFO at `priority`, or as near to it as this user may go.

    Threads that run in real time already keep what they have, and those that ended meanwhile
    are passed over. Never raises: the result says what was refused.
    """
    if not hasattr(os, "sched_setscheduler"):
        return PriorityResult(reason=f"{sys.platform} gives audio threads their priority by itself")
    priority = _allowed(priority)
    if priority < 1:
        return PriorityResult(reason=f"no right to real-time priority; {MEND}")
    raised = []
    for tid in sorted(threads):
        try:
            if os.sched_getscheduler(tid) & ~RESET_ON_FORK not in (os.SCHED_FIFO, os.SCHED_RR):
                os.sched_setscheduler(tid, os.SCHED_FIFO | RESET_ON_FORK, os.sched_param(priority))
            raised.append(tid)
        except ProcessLookupError:
            continue
        except OSError as error:
            return PriorityResult(tuple(raised), f"real-time priority was refused ({error.strerror}); {MEND}")
    return PriorityResult(tuple(raised))


def _allowed(priority: int) -> int:
    """The highest priority up to `priority` that this user may set: RLIMIT_RTPRIO, raised if it can be."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_RTPRIO)
    if _has_cap_sys_nice() or resource.RLIM_INFINITY in (soft, hard):
        return priority
    if soft < min(priority, hard):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_RTPRIO, (min(priority, hard), hard))
            soft = min(priority, hard)
    return min(priority, soft)


def _has_cap_sys_nice() -> bool:
    """Whether this process may set any priority (capability 23, capability.h)."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return False
    effective = next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> 23 & 1)
