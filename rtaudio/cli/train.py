"""`rtaudio train NET`: train one of the nets on a folder of recordings; or a word, on synthetic speech."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any

from rtaudio.cli import train_keyword
from rtaudio.cli.options import add_json, count, positive
from rtaudio.errors import MissingLibraryError

NEEDED = ("torch", "matplotlib")
EMBEDDING_STEPS = 1066
"""More tell words that nobody trained on worse: see the card of the embedding."""
SPEECH_BATCH = 32  # items of 2.4 s, of nets a tenth of the denoiser's size
NETS = {
    "denoise": "the 48 kHz streaming denoiser",
    "keywords": "the keyword spotter's net, for its built-in words",
    "embedding": "the word embedding, for words that users enrol",
    "vad": "the voice activity net",
}


MOST_WORKERS = 8
"""Each keeps two batches ready, 50 MB each. On two cores two do 199 hours of audio an hour, and one 189."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `train` with its nets as verbs of its own."""
    train = subparsers.add_parser("train", help="train a net (needs torch), or a word by synthetic speech")
    nets = train.add_subparsers(dest="net", required=True, metavar="NET")
    for net, text in NETS.items():
        _add_net(nets.add_parser(net, help=text), net)
    train_keyword.add_parser(nets)


def _add_net(parser: argparse.ArgumentParser, net: str) -> None:
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with speech/ and noise/, each with index.csv"
    )
    parser.add_argument("--out", type=Path, help=f"checkpoints, curves, weights (runs/{net})")
    parser.add_argument("--cache", type=Path, help="decoded recordings, 120-350 MB an hour (OUT/cache)")
    length = parser.add_mutually_exclusive_group()
    usual = f"{EMBEDDING_STEPS} steps" if net == "embedding" else "1.0"
    length.add_argument("--hours", type=positive, help=f"wall-clock length of the run ({usual})")
    length.add_argument(
        "--steps", type=count, metavar="N", help="its length in steps instead: the same net every time"
    )
    parser.add_argument("--resume", action="store_true", help="go on from OUT/checkpoint.pt")
    if net == "denoise":
        parser.add_argument(
            "--model",
            metavar="NAME|FILE.toml",
            default="standard",
            help="recipe of the net: standard, low-latency, cnn, or a file like those in"
            " rtaudio/training/recipes (standard)",
        )
    parser.add_argument(
        "--start",
        nargs="+",
        default=[],
        metavar="NAME|FILE",
        help="begin with a shipped model's weights, or a file's, or the mean of several",
    )
    if net == "embedding":
        parser.add_argument(
            "--teachers",
            nargs="+",
            default=[],
            metavar="NAME|FILE",
            help="learn what these nets say together, each trained with a --seed of its own",
        )
    parser.add_argument(
        "--rate",
        type=positive,
        default=1.0,
        help="of learning, times the usual (1.0); 0.5 suits a trained start",
    )
    if net == "denoise":
        parser.add_argument(
            "--patience", type=int, metavar="N", help="end after N validations without a better one (never)"
        )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1, help="torch threads of the training step (1)")
    parser.add_argument(
        "--workers",
        type=int,
        default=min(MOST_WORKERS, os.cpu_count() or 1),
        help=f"threads that mix ahead; 0 mixes between steps (one a core, {MOST_WORKERS} at most)",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train as the arguments say; 0 when the run came to its end."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingLibraryError(f"training needs {' and '.join(missing)}: pip install 'rtaudio[train]'")
    from rtaudio.cli.terminal import console, print_json
    from rtaudio.nn.torch.cuda import cuda_device
    from rtaudio.nn.weights import find_weights
    from rtaudio.training.denoise import TrainPaths, train_denoise
    from rtaudio.training.loop import RunConfig
    from rtaudio.training.recipes import load_recipe

    if args.device == "cuda":
        cuda_device("--device cuda")  # refused before recordings are decoded
    out = args.out or Path("runs") / (Path(args.model).stem if args.net == "denoise" else args.net)
    paths = TrainPaths(args.data, out, args.cache or out / "cache")
    batch = RunConfig.batch if args.net == "denoise" else SPEECH_BATCH
    steps = args.steps or (EMBEDDING_STEPS if args.net == "embedding" and not args.hours else None)
    hours = None if steps else args.hours or 1.0
    config = RunConfig(
        hours=hours, steps=steps, batch=batch, seed=args.seed, rate=args.rate, device=args.device,
        threads=args.threads, workers=args.workers, patience=getattr(args, "patience", None),
    )  # fmt: skip
    shown = console(stderr=args.json)
    start = [find_weights(name) for name in args.start]
    if args.net == "denoise":
        recipe = load_recipe(args.model)
        loop: Any = train_denoise(paths, config, recipe, resume=args.resume, start=start, console=shown)
    else:
        from rtaudio.training.speech_loop import train_speech

        loops = {"keywords": "KeywordLoop", "embedding": "EmbeddingLoop", "vad": "VadLoop"}
        make: Any = getattr(importlib.import_module(f"rtaudio.training.{args.net}"), loops[args.net])
        teachers = [find_weights(name) for name in getattr(args, "teachers", [])]
        loop = train_speech(
            make, paths, config, resume=args.resume, start=start, teachers=teachers, console=shown
        )
    if args.json:
        print_json({"net": args.net, "out": str(out), "history": loop.progress.history})
    return 0
