"""What devices there are, and what is known of them before they are opened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from rtaudio.devices import pulse
from rtaudio.devices.catalogue import DeviceInfo, Kind, find
from rtaudio.devices.portaudio.library import JACK, library, quiet, rescan
from rtaudio.errors import DeviceError

PULSE_DEVICES = ("pulse", "default")
"""ALSA devices that end at the Pulse server where Debian's libasound2-plugins is installed."""

JACK_PLUG_IN = "jack"
"""The ALSA device that ends at the JACK server where libasound2-plugins is installed."""

RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 192000)
"""Rates tried where one was refused."""


def list_devices() -> list[DeviceInfo]:
    """What there is now: PortAudio's devices, then the sources and sinks of a Pulse server."""
    sd = library()
    rescan(sd)
    apis = sd.query_hostapis()
    default = _defaults(sd, apis)
    devices = [
        DeviceInfo(
            index=entry["index"],
            name=entry["name"],
            host_api=apis[entry["hostapi"]]["name"],
            in_channels=entry["max_input_channels"],
            out_channels=entry["max_output_channels"],
            default_rate=round(entry["default_samplerate"]),
            in_latency_s=entry["default_low_input_latency"] if entry["max_input_channels"] else 0.0,
            out_latency_s=entry["default_low_output_latency"] if entry["max_output_channels"] else 0.0,
            default_input=entry["index"] == default[0],
            default_output=entry["index"] == default[1],
        )
        for entry in sd.query_devices()
    ]
    return devices + _pulse_nodes(devices)


def _defaults(sd: Any, apis: Sequence[Any]) -> tuple[int, int]:
    """PortAudio's default input and output; JACK's own in place of ALSA's road to the same server.

    ALSA's plug-in hands over several blocks at once where JACK's period is long, and rings run empty.
    """
    own: Any = next((api for api in apis if api["name"] == JACK), {})

    def default(kind: str, index: int) -> int:
        if index < 0 or sd.query_devices(index)["name"] != JACK_PLUG_IN:
            return index
        in_jack: int = own.get(f"default_{kind}_device", -1)
        return in_jack if in_jack >= 0 else index

    input, output = sd.default.device
    return default("input", input), default("output", output)


def _gate(devices: list[DeviceInfo]) -> DeviceInfo | None:
    """The ALSA device through which the Pulse server is reached."""
    return next((device for device in devices if device.name == "pulse" and not device.node), None)


def _pulse_nodes(devices: list[DeviceInfo]) -> list[DeviceInfo]:
    gate = _gate(devices)
    if gate is None:
        return []
    try:
        nodes = [(node, True) for node in pulse.sources()] + [(node, False) for node in pulse.sinks()]
    except DeviceError:  # `pulse` may be there without pactl; it then serves the default alone
        return []
    return [
        DeviceInfo(
            index=index,
            name=node.description,
            host_api="PulseAudio",
            in_channels=node.channels if records else 0,
            out_channels=0 if records else node.channels,
            default_rate=node.sample_rate,
            in_latency_s=gate.in_latency_s if records else 0.0,
            out_latency_s=0.0 if records else gate.out_latency_s,
            node=node.name,
        )
        for index, (node, records) in enumerate(nodes, len(devices))
    ]


def find_device(query: int | str | None, kind: Kind) -> DeviceInfo:
    """The device meant by an index, a name or a part of one; DeviceError names the near matches."""
    return find(list_devices(), query, kind)


def native_block(device: DeviceInfo) -> int | None:
    """Frames in which the device's server works, where it has such a size: JACK's period.

    Any other block makes PortAudio gather or split, which costs up to one block of delay.
    """
    return round(device.in_latency_s * device.default_rate) if device.host_api == JACK else None


def burst(device: DeviceInfo) -> int:
    """Blocks the device may hand over at once.

    A Pulse server passes sound on in pieces of its own, so every few seconds two blocks come
    together (in 8 s with blocks of 480 on a busy machine, up to 41 times).
    """
    return 2 if reaches_pulse(device) else 1


def reaches_pulse(device: DeviceInfo) -> bool:
    """Whether a stream on the device ends at the Pulse server."""
    return device.node is not None or device.name in PULSE_DEVICES


def end_of(devices: list[DeviceInfo], device: DeviceInfo) -> int:
    """PortAudio's index for a device: its own, or that of the gate to the Pulse server."""
    gate = _gate(devices)
    return gate.index if device.node and gate else device.index


def supported_rates(input: DeviceInfo, output: DeviceInfo, rates: Sequence[int]) -> list[int]:
    """Those of the rates that both devices accept, in the same order; none where one is busy.

    A microphone alone is its own output.
    """
    sd, devices = library(), list_devices()
    ends = end_of(devices, input), end_of(devices, output)
    accepted = []
    for rate in rates:
        with quiet(), contextlib.suppress(sd.PortAudioError, ValueError):
            sd.check_input_settings(ends[0], samplerate=rate, channels=1, dtype="float32")
            if output.out_channels:
                sd.check_output_settings(ends[1], samplerate=rate, channels=1, dtype="float32")
            accepted.append(rate)
    return accepted


def usable_rates(input: DeviceInfo, output: DeviceInfo) -> list[int]:
    """Rates that both devices accept, each once: their default rates, then the highest first."""
    tried = dict.fromkeys([input.default_rate, output.default_rate, *RATES[::-1]])
    return supported_rates(input, output, list(tried))


def common_rate(
    input: DeviceInfo, output: DeviceInfo, wanted: int, serves: Callable[[int], bool] = lambda rate: True
) -> int:
    """The rate to run both devices at: `wanted` where they can, else one of theirs that `serves`.

    Then their default rates come first, then the highest. Where nothing is accepted it is `wanted`:
    opening will tell why. Raises DeviceError where what is accepted doesn't serve.
    """
    if supported_rates(input, output, [wanted]):
        return wanted
    accepted = usable_rates(input, output)
    serving = [rate for rate in accepted if serves(rate)]
    if accepted and not serving:
        names = " and ".join(dict.fromkeys(repr(device.name) for device in (input, output)))
        raise DeviceError(
            f"{names} cannot run at {wanted} Hz, and at {', '.join(map(str, accepted))} Hz "
            f"hops are no whole number of samples: set the device to {wanted} Hz"
        )
    return serving[0] if serving else wanted
