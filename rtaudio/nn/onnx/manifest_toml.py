"""Manifests as TOML: read strictly, so that a slip of the pen is named; written for people."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rtaudio.errors import ModelError
from rtaudio.nn.onnx.manifest import (
    DTYPES,
    FORMAT,
    KINDS,
    LAYOUTS,
    ROLES,
    TASKS,
    VERSION,
    FrontEnd,
    Manifest,
    Net,
    Port,
)


def read_manifest(path: str | Path) -> Manifest:
    """Read and check a manifest. Raises ModelError, in one line, where it is missing, broken or wrong."""
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not TOML: {error}") from None
    try:
        manifest = parse_manifest(values, path.parent)
        manifest.check()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    return manifest


class _Table:
    """A TOML table of which known keys are taken, one by one; what is left over is a mistake."""

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, dict):
            raise ModelError(f"{where} must be a table")
        self._left, self._where = dict(values), where

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        """The value of `key`; the default where there is none, which None forbids."""
        value = self._left.pop(key, default)
        if value is None:
            raise ModelError(f"{self._where} has no {key!r}")
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise ModelError(f"{self._where}: {key}={value!r} must be {_KINDS[kind]}")
        return value

    def take_one_of(self, key: str, known: Sequence[str], default: str | None = None) -> str:
        value: str = self.take(key, str, default)
        if value not in known:
            raise ModelError(f"{self._where}: {key}={value!r} must be one of: {', '.join(map(repr, known))}")
        return value

    def take_optional_int(self, key: str) -> int | None:
        return self.take(key, int) if key in self._left else None

    def take_numbers(self, key: str) -> tuple[float, ...]:
        value = self._left.pop(key, 0.0)
        numbers = value if isinstance(value, list) else [value]
        if not all(type(n) in (int, float) for n in numbers):
            raise ModelError(f"{self._where}: {key} must be a number, or a list of numbers")
        return tuple(numbers)

    def take_labels(self) -> tuple[str, ...]:
        labels = self.take("labels", list, [])
        if not all(type(label) is str for label in labels):
            raise ModelError(f"{self._where}: labels={labels!r} must be texts")
        return tuple(labels)

    def take_shape(self) -> tuple[int, ...]:
        shape = self.take("shape", list)
        if not all(type(n) is int for n in shape):
            raise ModelError(f"{self._where}: shape={shape!r} must be whole numbers")
        return tuple(shape)

    def close(self) -> None:
        if self._left:
            raise ModelError(f"{self._where} has an unknown {next(iter(self._left))!r}")


_KINDS = {int: "a whole number", float: "a number", str: "text", list: "a list", dict: "a table"}


def parse_manifest(values: Mapping[str, Any], folder: Path) -> Manifest:
    """The manifest that parsed TOML stands for; raises ModelError for what is missing, unknown or of a
    wrong type, but doesn't `check` it."""
    table = _Table(values, "the manifest")
    if table.take("format", str, "") != FORMAT:
        raise ModelError(f"not a manifest: it doesn't say format = {FORMAT!r}")
    version = table.take("version", int)
    if version != VERSION:
        raise ModelError(f"version {version} of the format; this rtaudio reads {VERSION}")
    manifest = Manifest(
        table.take("name", str),
        table.take_one_of("task", TASKS),
        table.take("licence", str, ""),
        table.take("source", str, ""),
        table.take("sample_rate", int),
        table.take("hop_length", int),
        table.take("look_ahead", int),
        table.take("delay", int),
        _front_end(table.take("front_end", dict)),
        tuple(_net(net, f"net {i + 1}") for i, net in enumerate(table.take("nets", list))),
        folder,
    )
    table.close()
    return manifest


def _front_end(values: dict[str, Any]) -> FrontEnd:
    table = _Table(values, "front_end")
    kind = table.take_one_of("kind", KINDS)
    given: dict[str, Any] = {}
    if kind == "samples":
        given["context"] = table.take("context", int, 0)
    else:
        given["n_fft"] = table.take("n_fft", int)
    if kind == "stft":
        given["window"] = table.take("window", str)
        given["layout"] = table.take_one_of("layout", LAYOUTS)
    table.close()
    return FrontEnd(kind, **given)


def _net(values: Any, where: str) -> Net:
    table = _Table(values, where)
    ports = [
        tuple(_port(name, port, side) for name, port in table.take(side, dict).items())
        for side in ("inputs", "outputs")
    ]
    net = Net(table.take("file", str), table.take("sha256", str), *ports)
    table.close()
    return net


def _port(name: str, values: Any, side: str) -> Port:
    table = _Table(values, name)
    role = table.take_one_of("role", ROLES[side])
    given: dict[str, Any] = {"batch_axis": table.take_optional_int("batch_axis")}
    if role == "state":
        given |= {"source": table.take("from", str), "values": table.take_numbers("initial")}
    elif role == "constant":
        given["values"] = table.take_numbers("value")
    elif role == "data":
        given |= {"scale": table.take("scale", float, 1.0), "time_axis": table.take_optional_int("time_axis")}
        given["labels"] = table.take_labels()
    port = Port(name, role, table.take_shape(), table.take_one_of("dtype", DTYPES), **given)
    table.close()
    return port


# --------------------------------------------------------------------------------------- writing


def write_manifest(manifest: Manifest, guesses: Mapping[str, str] | None = None) -> str:
    """The manifest as TOML. `guesses`: key -> why nothing in the file told it; they become comments."""
    notes = {
        "hop_length": "samples a step",
        "look_ahead": "samples of future the net waits for",
        "delay": "samples from input to output",
    } | {key: f"GUESSED: {why}" for key, why in (guesses or {}).items()}
    lines = [f'format = "{FORMAT}"', f"version = {VERSION}"]
    keys = ("name", "task", "licence", "source", "sample_rate", "hop_length", "look_ahead", "delay")
    lines += [_line(key, getattr(manifest, key), notes) for key in keys]
    lines += ["", "[front_end]"]
    lines += [_line(key, value, notes) for key, value in _front_end_values(manifest.front_end).items()]
    for net in manifest.nets:
        lines += ["", "[[nets]]", _line("file", net.file, notes), _line("sha256", net.sha256, notes)]
        for side in ("inputs", "outputs"):
            lines += ["", f"[nets.{side}]"]
            lines += [_port_line(port, notes) for port in getattr(net, side)]
    return "\n".join(lines) + "\n"


def _line(key: str, value: Any, notes: Mapping[str, str]) -> str:
    return f"{key} = {_value(value)}" + (f"  # {notes[key]}" if key in notes else "")


def _port_line(port: Port, notes: Mapping[str, str]) -> str:
    return f"{_key(port.name)} = {_inline(port)}" + (f"  # {notes[port.name]}" if port.name in notes else "")


def _front_end_values(front_end: FrontEnd) -> dict[str, Any]:
    values: dict[str, Any] = {"kind": front_end.kind}
    if front_end.kind == "samples":
        return values | {"context": front_end.context}
    values["n_fft"] = front_end.n_fft
    if front_end.kind == "stft":
        values |= {"window": front_end.window, "layout": front_end.layout}
    return values


def _inline(port: Port) -> str:
    values: dict[str, Any] = {"role": port.role, "shape": list(port.shape), "dtype": port.dtype}
    numbers = list(port.values) if len(port.values) > 1 else port.values[0]
    if port.role == "state":
        values |= {"from": port.source, "initial": numbers}
    elif port.role == "constant":
        values["value"] = numbers
    elif port.scale != 1:
        values["scale"] = port.scale
    for axis in ("batch_axis", "time_axis"):
        if getattr(port, axis) is not None:
            values[axis] = getattr(port, axis)
    if port.labels:
        values["labels"] = list(port.labels)
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in values.items()) + " }"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _value(value: Any) -> str:
    # JSON's strings, numbers and lists are TOML's too.
    return json.dumps(value, ensure_ascii=False)
