"""`rtaudio export`: a net of ours as a streaming ONNX file, for other programs and runtimes."""

from __future__ import annotations

import argparse

from rtaudio.cli.options import Verbs, verb

DESCRIPTION = """\
Write a net as an ONNX file that takes one hop a call, its states named inputs and outputs, and beside
it a manifest (TOML) with all one must know to run it: sample rate, hop, window, states, delay,
licence, hash. A denoiser gives the spectrum of cleaner sound; the nets vad, keywords and embedding
give numbers: a probability of speech, a score a word, a direction. Needs the extra `onnx`.
"""


def add_parser(verbs: Verbs) -> None:
    parser = verb(
        verbs,
        "export",
        run,
        help="write a model as a streaming ONNX file",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="a model's name or weights file; see `rtaudio models`")
    parser.add_argument("out", metavar="OUT.onnx")


def run(args: argparse.Namespace) -> int:
    from rtaudio.cli.terminal import print_json
    from rtaudio.nn.optional import require
    from rtaudio.nn.weights import find_weights, load_weights

    require("export", "onnx", "onnx", "onnxruntime")
    from rtaudio.nn.onnx.export import export_net

    paths = export_net(load_weights(find_weights(args.name)), args.out)
    if args.json:
        print_json({"model": paths[0], "manifest": paths[1], "bytes": paths[0].stat().st_size})
    else:
        print(f"{paths[0]}  {paths[0].stat().st_size / 1e6:.1f} MB\n{paths[1]}")
    return 0
