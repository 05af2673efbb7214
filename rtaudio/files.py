"""Files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; what was written there takes its place when the block has ended.

    Where the block raises, the unfinished file goes and what stood at `path` stays. An OSError names `path`.
    A pipe or a device is written to as it is: nothing may take its place.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        yield unfinished
        with unfinished.open("r+b") as file:  # Windows flushes only what may be written
            os.fsync(file.fileno())  # else a crash of the machine could leave the new name with nothing in it
        unfinished.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(unfinished):
            error.filename = str(path)
        raise
