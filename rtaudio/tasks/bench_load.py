"""Other work for the machine to do while something is measured."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

LOADS = ("none", "gil", "cpu")

_SPIN = """
import os, sys
while os.getppid() == int(sys.argv[1]):  # no longer than the program it loads
    sum(range(100_000))
"""


def load(kind: str) -> AbstractContextManager[None]:
    """Load of a kind of `LOADS`, while entered: nothing; the interpreter's lock; every core."""
    if kind == "none":
        return nullcontext()
    return busy_python() if kind == "gil" else busy_cores()


@contextmanager
def busy_python() -> Iterator[None]:
    """Two threads that compute in pure Python, one that makes garbage cycles and collects them."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(i * i for i in range(20000))

    def litter() -> None:
        while not stop.is_set():
            cycles: list[list[object]] = [[] for _ in range(50000)]
            for cycle in cycles:
                cycle.append(cycle)
            gc.collect()

    threads = [threading.Thread(target=work, daemon=True) for work in (compute, compute, litter)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def busy_cores() -> Iterator[None]:
    """A process a core that never rests."""
    command = [sys.executable, "-c", _SPIN, str(os.getpid())]
    processes = [subprocess.Popen(command) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
