"""`rtaudio denoise`: a microphone live, or files."""

from __future__ import annotations

import argparse

from rtaudio.cli.options import Verbs, add_model_options, count, milliseconds, positive, verb

DESCRIPTION = """\
Take the noise out of a microphone while you speak, or out of recordings.

Without INPUT: live, from the microphone to the speakers (or to a virtual microphone that other
programs can pick). A microphone of several channels is averaged to one. While it runs, b toggles
bypass, + and - change the strength, [ and ] the attenuation limit, and q quits.
With INPUT: files or folders, of any format, rate and channel count, all of which they keep; - is
stdin or stdout.
"""


def add_parser(verbs: Verbs) -> None:
    parser = verb(
        verbs,
        "denoise",
        run,
        help="clean a microphone live, or files",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_options(parser)
    _add_live(parser.add_argument_group("live"))
    _add_files(parser.add_argument_group("files"))


def _add_live(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-i", "--input", metavar="DEVICE", help="number or part of the name; see `rtaudio devices`"
    )
    group.add_argument("-o", "--output", metavar="DEVICE")
    group.add_argument(
        "--virtual-mic",
        nargs="?",
        const=True,
        metavar="NAME",
        help="play into a virtual microphone, listed by other programs as NAME",
    )
    group.add_argument(
        "--budget", type=milliseconds, metavar="MS", help="delay from microphone to speakers, such as 40ms"
    )
    group.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="what runs the net; a GPU adds one hop (cpu)"
    )
    group.add_argument("--duration", type=positive, metavar="S", help="stop after so many seconds")
    group.add_argument(
        "--record", nargs=2, metavar=("IN.wav", "OUT.wav"), help="keep what came in and went out"
    )
    group.add_argument("--no-meters", action="store_true", help="no moving display")


def _add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument("inputs", nargs="*", metavar="INPUT", help="audio files or folders, or -")
    group.add_argument("-O", "--out-file", metavar="FILE", help="where the cleaned file goes, or -")
    group.add_argument(
        "--out-dir", metavar="FOLDER", help="where many cleaned files go, under their own names"
    )
    group.add_argument("--jobs", type=count, metavar="N", help="files at a time (1)")
    group.add_argument("--resume", action="store_true", help="skip files that are done already")


def run(args: argparse.Namespace) -> int:
    from rtaudio.errors import ConfigError

    live = {"--input": args.input, "--output": args.output, "--virtual-mic": args.virtual_mic is not None}
    live |= {"--budget": args.budget, "--duration": args.duration, "--record": args.record}
    files = {"-O": args.out_file, "--out-dir": args.out_dir, "--resume": args.resume, "--jobs": args.jobs}
    misplaced = live if args.inputs else files
    for option, given in misplaced.items():
        if given:
            kind = "live audio" if args.inputs else "files"
            raise ConfigError(
                f"{option} is for {kind}, and {'an' if args.inputs else 'no'} INPUT file was given"
            )
    if args.virtual_mic is not None and args.output is not None:
        raise ConfigError("--output and --virtual-mic both say where the sound goes; give one of them")
    if args.inputs:
        from rtaudio.cli.denoise_files import run as run_files

        return run_files(args)
    from rtaudio.cli.denoise_live import run as run_live

    return run_live(args)
