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
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numba


def _fingerprint() -> str:
    """A name that changes whenever any kernel does."""
    digest = hashlib.sha256(f"{sys.version} {numba.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        state = path.stat()
        digest.update(f"{path} {state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _candidates() -> Iterator[Path]:
    """Where compiled code may be kept, best first: `RTAUDIO_CACHE`, the user's cache folder, /tmp."""
    state = _fingerprint()
    for name in ("RTAUDIO_CACHE", "XDG_CACHE_HOME"):
        if os.environ.get(name):
            yield Path(os.environ[name]) / "rtaudio" / "jit" / state
    with suppress(RuntimeError):  # no home: neither HOME nor an entry for the user
        yield Path.home() / ".cache" / "rtaudio" / "jit" / state
    yield Path(tempfile.gettempdir()) / f"rtaudio-jit-{getattr(os, 'getuid', lambda: 0)()}-{state}"


def _usable(folder: Path) -> bool:
    """Whether `folder` can be made and written to, and by nobody else: code is loaded from it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            state = folder.stat()
    except OSError:
        return False
    return not hasattr(os, "getuid") or (state.st_uid == os.getuid() and not state.st_mode & stat.S_IWOTH)


def cache_folder() -> Path:
    """The first usable folder for compiled code; a new one for this process where there is none."""
    for folder in _candidates():
        if _usable(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="rtaudio-jit-"))


if not numba.config.CACHE_DIR:  # NUMBA_CACHE_DIR, where the user set it, is obeyed
    numba.config.CACHE_DIR = str(cache_folder())
