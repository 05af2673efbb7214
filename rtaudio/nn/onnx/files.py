"""From the path a user gives to a model that runs: manifests beside ONNX files, and those we know."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from pathlib import Path
from typing import Any

from rtaudio.errors import ModelError
from rtaudio.nn.onnx.manifest import Manifest, Net
from rtaudio.nn.onnx.manifest_toml import read_manifest
from rtaudio.nn.onnx.step import OnnxStep

MANIFESTS = Path(__file__).with_name("manifests")
"""Of other projects' models: facts and hashes, no weights."""


def read_bytes(path: Path) -> bytes:
    """A file's contents. Raises ModelError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from None


@functools.cache
def known_manifests() -> tuple[Manifest, ...]:
    """The manifests that come with rtaudio."""
    return tuple(read_manifest(path) for path in sorted(MANIFESTS.glob("*.toml")))


def known_as(sha256: str) -> Manifest | None:
    """The shipped manifest of a file with these contents."""
    return next((m for m in known_manifests() if any(net.sha256 == sha256 for net in m.nets)), None)


def known_manifest(path: Path) -> Manifest | None:
    """The shipped manifest of this file, under whatever name it goes; None where it isn't known."""
    sha256 = hashlib.sha256(read_bytes(path)).hexdigest()
    known = known_as(sha256)
    if known is None:
        return None
    nets = tuple(
        dataclasses.replace(net, file=path.name) if net.sha256 == sha256 else net for net in known.nets
    )
    return dataclasses.replace(known, nets=nets, folder=path.parent)


def find_manifest(path: str | Path) -> Manifest:
    """The manifest at `path`; or, of an ONNX file, the one beside it, or the one we know it by.

    Raises ModelError where there is none, or it is wrong.
    """
    path = Path(path)
    if path.suffix == ".toml":
        return read_manifest(path)
    beside = path.with_suffix(".toml")
    if beside.exists():
        return read_manifest(beside)
    known = known_manifest(path)
    if known is None:
        raise ModelError(
            f"{path}: has no manifest beside it; `rtaudio inspect {path} -o {beside}` proposes one"
        )
    return known


def read_net(manifest: Manifest, net: Net) -> bytes:
    """Contents of a net's file. Raises ModelError where it is missing or not the one the manifest is of."""
    path = manifest.folder / net.file
    model = read_bytes(path)
    if hashlib.sha256(model).hexdigest() != net.sha256:
        raise ModelError(f"{path}: its contents don't match the sha256 in its manifest")
    known = known_as(net.sha256)
    if known is not None:
        _check_known(path, manifest, known)
    return model


def _check_known(path: Path, manifest: Manifest, known: Manifest) -> None:
    """Raise ModelError where a manifest contradicts what is known of its file and no running would show."""
    for key, true in _unprovable(known).items():
        told = _unprovable(manifest).get(key)
        if told != true:
            raise ModelError(f"{path} is {known.name}, whose {key} is {true!r}; its manifest says {told!r}")


def _unprovable(manifest: Manifest) -> dict[str, Any]:
    return {
        "sample_rate": manifest.sample_rate,
        "hop_length": manifest.hop_length,
        **dataclasses.asdict(manifest.front_end),
    }


def open_steps(manifest: Manifest) -> list[OnnxStep]:
    """The nets, ready to run. Raises ModelError where a file isn't what the manifest says."""
    return [OnnxStep(read_net(manifest, net), net) for net in manifest.nets]
