"""`rtaudio denoise` without files: microphone in, clean voice out."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator

from rtaudio.cli.session import print_summary, summary, watch
from rtaudio.cli.terminal import note, print_json
from rtaudio.devices.portaudio import PortAudioDevice, find_device, native_block
from rtaudio.engine.budget import plan_budget
from rtaudio.engine.live import LiveEngine, Tap
from rtaudio.engine.watchdog import Watchdog
from rtaudio.errors import BudgetError
from rtaudio.stream.stage import NativeStage
from rtaudio.tasks.denoise import build_denoiser

SAMPLE_RATE = 48000


def run(args: argparse.Namespace) -> int:
    stage = build_denoiser(args.model, strength=args.strength, atten_limit_db=args.atten_limit)
    plan_budget(stage, SAMPLE_RATE, budget_ms=args.budget)  # what no device could meet is refused first
    with contextlib.ExitStack() as stack:
        output = args.output
        if args.virtual_mic is not None:
            output = stack.enter_context(_virtual_mic(args.virtual_mic))
        tap = stack.enter_context(_recorder(*args.record)) if args.record else None
        engine = open_engine(stage, args.input, output, args.budget, tap)
        ended = _run_until_done(engine, args)
        told = summary(engine, ended, model=str(args.model), devices=_names(engine))
    if args.json:
        print_json(told)
    else:
        print_summary(told)
    return 130 if ended == "interrupted" else 0


def open_engine(
    stage: NativeStage, source: str | None, sink: str | None, budget_ms: float | None, tap: Tap | None = None
) -> LiveEngine:
    """A running engine within the budget, counted with what the devices declare once they are open.

    That is often more than asked for: then a second plan is made with it. Raises BudgetError
    where the delay is still over, DeviceError where a device can't be opened.
    """
    block = native_block(find_device(source, "input"))
    device_blocks = (1.0, 1.0)
    for _ in range(2):
        plan = plan_budget(stage, SAMPLE_RATE, budget_ms=budget_ms, block=block, device_blocks=device_blocks)
        device = PortAudioDevice(source, sink, sample_rate=SAMPLE_RATE, block=plan.block)
        engine = LiveEngine(stage, device, plan, tap=tap)
        engine.start()
        parts = engine.latency_parts()
        if budget_ms is None or sum(parts.values()) <= budget_ms:
            return engine
        engine.stop()
        per_block = SAMPLE_RATE / plan.block
        device_blocks = device.capture_latency_s * per_block, device.playback_latency_s * per_block
    told = " + ".join(f"{name} {ms:.1f}" for name, ms in parts.items())
    raise BudgetError(
        f"a budget of {budget_ms:g} ms can't be met with these devices: {sum(parts.values()):.1f} ms = {told}"
    )


def _run_until_done(engine: LiveEngine, args: argparse.Namespace) -> str:
    """Show and obey until the end, whatever it is; the device is closed on return."""
    _announce(engine)
    watchdog = Watchdog(engine, note)
    try:
        watchdog.start()
        return watch(engine, meters=not args.no_meters, duration_s=args.duration)
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        watchdog.stop()
        engine.stop()


def _announce(engine: LiveEngine) -> None:
    names = _names(engine)
    parts = engine.latency_parts()
    told = " + ".join(f"{name} {ms:.1f}" for name, ms in parts.items())
    note(f"{names['input']} -> {names['output']}, {sum(parts.values()):.1f} ms = {told}")
    if not sys.stderr.isatty():
        note("running; Ctrl-C stops")


def _names(engine: LiveEngine) -> dict[str, str]:
    device = engine.device
    assert isinstance(device, PortAudioDevice)
    return {"input": device.input.name, "output": device.output.name}


@contextlib.contextmanager
def _virtual_mic(name: str) -> Iterator[str]:
    """A virtual microphone for as long as this lasts; yields the output device that feeds it."""
    from rtaudio.devices.virtual_mic import VirtualMic

    with VirtualMic(name) if name else VirtualMic() as microphone:
        note(f"other programs can now pick the microphone {microphone.description!r}")
        yield microphone.sink


@contextlib.contextmanager
def _recorder(in_path: str, out_path: str) -> Iterator[Tap]:
    from rtaudio.devices.recorder import Recorder

    with Recorder(in_path, out_path, SAMPLE_RATE) as recorder:
        yield recorder
