"""A first manifest for an ONNX file, from names and shapes: a proposal, to be proved and mended."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from rtaudio.errors import ModelError
from rtaudio.nn.onnx.files import known_manifest, known_manifests, read_bytes
from rtaudio.nn.onnx.manifest import LAYOUTS, FrontEnd, Manifest, Net, Port
from rtaudio.nn.onnx.step import check_ports, dtype_of, open_session

DIRECTION_WORDS = {"in", "out", "input", "output", "new", "next", "prev", "old", "cur", "cached"}
"""What tells the two ends of a state apart: without it they have the same name."""

DATA_WORDS = {"mix", "enh", "input", "output", "x", "y", "audio", "spec", "spectrum", "noisy", "frame", "wav"}
RATE_WORDS = {"sr", "rate", "samplerate"}

HOP_UNKNOWN = 512  # where a file leaves the number of samples open
SIDE_SIZES = 16  # no more numbers than that a hop are no sound

RATES = {257: 16000, 161: 16000, 201: 16000, 321: 16000, 481: 48000, 513: 48000}
"""By number of bins, what most nets of that size are for."""

WINDOWS = {"hann_sqrt": "sqrt_hann", "sqrt_hann": "sqrt_hann", "hann": "hann", "vorbis": "vorbis"}

FRONT_END_KEYS = {"sample_rate", "hop_length", "window_type"}
"""Of a file's metadata, what tells how it is to be fed."""


@dataclass(frozen=True)
class Proposal:
    """A manifest, and for each key that nothing in the file tells, on what ground it was guessed."""

    manifest: Manifest
    guesses: dict[str, str] = field(default_factory=dict)


def propose(path: str | Path) -> Proposal:
    """The manifest of a file we know, or a proposal for one we don't.

    Raises ModelError for a file that is no ONNX model, has no state, or has ports nobody here understands.
    """
    path = Path(path)
    known = known_manifest(path)
    if known is not None:
        return Proposal(known)
    model = read_bytes(path)
    session = open_session(model, str(path))
    proposal = _other_weights(path, model, session)
    if proposal is None:
        net = _net(path, model, session)
        proposal = _around(net, session.get_modelmeta().custom_metadata_map, path)
    try:
        proposal.manifest.check()
    except ModelError as error:
        raise ModelError(f"{path}: no manifest can be proposed: {error}") from None
    return proposal


# ------------------------------------------------------------------------------------------ ports


def _net(path: Path, model: bytes, session: Any) -> Net:
    """Roles for all ports: states by name, then sound, then states by shape, then the rest."""
    inputs = [*session.get_inputs(), *session.get_overridable_initializers()]
    outputs = session.get_outputs()
    pairs = _pairs_by_name(inputs, outputs)
    if pairs and not any(port.name not in pairs and not _is_setting(port) for port in inputs):
        del pairs[next(iter(pairs))]  # the sound itself has one name at both ends
    free_in = [port for port in inputs if port.name not in pairs and not _is_setting(port)]
    free_out = [port for port in outputs if port.name not in pairs.values()]
    into, out, more = _find_data(free_in, free_out)
    pairs |= more
    if not pairs:
        raise ModelError(f"{path}: no output goes back in: without a state this is not a streaming model")
    time_in, time_out = _time_axes(into.shape, out.shape)
    open_end = into.shape[-1:] if _port(into, "data").size == 1 else ()
    starts = _initial_values(model) if session.get_overridable_initializers() else {}
    ports = []
    for port in inputs:
        if port is into:
            ports.append(_data(port, time_in, open_end))
        elif port.name in pairs:
            made = _port(port, "state")
            values = starts.get(port.name, made.values)
            ports.append(replace(made, source=pairs[port.name], values=values))
        else:
            ports.append(_port(port, "constant"))
    sides = [port for port in outputs if port is not out and port.name not in pairs.values()]
    given = (_data(out, time_out, open_end), *(_port(port, "side") for port in sides))
    return Net(path.name, hashlib.sha256(model).hexdigest(), tuple(ports), given)


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word.lower() for word in re.findall(r"[A-Za-z]+|\d+", spaced)]


def _is_setting(port: Any) -> bool:
    """Whether it is a scalar or a sample rate: no sound, and no state."""
    return not port.shape or bool(RATE_WORDS & set(_words(port.name)))


def _stem(name: str) -> str:
    """A name without what tells the two ends of a state apart; `hn` and `stateN` are `h` and `state`."""
    words = [word for word in _words(name) if word not in DIRECTION_WORDS]
    return "_".join(words[:-1] if len(words) > 1 and words[-1] == "n" else words)


def _fits(first: Any, second: Any) -> bool:
    """Whether a state may go from one port to the other: axes the file leaves open fit anything."""
    return (
        first.type == second.type
        and len(first.shape) == len(second.shape)
        and all(not (isinstance(n, int) and isinstance(m, int)) or n == m
                for n, m in zip(first.shape, second.shape, strict=True))
    )  # fmt: skip


def _pairs_by_name(inputs: Iterable[Any], outputs: Sequence[Any]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for port in inputs:
        stem = _stem(port.name)
        for other in outputs:
            same = _stem(other.name) in (stem, f"{stem}n")
            if (
                stem
                and stem not in DATA_WORDS
                and same
                and other.name not in pairs.values()
                and _fits(port, other)
            ):
                pairs[port.name] = other.name
                break
    return pairs


def _find_data(inputs: list[Any], outputs: list[Any]) -> tuple[Any, Any, dict[str, str]]:
    """Ports for sound, and states by shape: of the ways that leave most states, the likeliest by name."""

    def likeliest_first(ports: list[Any]) -> list[Any]:
        return sorted(ports, key=lambda port: not DATA_WORDS & set(_words(port.name)))

    if not inputs or not outputs:
        raise ModelError("no ports are left for sound")
    ways = [
        (
            into,
            out,
            _pairs_by_shape([p for p in inputs if p is not into], [p for p in outputs if p is not out]),
        )
        for into, out in product(likeliest_first(inputs), likeliest_first(outputs))
    ]
    return max(ways, key=lambda way: len(way[2]))


def _pairs_by_shape(inputs: Iterable[Any], outputs: Sequence[Any]) -> dict[str, str]:
    """Inputs and outputs of one shape and dtype, in the file's order."""
    pairs: dict[str, str] = {}
    for port in inputs:
        fitting = (o.name for o in outputs if o.name not in pairs.values() and _fits(port, o))
        name = next(fitting, None)
        if name is not None:
            pairs[port.name] = name
    return pairs


def _time_axes(into: Sequence[Any], out: Sequence[Any]) -> tuple[int | None, int | None]:
    """Axes left open under one name at both ends, other than a batch: several hops fit in there."""
    for axis, name in enumerate(into):
        if isinstance(name, str) and name in out and not re.search("batch|^n$|^b$", name.lower()):
            return axis, list(out).index(name)
    return None, None


def _port(port: Any, role: str) -> Port:
    shape = tuple(n if isinstance(n, int) else 1 for n in port.shape)
    alone = [axis for axis, n in enumerate(shape) if n == 1]
    batch_axis = alone[0] if len(alone) == 1 and role == "state" else None
    return Port(port.name, role, shape, dtype_of(port), batch_axis)


def _data(port: Any, time_axis: int | None, open_end: Sequence[Any]) -> Port:
    """`open_end` holds the name of the last axis where the file leaves the number of samples open."""
    made = replace(_port(port, "data"), time_axis=time_axis)
    if made.dtype.startswith("int"):
        made = replace(made, scale=32768.0)
    if open_end and not isinstance(open_end[0], int) and port.shape[-1:] == list(open_end):
        made = replace(made, shape=(*made.shape[:-1], HOP_UNKNOWN))
    return made


def _initial_values(model: bytes) -> dict[str, tuple[float, ...]]:
    """What states begin with where the file itself says so."""
    import onnx

    values = {}
    for tensor in onnx.load_from_string(model).graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        numbers = tuple(array.ravel().tolist())
        values[tensor.name] = numbers[:1] if len(set(numbers)) == 1 else numbers
    return values


# ----------------------------------------------------------------------------- what stands around


def _around(net: Net, metadata: dict[str, str], path: Path) -> Proposal:
    """Front end, rate and delays: from the file's metadata, else from its shapes."""
    guesses: dict[str, str] = {}

    def told(key: str, otherwise: int, why: str) -> int:
        if metadata.get(key, "").isdecimal():
            return int(metadata[key])
        guesses[key] = why
        return otherwise

    into, out = net.data
    long_axes = [n for n in into.shape if n > 1]
    if len(long_axes) == 2 and 2 in long_axes:
        parts_last = long_axes[1] == 2
        n_bins = long_axes[not parts_last]
        n_fft = 2 * (n_bins - 1)
        window = WINDOWS.get(metadata.get("window_type", ""), "")
        if not window:
            guesses["window"] = "what most nets use"
        front_end = FrontEnd("stft", n_fft, window or "sqrt_hann", LAYOUTS[not parts_last])
        task = "denoise" if out.size == into.size else "classify"
        hop_length = told("hop_length", n_fft // 2, "half of n_fft")
        rate = told("sample_rate", RATES.get(n_bins, 16000), f"most nets of {n_bins} bins have it")
    else:
        task = "denoise" if out.size > SIDE_SIZES else "classify"
        hop_length = told(
            "hop_length", min(out.size, into.size) if task == "denoise" else into.size, "from shapes"
        )
        front_end = FrontEnd("samples", context=max(0, into.size - hop_length))
        if "hop_length" in guesses:
            guesses["context"] = "what the hop leaves of the input"
        rate = told("sample_rate", 16000, "most nets have it")
    guesses["look_ahead"] = "none"
    licence = _licence(metadata, guesses)
    delay = front_end.delay(hop_length) if task == "denoise" else 0
    ports = []
    for port in net.inputs:
        if port.role == "constant" and RATE_WORDS & set(_words(port.name)):
            port = replace(port, values=(rate,))
        elif port.role == "constant":
            guesses[port.name] = "nobody knows; mend it"
        ports.append(port)
    net = replace(net, inputs=tuple(ports))
    manifest = Manifest(
        path.stem,
        task,
        licence,
        metadata.get("source", ""),
        rate,
        hop_length,
        0,
        delay,
        front_end,
        (net,),
        path.parent,
    )
    return Proposal(manifest, guesses)


def _licence(metadata: dict[str, str], guesses: dict[str, str]) -> str:
    licence = metadata.get("licence", metadata.get("license", ""))
    if not licence:
        guesses["licence"] = "the file doesn't say; ask where it came from"
    return licence


# ---------------------------------------------------------------------------- other weights of a model


def _other_weights(path: Path, model: bytes, session: Any) -> Proposal | None:
    """What we know of a model with the same ports, other than constants; None where there is none.

    A file that tells of its front end itself needs no such guess.
    """
    metadata = session.get_modelmeta().custom_metadata_map
    if not FRONT_END_KEYS.isdisjoint(metadata):
        return None
    for known in known_manifests():
        net = _in_file(known.nets[0], path, model, session)
        if len(known.nets) > 1 or net is None:
            continue
        unseen = "window" if known.front_end.kind == "stft" else "context"
        keys = ("sample_rate", "hop_length", unseen, "look_ahead")
        guesses = dict.fromkeys(keys, f"of {known.name}, which has the same ports")
        licence = _licence(metadata, guesses)
        manifest = replace(known, name=path.stem, licence=licence, source=metadata.get("source", ""))
        return Proposal(replace(manifest, nets=(net,), folder=path.parent), guesses)
    return None


def _in_file(known: Net, path: Path, model: bytes, session: Any) -> Net | None:
    """The known net's ports in another file's order; None where they aren't those of the file."""
    names = [port.name for port in session.get_inputs()]
    inputs = [port for port in known.inputs if port.name in names or port.role != "constant"]
    inputs.sort(key=lambda port: names.index(port.name) if port.name in names else len(names))
    net = Net(path.name, hashlib.sha256(model).hexdigest(), tuple(inputs), known.outputs)
    try:
        check_ports(session, net)
    except ModelError:
        return None
    return net
