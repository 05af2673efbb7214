"""`rtaudio models`: the nets that are shipped, what they cost and how they score."""

from __future__ import annotations

import argparse
from typing import Any

from rtaudio.cli.options import Verbs, verb


def add_parser(verbs: Verbs) -> None:
    verb(verbs, "models", run, help="list the models that come with rtaudio")


def run(args: argparse.Namespace) -> int:
    from rtaudio.cli.terminal import console, print_json, table
    from rtaudio.nn.weights import list_models

    models = [_describe(name) for name in list_models()]
    if args.json:
        print_json(models)
        return 0
    shown = table(
        "Models", "name", "for", "latency", "parameters", "size", "licence", "scores", right=(2, 3, 4)
    )
    for model in models:
        scores = "\n".join(f"{name} {value}" for name, value in _flat(model["scores"]))
        latency = f"{model['latency_ms']:.0f} ms" if model["latency_ms"] is not None else ""
        size = f"{model['bytes'] / 1e6:.1f} MB"
        shown.add_row(
            model["name"],
            model["net"],
            latency,
            f"{model['parameters']:,}",
            size,
            str(model["licence"]),
            scores,
        )
    console().print(shown)
    print(f"int8 kernels here, for --precision int8 and an overloaded engine: {int8_kernels()}")
    for model in models:
        print(f"card: {model['card_file']}")
    return 0


def _scores_of_run(run: dict[str, Any]) -> dict[str, Any]:
    """What training measured on its validation mixes, where the card has no scores of its own."""
    names = {"si_sdr_gain_db": "SI-SDR gain dB", "si_sdr_worst_gain_db": "worst gain dB"}
    return {label: run[name] for name, label in names.items() if name in run}


def _describe(name: str) -> dict[str, Any]:
    from rtaudio.nn.denoise_config import DenoiseConfig
    from rtaudio.nn.weights import find_weights, load_weights

    path = find_weights(name)
    weights = load_weights(path)
    latency_ms = None
    if weights.net == "denoise":  # what only listens delays nothing
        config = DenoiseConfig(**weights.config)
        latency_ms = 1000 * config.latency / config.sample_rate
    return {
        "name": name,
        "net": weights.net,
        "latency_ms": latency_ms,
        "parameters": sum(tensor.size for tensor in weights.tensors.values()),
        "bytes": path.stat().st_size,
        "licence": weights.card.get("licence", "see its card"),
        "scores": weights.card.get("scores") or _scores_of_run(weights.card.get("run", {})),
        "card_file": str(path.with_suffix(".md")),
        "card": weights.card,
        "int8_kernels": int8_kernels(),
    }


def int8_kernels() -> str:
    """How this CPU sums products of bytes."""
    from rtaudio.kernels.simd_int8 import DOT4_KIND

    return DOT4_KIND


def _flat(scores: Any) -> list[tuple[str, Any]]:
    """Scores as pairs of name and value, nested ones with their group's name before them."""
    if not isinstance(scores, dict):
        return [("", scores)] if scores else []
    pairs: list[tuple[str, Any]] = []
    for name, value in scores.items():
        if isinstance(value, dict):
            pairs += [(f"{name} {inner}", v) for inner, v in _flat(value)]
        else:
            pairs.append((name, round(value, 2) if isinstance(value, float) else value))
    return pairs
