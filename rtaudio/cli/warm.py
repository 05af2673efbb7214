"""`rtaudio warm`: compile every kernel now, so that no start has to."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import time
from types import ModuleType

from rtaudio.cli.options import Verbs, verb

PACKAGES = ("kernels", "stream", "dsp", "nn", "engine", "devices", "tasks")


def add_parser(verbs: Verbs) -> None:
    verb(verbs, "warm", run)  # no help: not listed, since scripts/setup is who calls it


def run(args: argparse.Namespace) -> int:
    from rtaudio.cli.terminal import print_json

    started = time.perf_counter()
    modules = import_all()
    build_once()
    seconds = time.perf_counter() - started
    if args.json:
        print_json({"modules": len(modules), "seconds": seconds})
    else:
        print(f"{len(modules)} modules ready in {seconds:.1f} s")
    return 0


def import_all() -> list[str]:
    """Import every module that may hold kernels: importing compiles what isn't in the cache.

    One that needs a package that isn't installed (torch, say) is left out: live audio doesn't need it.
    """
    names = []
    for package in PACKAGES:
        home: ModuleType = importlib.import_module(f"rtaudio.{package}")
        for module in pkgutil.iter_modules(home.__path__, f"{home.__name__}."):
            if not module.name.endswith(("_torch", "_onnx")):  # optional, not live, and slow to import
                try:
                    importlib.import_module(module.name)
                except ModuleNotFoundError as error:
                    if (error.name or "").startswith("rtaudio"):
                        raise
                else:
                    names.append(module.name)
    return names


def build_once() -> None:
    """Build a denoiser and run it for a hop: what it compiles for itself is cached too."""
    import numpy as np

    from rtaudio.nn.weights import list_models
    from rtaudio.tasks.denoise import build_denoiser

    if not list_models():
        return
    stage = build_denoiser()
    stage.process(np.zeros(stage.in_spec.shape, np.float32), np.zeros(stage.out_spec.shape, np.float32))
