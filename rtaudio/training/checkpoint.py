"""Checkpoints: one file, replaced in one move, read without running anything in it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from rtaudio.errors import WeightsError
from rtaudio.files import whole


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """A crash leaves the old file or the new one."""
    with whole(path) as unfinished:
        torch.save(state, unfinished)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint: tensors and plain values only, anything else in it is refused."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"checkpoint {path} cannot be read: {reason}") from None
    if not isinstance(state, dict) or "net" not in state:
        raise WeightsError(f"checkpoint {path} is not one of rtaudio's: it holds no net")
    return state
