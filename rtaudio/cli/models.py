"""`rtaudio models`: the nets that are shipped, what they cost and how they score."""

from __future__ import annotations

import argparse
from typing import Any

from rtaudio.cli.options import Verbs, verb

REFERENCE = "RNNoise 0.2"
UNMEASURED = {"compute_us_p50": None, "cpu_share": None}
"""Of what is no denoiser."""


DESCRIPTION = """\
List the models that come with rtaudio: what they delay and cost, and how they score.

delay      the whole of a denoiser's: its window and look-ahead (--json: delay_ms; latency_ms is the
           algorithmic part, which is a hop less)
cost here  median of a hop, and share of a core, measured now, at the pace of live audio, in a second or
           two for all (--json: compute_us_p50, cpu_share); `rtaudio bench` takes a minute and tells all
"""


def add_parser(verbs: Verbs) -> None:
    verb(
        verbs,
        "models",
        run,
        help="list the models that come with rtaudio, and what they cost here",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run(args: argparse.Namespace) -> int:
    from rtaudio.cli.terminal import console, print_json, table
    from rtaudio.nn.weights import list_models
    from rtaudio.tasks.cost import hop_costs

    models = [_describe(name) for name in list_models()]
    costs = hop_costs([model["name"] for model in models if model["delay_ms"] is not None])
    models = [model | costs.get(model["name"], UNMEASURED) for model in models]
    if args.json:
        print_json(models)
        return 0
    shown = table(
        "Models",
        "name",
        "for",
        "delay",
        "cost here",
        "parameters",
        "licence",
        f"scores ({REFERENCE})",
        right=(2, 3, 4),
    )
    for model in models:
        delay = f"{model['delay_ms']:.0f} ms" if model["delay_ms"] is not None else ""
        shown.add_row(
            model["name"],
            model["net"],
            delay,
            _cost(model),
            f"{model['parameters']:,}\n{model['bytes'] / 1e6:.1f} MB",
            str(model["licence"]),
            "\n".join(_score_lines(_flat(model["scores"]))),
        )
    console().print(shown)
    print(f"int8 kernels here, for --precision int8 and an overloaded engine: {int8_kernels()}")
    for model in models:
        print(f"card: {model['card_file']}")
    return 0


def _score_lines(scores: list[tuple[str, Any]]) -> list[str]:
    """A line a score, with what the reference had in the same run behind it."""
    beside = {name: value for name, value in scores if name.startswith(REFERENCE)}
    lines = []
    for name, value in scores:
        if name not in beside:
            peer = beside.get(f"{REFERENCE} {name}")
            lines.append(f"{name} {value}" + (f" ({peer})" if peer is not None else ""))
    return lines


def _cost(model: dict[str, Any]) -> str:
    if model["compute_us_p50"] is None:
        return ""
    return f"{model['compute_us_p50']:.0f} µs a hop\n{100 * model['cpu_share']:.1f} % of a core"


def _scores_of_run(run: dict[str, Any]) -> dict[str, Any]:
    """What training measured on its validation mixes, where the card has no scores of its own."""
    names = {"si_sdr_gain_db": "SI-SDR gain dB", "si_sdr_worst_gain_db": "worst gain dB"}
    return {label: run[name] for name, label in names.items() if name in run}


def _describe(name: str) -> dict[str, Any]:
    from rtaudio.nn.denoise_config import DenoiseConfig
    from rtaudio.nn.weights import find_weights, load_weights

    path = find_weights(name)
    weights = load_weights(path)
    latency_ms = delay_ms = None
    if weights.net == "denoise":  # what only listens delays nothing
        config = DenoiseConfig(**weights.config)
        latency_ms = 1000 * config.latency / config.sample_rate
        delay_ms = latency_ms + 1000 * config.hop_length / config.sample_rate
    return {
        "name": name,
        "net": weights.net,
        "delay_ms": delay_ms,
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
