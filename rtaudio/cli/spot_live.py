"""`rtaudio spot` without files: words from the microphone, as they are spoken."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time

from rtaudio.cli.interrupts import Interrupts
from rtaudio.cli.keys import Keys
from rtaudio.cli.meters import trouble
from rtaudio.cli.session import REFRESH_S
from rtaudio.cli.spot_outlets import Outlets, listener_builder
from rtaudio.cli.spot_view import SpotMeters, obey
from rtaudio.cli.terminal import note
from rtaudio.devices.portaudio import PortAudioDevice
from rtaudio.dsp.spotter import Spotter
from rtaudio.engine.live import LiveEngine
from rtaudio.engine.watchdog import Watchdog
from rtaudio.tasks.listen import USUAL_RATE, open_microphone
from rtaudio.tasks.spotting import POLL_S, LiveEvents, spotter_of


def run(args: argparse.Namespace) -> int:
    build = listener_builder(args)
    build(USUAL_RATE)  # what can't work is refused before a device is opened
    with contextlib.ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        outlets = stack.enter_context(Outlets(args))
        engine, listener = open_microphone(build, args.input)
        spotter = spotter_of(listener)
        ended = _run_until_done(engine, spotter, outlets, interrupts, args)
        outlets.close(wait=ended != "interrupted")
        stats = engine.stats()
        outlets.sum_up(
            stats.seconds,
            ended=ended,
            device=_name(engine),
            words=[word for word, on in spotter.enabled.items() if on],
            thresholds=spotter.thresholds,
            lost_events=spotter.lost_events,
            spared_frames=spotter.spared_frames,
            counters=trouble(stats),
            stats=stats.as_dict(),
        )
    return 130 if ended == "interrupted" else 0


def _run_until_done(
    engine: LiveEngine, spotter: Spotter, outlets: Outlets, interrupts: Interrupts, args: argparse.Namespace
) -> str:
    """Tell of words until the end, whatever it is; the device is closed on return."""
    words = tuple(word for word, on in spotter.enabled.items() if on)
    note(f"{_name(engine)}: listening for {', '.join(words)}")
    if not engine.priority.granted:
        note(engine.priority.reason)
    if not sys.stderr.isatty():
        note("running; Ctrl-C stops")
    watchdog = Watchdog(engine, note)
    watchdog.start()
    try:
        return _watch(engine, spotter, words, outlets, interrupts, args)
    finally:
        watchdog.stop()
        engine.stop()


def _watch(
    engine: LiveEngine,
    spotter: Spotter,
    words: tuple[str, ...],
    outlets: Outlets,
    interrupts: Interrupts,
    args: argparse.Namespace,
) -> str:
    """Show events, meters and obey keys; says what ended it."""
    begun_s = shown_s = time.monotonic()
    live = LiveEvents(spotter)
    moving = sys.stderr.isatty() and not args.no_meters and not (outlets.jsonl and sys.stdout.isatty())
    with contextlib.ExitStack() as stack:
        keys = stack.enter_context(Keys())
        meters = stack.enter_context(SpotMeters(spotter, words, keys.listening)) if moving else None
        if meters is not None:
            outlets.show = meters.print
            stack.callback(setattr, outlets, "show", print)
        while True:
            key = keys.wait(POLL_S)
            for event in live.take():
                outlets.tell(event)
            outlets.look()
            now_s = time.monotonic()
            if interrupts.wanted:
                return "interrupted"
            if key == "q":
                return "quit"
            if args.duration is not None and now_s - begun_s >= args.duration:
                return "duration"
            obey(key, spotter, words)
            if meters is not None and now_s - shown_s >= REFRESH_S:
                meters.show(engine.stats())
                shown_s = now_s


def _name(engine: LiveEngine) -> str:
    device = engine.device
    return device.input.name if isinstance(device, PortAudioDevice) else type(device).__name__
