"""`rtaudio denoise` without files: microphone in, clean voice out."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from rtaudio.cli.interrupts import Interrupts
from rtaudio.cli.options import model_options
from rtaudio.cli.session import print_summary, summary, watch
from rtaudio.cli.terminal import note, print_json
from rtaudio.devices.portaudio import PortAudioDevice, common_rate, find_device, list_devices, native_block
from rtaudio.dsp.resample import MOST_HOPS, AtRate, at_rate, hops_at_once
from rtaudio.engine.budget import plan_budget
from rtaudio.engine.live import LiveEngine
from rtaudio.engine.watchdog import Watchdog
from rtaudio.errors import DeviceError
from rtaudio.stream.stage import NativeStage
from rtaudio.tasks.denoise import build_denoiser
from rtaudio.tasks.live import open_engine

if TYPE_CHECKING:
    from rtaudio.devices.recorder import Recorder

SAMPLE_RATE = 48000


def run(args: argparse.Namespace) -> int:
    stage = _build(args)
    plan_budget(stage, SAMPLE_RATE, budget_ms=args.budget)  # what no device could meet is refused first
    with contextlib.ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        output = args.output
        if args.virtual_mic is not None:
            output = stack.enter_context(_virtual_mic(args.virtual_mic))
        rate = _device_rate(stage, args.input, output)
        recorder = stack.enter_context(_recorder(args.record, rate)) if args.record else None
        resampled = at_rate(stage, SAMPLE_RATE, rate)
        engine = open_engine(resampled, rate, args.input, output, args.budget, recorder)
        ended = _run_until_done(engine, interrupts, args)
        told = summary(engine, ended, model=str(args.model), devices=_names(engine))
    if args.json:
        print_json(told)
    else:
        print_summary(told)
    if ended == "interrupted":
        return 130
    if engine.failure is not None:
        raise engine.failure
    if recorder is not None and recorder.error is not None:
        raise recorder.error
    return 0


def _build(args: argparse.Namespace) -> NativeStage:
    """The denoiser on the device that was asked for, or on the CPU where there is no GPU."""
    native = build_denoiser(**model_options(args), block=_period(args.input))
    if args.device == "cpu":
        return native
    from rtaudio.tasks.denoise_gpu import on_gpu

    try:
        return on_gpu(args.model, native)
    except DeviceError as error:
        note(f"{error}; denoising on the CPU")
        return native


def _device_rate(stage: NativeStage, source: str | None, sink: str | None) -> int:
    """The rate to open the devices at; where it isn't the model's, a line says so."""
    microphone, speakers = find_device(source, "input"), find_device(sink, "output")
    rate = common_rate(
        microphone, speakers, SAMPLE_RATE, lambda rate: hops_at_once(stage, SAMPLE_RATE, rate) <= MOST_HOPS
    )
    if rate != SAMPLE_RATE:
        note(f"the device runs at {rate} Hz: {_resampling(stage, rate)}")
    return rate


def _resampling(stage: NativeStage, rate: int) -> str:
    """What it means for a stage to run at the rate of a device, in words."""
    resampled = at_rate(stage, SAMPLE_RATE, rate)
    if not isinstance(resampled, AtRate):
        return "the model's own"
    inner, inner_rate = resampled.inner, resampled.inner_rate
    delay_ms = 1000 * (resampled.latency / rate - inner.latency / inner_rate)
    told = f"resampled to {inner_rate} and back, {delay_ms:.1f} ms of delay"
    if resampled.hops == 1:
        return told
    hop_ms = 1000 * inner.in_spec.size / inner_rate
    return f"{told}, and {resampled.hops} hops of {hop_ms:g} ms at once"


def _period(source: str | None) -> int | None:
    """Samples the microphone hands over at once, where that isn't ours to choose."""
    with contextlib.suppress(DeviceError):  # raised again when it is opened
        return native_block(find_device(source, "input"))
    return None


def _run_until_done(engine: LiveEngine, interrupts: Interrupts, args: argparse.Namespace) -> str:
    """Show and obey until the end, whatever it is; the device is closed on return."""
    _announce(engine)
    watchdog = Watchdog(engine, note)
    watchdog.start()
    try:
        return watch(engine, interrupts, meters=not args.no_meters, duration_s=args.duration)
    finally:
        watchdog.stop()
        engine.stop()


def _announce(engine: LiveEngine) -> None:
    names = _names(engine)
    parts = engine.latency_parts()
    told = " + ".join(f"{name} {ms:.1f}" for name, ms in parts.items())
    note(f"{names['input']} -> {names['output']}, {sum(parts.values()):.1f} ms = {told}")
    if not engine.gil_free:
        note("not GIL-free: the model runs in a Python worker; hops it is late with stay untouched")
    if not engine.priority.granted:
        note(engine.priority.reason)
    if not sys.stderr.isatty():
        note("running; Ctrl-C stops")


def _names(engine: LiveEngine) -> dict[str, str]:
    device = engine.device
    assert isinstance(device, PortAudioDevice)
    return {"input": device.input.name, "output": device.output.name}


@contextlib.contextmanager
def _virtual_mic(name: str | Literal[True]) -> Iterator[str]:
    """A virtual microphone, True of the usual name, while this lasts; yields the output that feeds it."""
    from rtaudio.devices.virtual_mic import VirtualMic, find_cable

    if sys.platform != "linux":
        cable = find_cable(list_devices())
        note(f"playing into {cable.name!r}: pick its other end as the microphone")
        yield str(cable.index)
        return
    # Names on the server are words; what people read in a list may be anything.
    names = () if name is True else (re.sub(r"[^A-Za-z0-9_.-]+", "_", name), name)
    with VirtualMic(*names) as microphone:
        note(f"other programs can now pick the microphone {microphone.description!r}")
        yield microphone.sink


def _recorder(paths: list[str], rate: int) -> Recorder:
    from rtaudio.devices.recorder import Recorder

    before, after = paths
    return Recorder(before, after, rate)
