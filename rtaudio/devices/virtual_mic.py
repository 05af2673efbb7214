"""A microphone made of software, which calls, recorders and browsers can choose.

On Linux it is built on the Pulse server (PulseAudio or pipewire-pulse) from two modules: a null
sink to play to, and a source remapped from that sink's monitor. Browsers hide bare monitors but
list the remapped source, under its description. Both modules carry the process that loaded
them; those of a process that is gone (`kill -9`) are unloaded when the next one starts.

On macOS and Windows a loopback driver has to be installed by the user; here it is found.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from rtaudio.devices import pulse
from rtaudio.devices.catalogue import DeviceInfo
from rtaudio.errors import ConfigError, DeviceError, MissingLibraryError

CABLES = {
    "darwin": ("BlackHole", "BlackHole (`brew install blackhole-2ch`, then log in again)"),
    "win32": ("CABLE Input", "VB-Cable (https://vb-audio.com/Cable, then restart)"),
}
"""By system: a part of the driver's output name, and what to install."""

_OWNER = re.compile(rf"{re.escape(pulse.OWNER)}=(\d+)\.(\d+)")
_NAME = re.compile(r"(?:sink_name|source_name)=(\S+)")


@dataclass(frozen=True)
class MicStatus:
    """A virtual microphone on the server."""

    name: str
    pid: int
    """Process that made it."""
    alive: bool
    """Whether that process still runs; otherwise the microphone is a leftover."""
    modules: tuple[int, ...]


class VirtualMic:
    """A virtual microphone on the Pulse server while the context lasts.

    `name` is what programs call it, `description` what their lists show. Play to `.sink`.

    Raises DeviceError where there is no server or the name is taken by a running program.
    """

    def __init__(
        self, name: str = "rtaudio_mic", description: str = "rtaudio microphone", sample_rate: int = 48000
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise ConfigError(f"virtual microphone name {name!r} may hold letters, digits and _ . - only")
        # In one line: pactl tells of modules a line each, with their arguments.
        self.name, self.description, self.sample_rate = name, " ".join(description.split()), sample_rate
        self.sink = f"{name}_sink"
        self._modules: list[int] = []

    def __enter__(self) -> Self:
        heal()
        self._refuse_taken_name()
        try:
            self._load()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Unload the modules. Does nothing where they are gone, or the server is."""
        while self._modules:
            with suppress(DeviceError):
                pulse.unload_module(self._modules.pop())

    def _refuse_taken_name(self) -> None:
        for mic in status():
            if mic.name == self.name:
                raise DeviceError(f"virtual microphone {self.name!r} is in use by process {mic.pid}")
        if any(node.name in (self.name, self.sink) for node in (*pulse.sources(), *pulse.sinks())):
            raise DeviceError(f"another program has a device named {self.name!r}: choose another name")

    def _load(self) -> None:
        # Mono floats at our own rate: nothing is converted on the way.
        form = f"format=float32le rate={self.sample_rate} channels=1"
        # Nobody should choose the sink; the microphone is what goes by the description.
        hidden = _properties(f"{self.description} (input)")
        sink = f"sink_name={self.sink}", *form.split(), f"sink_properties={hidden}"
        self._modules.append(pulse.load_module("module-null-sink", *sink))
        shown = _properties(self.description)
        source = f"source_name={self.name}", f"master={self.sink}.monitor", f"source_properties={shown}"
        self._modules.append(pulse.load_module("module-remap-source", *source))


def _properties(description: str) -> str:
    """A module's property list: in double quotes as one argument, values in single ones."""
    plain = re.sub(r"""["'\\]""", "", description)
    return f"\"device.description='{plain}' {pulse.OWNER}={os.getpid()}.{_birth(os.getpid())}\""


def _birth(pid: int) -> int:
    """When a process started, in clock ticks since boot (proc(5), field 22); 0 where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[19])


def status() -> list[MicStatus]:
    """The virtual microphones of this project on the server, leftovers included."""
    found: dict[tuple[str, str], list[pulse.Module]] = {}
    for module in pulse.modules():
        if owner := _OWNER.search(module.arguments):
            found.setdefault((owner[1], owner[2]), []).append(module)
    return [_status(int(pid), int(birth), modules) for (pid, birth), modules in found.items()]


def _status(pid: int, birth: int, modules: Sequence[pulse.Module]) -> MicStatus:
    names = [match[1] for module in modules if (match := _NAME.search(module.arguments))]
    name = min(names, key=len, default="?").removesuffix("_sink")
    # The start time tells a leftover from a stranger that was given the same number since.
    return MicStatus(name, pid, _birth(pid) == birth, tuple(module.index for module in modules))


def heal() -> list[MicStatus]:
    """Unload what processes that are gone left behind; returns it."""
    return _unload([mic for mic in status() if not mic.alive])


def unload() -> list[MicStatus]:
    """Unload every virtual microphone of this project, also those in use; returns them."""
    return _unload(status())


def _unload(mics: list[MicStatus]) -> list[MicStatus]:
    for mic in mics:
        for index in reversed(mic.modules):
            with suppress(DeviceError):  # the remapped source goes by itself with its master
                pulse.unload_module(index)
    return mics


def find_cable(devices: Sequence[DeviceInfo], platform: str = sys.platform) -> DeviceInfo:
    """The loopback driver to play to on macOS and Windows; else says exactly what to install."""
    part, cure = CABLES.get(platform, ("", ""))
    if not part:
        raise DeviceError(f"virtual microphones are not supported on {platform!r}")
    for device in devices:
        if part.casefold() in device.name.casefold() and device.out_channels:
            return device
    raise MissingLibraryError(f"a virtual microphone needs a loopback driver here: install {cure}")
