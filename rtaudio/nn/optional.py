"""Packages that are not needed for live audio, asked for where they are."""

from __future__ import annotations

import importlib.util

from rtaudio.errors import MissingLibraryError


def require(purpose: str, extra: str, *packages: str) -> None:
    """Raise MissingLibraryError, naming the extra that brings them, unless all packages are there."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingLibraryError(f"{purpose} needs {' and '.join(missing)}: pip install 'rtaudio[{extra}]'")
