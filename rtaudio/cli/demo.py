"""`rtaudio demo`: see and hear what it does, with no microphone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtaudio.cli.options import Verbs, add_model_options, milliseconds, model_options, verb

if TYPE_CHECKING:
    from rtaudio.engine.live import LiveEngine
    from rtaudio.tasks.demo import DemoSound

DESCRIPTION = """\
Plays a bundled noisy recording into the live engine, in real time, as a microphone would, and
shows what happens: meters while it runs, then the delay and its parts, the time each hop took,
the counters, and how much cleaner the speech is. Writes before.wav, after.wav and a picture of
both. The engine, its callbacks and its deadlines are those of live use; only the sound card is
made of arithmetic.
"""


def add_parser(verbs: Verbs) -> None:
    parser = verb(
        verbs,
        "demo",
        run,
        help="see and hear what it does, with no microphone",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_options(parser)
    parser.add_argument(
        "--budget", type=milliseconds, metavar="MS", help="delay to stay within, such as 40ms"
    )
    parser.add_argument("--out-dir", default="demo-output", metavar="FOLDER")
    parser.add_argument("--no-meters", action="store_true", help="no moving display")


def run(args: argparse.Namespace) -> int:
    from rtaudio.cli.interrupts import Interrupts
    from rtaudio.cli.session import print_summary, summary, watch
    from rtaudio.cli.terminal import note, print_json
    from rtaudio.engine.budget import plan_budget
    from rtaudio.tasks.demo import SAMPLE_RATE, demo_engine, load_demo
    from rtaudio.tasks.denoise import build_denoiser

    folder = _make_folder(args.out_dir)
    sound = load_demo()
    stage = build_denoiser(**model_options(args))
    plan = plan_budget(stage, SAMPLE_RATE, budget_ms=args.budget)
    engine = demo_engine(stage, sound.noisy, plan)
    with Interrupts() as interrupts, engine:
        note(f"playing {sound.noisy.size / SAMPLE_RATE:.1f} s of noisy speech into the live engine")
        ended = watch(engine, interrupts, meters=not args.no_meters)
    told = summary(engine, ended, model=str(args.model))
    if ended == "finished":
        told |= _keep(engine, sound, folder)
    if args.json:
        print_json(told)
    else:
        print_summary(told)
        _print_files(told)
    if engine.failure is not None:
        raise engine.failure
    return 130 if ended == "interrupted" else 0


def _make_folder(name: str) -> Path:
    from rtaudio.errors import AudioFileError

    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioFileError(f"{folder}: cannot be made ({error.strerror})") from None
    return folder


def _keep(engine: LiveEngine, sound: DemoSound, folder: Path) -> dict[str, Any]:
    """Write both recordings and their picture; returns scores and file names for the summary."""
    from rtaudio.devices.file import AudioWriter
    from rtaudio.figures import save_spectrograms
    from rtaudio.tasks.demo import SAMPLE_RATE, heard, si_sdr_db

    after = heard(engine, sound.noisy.size)
    named = {"before": sound.noisy, "after": after}
    paths = {name: folder / f"{name}.wav" for name in named}
    for name, x in named.items():
        with AudioWriter(paths[name], SAMPLE_RATE, 1, "PCM_16") as writer:
            writer.write(x[:, None])
    picture = folder / "spectrograms.png"
    scores = {f"SI-SDR {name}": si_sdr_db(x, sound.clean) for name, x in named.items()}
    labels = {name: f"{name}: SI-SDR {scores[f'SI-SDR {name}']:.1f} dB" for name in named}
    drawn = save_spectrograms(picture, [(labels[name], x) for name, x in named.items()], SAMPLE_RATE)
    return {
        "quality": scores,
        "files": {**{n: str(p) for n, p in paths.items()}, "picture": str(picture) if drawn else None},
    }


def _print_files(told: dict[str, Any]) -> None:
    written = told.get("files")
    if not written:
        return
    print(f"listen: {written['before']}  {written['after']}")
    if written["picture"]:
        print(f"look:   {written['picture']}")
    else:
        print("no picture: it needs matplotlib (pip install matplotlib)")
