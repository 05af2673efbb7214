"""What live audio needs of this machine: looked at one by one, each with a way to mend it."""

from __future__ import annotations

import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rtaudio.errors import RtaudioError
from rtaudio.tasks.machine import machine, versions_line

Level = Literal["ok", "warn", "fail"]

SELF_TEST_S = 3.0


@dataclass(frozen=True)
class Check:
    """One finding: `warn` means it works, but not as well as it could; `fail` that it doesn't."""

    name: str
    level: Level
    text: str
    mend: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def run_checks() -> Iterator[Check]:
    """Look at everything, cheapest first, yielding each finding as it is known."""
    for name, check in CHECKS.items():
        try:
            yield check(name)
        except RtaudioError as error:
            yield Check(name, "fail", str(error))
        except Exception as error:  # a checker that fails is a finding, not a crash
            yield Check(name, "fail", f"{type(error).__name__}: {error}")


def _rtaudio(name: str) -> Check:
    return Check(name, "ok", versions_line(machine()).removeprefix(f"{name} "))


def _processor(name: str) -> Check:
    import llvmlite.binding as llvm

    from rtaudio.kernels.simd_int8 import DOT4_KIND

    have = {flag for flag, on in llvm.get_host_cpu_features().items() if on}
    shown = [flag for flag in ("avx2", "fma", "avx512f", "avx512vnni", "neon") if flag in have]
    units = " ".join(shown) or "no vector units known here"
    text = f"{platform.machine()}, {os.cpu_count()} cores, {units}; int8 kernels: {DOT4_KIND}"
    if platform.machine() in ("x86_64", "AMD64") and "avx2" not in have:
        return Check(name, "warn", text, "nets take several times longer without AVX2; use a newer processor")
    return Check(name, "ok", text)


def _portaudio(name: str) -> Check:
    from rtaudio.devices.portaudio import library

    version = library().get_portaudio_version()[1]
    return Check(name, "ok", version.split(",")[0])


def _devices(name: str) -> Check:
    from rtaudio.devices.portaudio import list_devices

    devices = list_devices()
    inputs, outputs = sum(d.in_channels > 0 for d in devices), sum(d.out_channels > 0 for d in devices)
    text = f"{inputs} to record from, {outputs} to play to"
    if inputs and outputs:
        return Check(name, "ok", text)
    return Check(
        name, "warn", text, "plug in a sound card or start a sound server; files and the demo need none"
    )


def _servers(name: str) -> Check:
    from rtaudio.devices.portaudio import JACK, list_devices
    from rtaudio.devices.pulse import pactl

    found = []
    if any(device.host_api == JACK for device in list_devices()):
        found.append("JACK")
    try:
        lines = pactl("info").splitlines()
        found += [line.split(":", 1)[1].strip() for line in lines if line.startswith("Server Name:")]
    except RtaudioError:
        pass
    if found or sys.platform != "linux":
        return Check(name, "ok", ", ".join(found) or "the system's own")
    mend = "systemctl --user start pipewire-pulse, or pulseaudio --start (the virtual microphone needs one)"
    return Check(name, "warn", "no PulseAudio, PipeWire or JACK answers", mend)


def _priority(name: str) -> Check:
    from rtaudio.engine.priority import MEND, PriorityResult, raise_priority

    results: list[PriorityResult] = []
    # Tried on a thread that ends at once.
    thread = threading.Thread(target=lambda: results.append(raise_priority([threading.get_native_id()])))
    thread.start()
    thread.join()
    if results[0].granted:
        return Check(name, "ok", "allowed")
    if sys.platform != "linux":
        return Check(name, "ok", results[0].reason)
    return Check(name, "warn", "not allowed: a busy machine may cause drop-outs", MEND)


def _cache(name: str) -> Check:
    from rtaudio.kernels import cache_folder

    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return Check(
            name, "fail", f"{folder}: {error.strerror}", "set RTAUDIO_CACHE to a folder that can be written"
        )
    if not os.access(folder, os.W_OK):
        return Check(name, "fail", f"{folder} cannot be written", "set RTAUDIO_CACHE to a folder that can")
    compiled = sum(1 for _ in folder.rglob("*.nbi"))
    if not compiled:
        return Check(name, "warn", f"{folder} is empty: the next start compiles", "rtaudio warm")
    return Check(name, "ok", f"{compiled} compiled functions in {folder}")


def _models(name: str) -> Check:
    from rtaudio.nn.weights import find_weights, list_models, load_weights

    names = list_models()
    for model in names:
        load_weights(find_weights(model))
    if not names:
        return Check(name, "fail", "no weights in the package", "install rtaudio again")
    return Check(name, "ok", f"{', '.join(names)}: contents match their hashes")


def _live_path(name: str) -> Check:
    import numpy as np

    from rtaudio.devices.simulated import SimulatedDevice
    from rtaudio.engine.live import LiveEngine
    from rtaudio.tasks.denoise import build_denoiser

    rate = 48000
    noise = 0.05 * np.random.default_rng(0).standard_normal(int(SELF_TEST_S * rate))
    with LiveEngine(
        build_denoiser(), SimulatedDevice(noise.astype(np.float32), rate, clock="real")
    ) as engine:
        engine.wait(10 * SELF_TEST_S)
    stats = engine.stats()
    late = stats.deadline_misses + stats.ring_underflows + stats.ring_overflows
    times = (
        f"p50 {stats.compute_us_p50:.0f}, p99 {stats.compute_us_p99:.0f}, max {stats.compute_us_max:.0f} µs"
    )
    text = f"{stats.hops} hops, {late} late; {times} of {stats.deadline_us:.0f}"
    if late == 0:
        return Check(name, "ok", text)
    mend = "the machine is busy or slow: close other programs, or allow real-time priority"
    return Check(name, "warn" if late < stats.hops / 10 else "fail", text, mend)


CHECKS: dict[str, Callable[[str], Check]] = {
    "rtaudio": _rtaudio,
    "processor": _processor,
    "PortAudio": _portaudio,
    "devices": _devices,
    "sound servers": _servers,
    "real-time priority": _priority,
    "compiled kernels": _cache,
    "models": _models,
    "live path, 3 s": _live_path,
}
