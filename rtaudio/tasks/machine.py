"""What a measurement depends on: processor, system, rights, versions."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from rtaudio import __version__

FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd")  # what our kernels can use
PACKAGES = ("numpy", "numba", "torch", "onnxruntime")  # versions that change the numbers

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
MACHINE_ID = Path("/etc/machine-id")


def machine() -> dict[str, Any]:
    """CPU, cores this process may use, flags of interest, system and versions."""
    info = _cpuinfo()
    flags = set(info.get("flags", info.get("Features", "")).split())
    return {
        "cpu": info.get("model name", platform.processor() or platform.machine()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "os": f"{platform.system()} {platform.release()}",
        "rtaudio": __version__,
        "python": platform.python_version(),
        **{name: version for name in PACKAGES if (version := installed(name))},
    }


def environment(*, cuda: bool = False) -> dict[str, Any]:
    """`machine`, and what else tells two measurements apart.

    With `cuda`, `gpu` is the name of the GPU that torch sees, if it sees one. `id` is a hash of the
    system's own identity, "" where it has none; `load_average` is how many programs wanted to run in
    the last minute.
    """
    identity = _read(MACHINE_ID)
    return {
        **machine(),
        **(_gpu() if cuda else {}),
        "id": hashlib.sha256(f"rtaudio {identity}".encode()).hexdigest()[:12] if identity else "",
        "governor": _read(GOVERNOR) or "not told",
        "kernel": platform.version(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def same_machine(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two `environment`s are of one machine, so that their times may be set against each other."""
    if any(one.get(key) != other.get(key) for key in ("cpu", "cores", "flags")):
        return False
    ids = {one.get("id"), other.get("id")} - {"", None}
    return len(ids) < 2


def machine_line(info: dict[str, Any]) -> str:
    """A `machine` in one line."""
    flags = " ".join(info["flags"]) or "no wide vectors"
    gpu = f"{info['gpu']}; " if "gpu" in info else ""
    return f"{info['cpu']}, {info['cores']} cores ({flags}); {gpu}{info['os']}; {versions_line(info)}"


def versions_line(info: dict[str, Any]) -> str:
    """What of a `machine` is software that it can be installed with in another version."""
    return ", ".join(f"{name} {info[name]}" for name in ("rtaudio", "python", *PACKAGES) if name in info)


def installed(package: str) -> str | None:
    """Version of an installed package, without importing it; None where it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _gpu() -> dict[str, str]:
    from rtaudio.nn.torch.cuda import gpu_name

    name = gpu_name()
    return {"gpu": name} if name else {}


def _cpuinfo() -> dict[str, str]:
    lines = _read(Path("/proc/cpuinfo")).split("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
