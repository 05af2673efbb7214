"""`rtaudio spot --wyoming`: a wake-word server for Home Assistant."""

from __future__ import annotations

import argparse
import asyncio

from rtaudio.cli.interrupts import Interrupts
from rtaudio.cli.spot_outlets import listener_builder
from rtaudio.cli.terminal import note
from rtaudio.tasks.wyoming import WyomingServer

LOOK_S = 0.2


def run(args: argparse.Namespace) -> int:
    server = WyomingServer(args.wyoming, listener_builder(args))
    with Interrupts() as interrupts:
        asyncio.run(_serve(server, interrupts))
    return 130


async def _serve(server: WyomingServer, interrupts: Interrupts) -> None:
    await server.start()
    note(f"{server.uri}: serving {', '.join(server.words)}; Ctrl-C stops")
    while not interrupts.wanted:
        await asyncio.sleep(LOOK_S)
    await server.stop()
