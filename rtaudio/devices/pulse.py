"""PulseAudio and pipewire-pulse, through `pactl`: sources, sinks, modules, and which clock they run on.

PortAudio on Linux sees one ALSA device, `pulse`; which source or sink it means is decided by
two environment variables at the moment the stream opens (`pulse_environment`). Moving a stream
afterwards cost 250 ms of extra delay, so that is never done.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rtaudio.errors import DeviceError, MissingLibraryError

TIMEOUT_S = 5.0
"""A server that doesn't answer in this time is hung; a healthy one answers in milliseconds."""

OWNER = "rtaudio.owner"
"""Property by which modules loaded by this project are known again."""


@dataclass(frozen=True)
class Node:
    """A source or sink of the server."""

    name: str
    description: str
    channels: int
    sample_rate: int
    default: bool
    monitor_of: str = ""
    """Name of the sink whose sound this source hears; empty for a real source."""
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def is_ours(self) -> bool:
        return OWNER in self.properties


@dataclass(frozen=True)
class Module:
    """A loaded server module."""

    index: int
    name: str
    arguments: str


def pactl(*arguments: str) -> str:
    """Run `pactl` and return its output; DeviceError with its own words where it fails."""
    try:
        # The C locale: in others, some versions of pactl print decimal commas into their JSON.
        done = subprocess.run(
            ["pactl", *arguments],
            capture_output=True,
            timeout=TIMEOUT_S,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except FileNotFoundError:
        raise MissingLibraryError("pactl is missing: sudo apt-get install -y pulseaudio-utils") from None
    except subprocess.TimeoutExpired:
        raise DeviceError(f"the PulseAudio server did not answer within {TIMEOUT_S:.0f} s") from None
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="replace").split())
        if "onnection" in reason:
            raise DeviceError(f"no PulseAudio server ({reason}): start one with `pulseaudio --start`")
        raise DeviceError(f"pactl {arguments[0]} failed: {reason}")
    return done.stdout.decode(errors="replace")


def available() -> bool:
    """Whether a server answers."""
    try:
        pactl("info")
    except DeviceError:
        return False
    return True


def _json(*arguments: str) -> Any:
    try:
        return json.loads(pactl("-f", "json", *arguments))
    except ValueError:
        raise DeviceError("this pactl does not speak JSON: PulseAudio 16 or newer is needed") from None


def _node(entry: dict[str, Any], default: str, monitors: bool) -> Node:
    # For example "float32le 1ch 48000Hz".
    _, channels, rate = entry["sample_specification"].split()
    return Node(
        name=entry["name"],
        # pactl 16 writes "(null)" into its JSON for texts with other letters than ASCII's.
        description=entry["name"] if entry["description"] == "(null)" else entry["description"],
        channels=int(channels.removesuffix("ch")),
        sample_rate=int(rate.removesuffix("Hz")),
        default=entry["name"] == default,
        monitor_of=entry["monitor_source"] if monitors else "",
        properties=entry["properties"],
    )


def sources() -> list[Node]:
    """Everything that can be recorded, monitors of sinks included."""
    default = _json("info").get("default_source_name", "")
    return [_node(entry, default, True) for entry in _json("list", "sources")]


def sinks() -> list[Node]:
    """Everything that can be played to."""
    default = _json("info").get("default_sink_name", "")
    return [_node(entry, default, False) for entry in _json("list", "sinks")]


def modules() -> list[Module]:
    """Loaded modules, oldest first."""
    lines = (line.split("\t") for line in pactl("list", "short", "modules").splitlines())
    # Arguments of other programs' modules may have line breaks in them.
    rows = (fields for fields in lines if len(fields) > 1 and fields[0].isdecimal())
    return [Module(int(index), name, rest[0] if rest else "") for index, name, *rest in rows]


def load_module(name: str, *arguments: str) -> int:
    """Load a module; returns its index."""
    return int(pactl("load-module", name, *arguments))


def unload_module(index: int) -> None:
    """Unload a module, and with it the source or sink it made."""
    pactl("unload-module", str(index))


def microphone() -> str | None:
    """The source to record where the user named none.

    The server's default, unless that is a virtual microphone of ours (which would feed our own
    output back to us): then the first real source; None where there is none.
    """
    nodes = sources()
    real = [node for node in nodes if not node.is_ours and not node.monitor_of]
    chosen = [node for node in nodes if node.default and not node.is_ours] or real
    return chosen[0].name if chosen else None


def one_clock(source: str | None, sink: str | None) -> bool:
    """Whether a source and a sink (None: the default one) run on the same clock.

    They do on the same card, and where both are virtual (null sinks follow the system's clock).
    """
    played, recorded = sinks(), sources()
    ends = {node.name: _clock(node) for node in played}
    heard = {node.name: ends.get(node.monitor_of) or _clock(node) for node in recorded}
    for node in recorded:
        heard[node.name] = heard.get(node.properties.get("device.master_device", ""), heard[node.name])
    here = source or next((node.name for node in recorded if node.default), "")
    there = sink or next((node.name for node in played if node.default), "")
    return heard.get(here, "system") == ends.get(there, "system")


def _clock(node: Node) -> str:
    for key in ("device.bus_path", "alsa.card", "device.string"):
        if key in node.properties:
            return node.properties[key]
    return "system"


@contextmanager
def pulse_environment(source: str | None, sink: str | None) -> Iterator[None]:
    """While it lasts, streams that open record from `source` and play to `sink` (None: unchanged)."""
    wanted = {key: name for key, name in (("PULSE_SOURCE", source), ("PULSE_SINK", sink)) if name}
    before = {key: os.environ.get(key) for key in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
