"""`rtaudio devices`: what can be recorded from and played to."""

from __future__ import annotations

import argparse

from rtaudio.cli.options import Verbs, verb


def add_parser(verbs: Verbs) -> None:
    verb(verbs, "devices", run, help="list microphones and speakers")


def run(args: argparse.Namespace) -> int:
    from rtaudio.cli.terminal import console, note, print_json, table
    from rtaudio.devices.portaudio import list_devices

    devices = list_devices()
    if args.json:
        print_json([device.as_dict() for device in devices])
        return 0
    shown = table("Audio devices", "#", "name", "through", "in", "out", "rate", "default", right=(0, 3, 4, 5))
    for device in devices:
        default = " ".join(
            kind for kind, is_it in (("in", device.default_input), ("out", device.default_output)) if is_it
        )
        name = device.name if device.node in (None, device.name) else f"{device.name}\n  {device.node}"
        numbers = (device.in_channels or "-", device.out_channels or "-", device.default_rate)
        shown.add_row(str(device.index), name, device.host_api, *map(str, numbers), default)
    if devices:
        console().print(shown)
    else:
        note("there are no audio devices; `rtaudio doctor` says why")
    return 0
