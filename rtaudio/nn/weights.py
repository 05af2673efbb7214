"""Weights files: float32 arrays and a manifest in one `.npz`, checked when loaded, never unpickled.

The manifest is UTF-8 JSON in an array of bytes named `manifest`::

    format    "rtaudio-weights"        version   1
    net       what the weights are for  config    its sizes, by keyword
    sha256    of names, shapes and values of all arrays
    card      licence, data, command, seed, scores: what the model card says
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import WeightsError
from rtaudio.files import whole

FORMAT, VERSION = "rtaudio-weights", 1
MANIFEST = "manifest"
DIRECTORY = Path(__file__).with_suffix("")
"""Where the shipped weights lie."""

Tensors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Weights:
    """What a weights file holds."""

    net: str
    config: dict[str, Any]
    tensors: dict[str, NDArray[np.float32]]
    card: dict[str, Any] = field(default_factory=dict)


def digest(tensors: Tensors) -> str:
    """SHA-256 over name, shape and little-endian values of each tensor, in order of name."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(f"{name} {tensors[name].shape}\n".encode())
        total.update(np.ascontiguousarray(tensors[name], "<f4").tobytes())
    return total.hexdigest()


def save_weights(path: str | Path, net: str, config: Any, tensors: Tensors, **card: Any) -> Path:
    """Write a weights file; returns its path. An existing file is replaced only when all is written.

    - config: a dataclass or a mapping of JSON values.
    - card: JSON values for the manifest's card (licence, data, command, seed, scores).
    """
    path = Path(path)
    arrays = {name: np.ascontiguousarray(tensor, np.float32) for name, tensor in tensors.items()}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "net": net,
        "config": vars(config) if dataclasses.is_dataclass(config) else dict(config),
        "sha256": digest(arrays),
        "card": card,
    }
    text = np.frombuffer(json.dumps(manifest, indent=1).encode(), np.uint8)
    with whole(path) as unfinished, open(unfinished, "wb") as file:
        np.savez(file, allow_pickle=False, **{MANIFEST: text}, **arrays)
    return path


def load_weights(path: str | Path) -> Weights:
    """Read a weights file and check it: format, hash, types, finite values.

    Raises WeightsError, in one line, where it is missing, truncated, corrupt or another file.
    """
    arrays = _read_arrays(Path(path))
    manifest = _manifest(path, arrays.pop(MANIFEST, None))
    for name, array in arrays.items():
        if array.dtype != np.float32:
            raise WeightsError(f"{path}: {name} is {array.dtype}, and must be float32")
        if not np.isfinite(array).all():
            raise WeightsError(f"{path}: {name} has values that are not finite")
    if digest(arrays) != manifest["sha256"]:
        raise WeightsError(f"{path}: corrupt: its contents don't match the hash in its manifest")
    return Weights(manifest["net"], manifest["config"], arrays, manifest.get("card", {}))


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    # Opened here, not by numpy, which leaves a damaged file open.
    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise WeightsError(f"{path}: not a weights file, or truncated")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or 'not a weights file'}") from error
    except (ValueError, EOFError, KeyError, MemoryError, NotImplementedError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path}: not a weights file, or corrupt") from error


def _manifest(path: str | Path, text: NDArray[Any] | None) -> dict[str, Any]:
    """The manifest, checked for what `load_weights` needs of it."""
    try:
        manifest = json.loads(text.tobytes()) if text is not None else None
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise WeightsError(f"{path}: not an rtaudio weights file: it has no manifest of ours")
    if manifest.get("version") != VERSION:
        raise WeightsError(f"{path}: format version {manifest.get('version')}; this rtaudio reads {VERSION}")
    for key, kind in (("net", str), ("config", dict), ("sha256", str)):
        if not isinstance(manifest.get(key), kind):
            raise WeightsError(f"{path}: its manifest has no valid {key!r}")
    return manifest


def check_shapes(tensors: Tensors, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise WeightsError unless names and shapes are exactly `shapes`."""
    for name in sorted(shapes.keys() ^ tensors.keys()):
        raise WeightsError(f"the weights {'have no' if name in shapes else 'have an unknown'} {name!r}")
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            raise WeightsError(f"{name} has shape {tensors[name].shape}, and must have {shape}")


def list_models(net: str | None = None) -> list[str]:
    """Names of the shipped weights; with `net` of those that are for it."""
    names = sorted(path.stem for path in DIRECTORY.glob("*.npz"))
    return [name for name in names if net in (None, load_weights(DIRECTORY / f"{name}.npz").net)]


def find_weights(model: str | Path) -> Path:
    """Path of shipped weights by name, or of any weights file by its path.

    A word with neither a directory nor a suffix is a name. Raises WeightsError where there is none.
    """
    path = Path(model)
    if path.suffix or path.parent != Path():
        return path
    shipped = DIRECTORY / f"{path}.npz"
    if not shipped.exists():
        known = ", ".join(list_models()) or "none"
        raise WeightsError(f"no model {str(model)!r}; shipped models: {known}")
    return shipped
