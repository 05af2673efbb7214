"""Compiled code: short loops over memory, knowing nothing but numpy and numba.

What is called from outside is compiled with explicit signatures and cached on disk, so a wrong
dtype is refused at once and nothing is compiled while audio flows. Helpers that only compiled code
calls may go without: the cached caller holds their code, and loading them on their own as well
doubled the import time of the network kernels (180 ms against 85).

Numba's cache looks at one file's age only and inlines functions of other files, so a changed
kernel would live on, stale, in the cached code of its callers. The cache therefore lies in a
folder named after the state of *all* files here.
"""

import hashlib
import os
import sys
from pathlib import Path

import numba


def _fingerprint() -> str:
    """A name that changes whenever any kernel does."""
    digest = hashlib.sha256(f"{sys.version} {numba.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        stat = path.stat()
        digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where compiled code is kept: `RTAUDIO_CACHE`, else the user's cache folder."""
    root = os.environ.get("RTAUDIO_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "rtaudio" / "jit" / _fingerprint()


if not numba.config.CACHE_DIR:  # NUMBA_CACHE_DIR, where the user set it, is obeyed
    numba.config.CACHE_DIR = str(cache_folder())
