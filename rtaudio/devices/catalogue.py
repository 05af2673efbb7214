"""The list of devices a user may choose from, and how a name finds one of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rtaudio.errors import DeviceError

Kind = Literal["input", "output"]


@dataclass(frozen=True)
class DeviceInfo:
    """One entry of the list: a PortAudio device, or a source or sink of a Pulse server."""

    index: int
    """Number shown to the user, and taken from him."""
    name: str
    host_api: str
    in_channels: int
    out_channels: int
    default_rate: int
    in_latency_s: float
    """Lowest latency the device declares for capture; 0 where it declares none."""
    out_latency_s: float
    default_input: bool = False
    default_output: bool = False
    node: str | None = None
    """Name of the Pulse source or sink; None for a PortAudio device."""

    def channels(self, kind: Kind) -> int:
        return self.in_channels if kind == "input" else self.out_channels

    def is_default(self, kind: Kind) -> bool:
        return self.default_input if kind == "input" else self.default_output

    @property
    def title(self) -> str:
        """All by which it can be found: description, node, host API."""
        return " ".join(part for part in (self.name, self.node, self.host_api) if part)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def find(devices: Sequence[DeviceInfo], query: int | str | None, kind: Kind) -> DeviceInfo:
    """The device meant by `query`: its index, its exact name, or any part of its title.

    None means the default. Upper and lower case are the same; where a part fits several
    devices, the first in the list is taken. DeviceError lists the near matches.
    """
    able = [device for device in devices if device.channels(kind) > 0]
    if not able:
        raise DeviceError(f"no audio {kind} device: is a sound server (PulseAudio, PipeWire, JACK) running?")
    if query is None:
        return next((device for device in able if device.is_default(kind)), able[0])
    if isinstance(query, int) or query.isdecimal():
        return _by_index(devices, int(query), kind)
    wanted = query.casefold()
    exact = [device for device in able if wanted in (device.name.casefold(), (device.node or "").casefold())]
    part = [device for device in able if wanted in device.title.casefold()]
    # An empty name is a part of every other, and a variable that wasn't set rather than a wish.
    if not wanted or (not exact and not part):
        raise DeviceError(f"no {kind} device matches {query!r}; {_near(able, wanted)}")
    return (exact or part)[0]


def _by_index(devices: Sequence[DeviceInfo], index: int, kind: Kind) -> DeviceInfo:
    for device in devices:
        if device.index == index:
            if device.channels(kind) == 0:
                raise DeviceError(f"device {index} ({device.name}) has no {kind} channels")
            return device
    raise DeviceError(f"no device has index {index}: the list goes from 0 to {len(devices) - 1}")


def _near(able: Sequence[DeviceInfo], wanted: str) -> str:
    names = {name.casefold(): name for device in able for name in (device.node, device.name) if name}
    # 0.4: a mistyped short name (`rtaudoi_mik` for `rtaudio_mic`) is still found, a stranger isn't.
    close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.4)
    heading = "did you mean" if close else "there are"
    return f"{heading} {', '.join(repr(names[key]) for key in close or sorted(names))}"
