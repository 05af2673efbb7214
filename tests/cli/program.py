"""The program as a process of its own, from this checkout."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "RTAUDIO_DEBUG": ""}

# A shell that runs the tests in the background has them ignore Ctrl-C, and with them all they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def start(*arguments, **options):
    """Start the program as one of its own, with pipes."""
    return subprocess.Popen(
        [sys.executable, "-m", "rtaudio", *map(str, arguments)],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
