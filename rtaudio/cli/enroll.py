"""`rtaudio enroll NAME`: teach a word by saying it a few times."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtaudio.cli.options import Verbs, count, use_one_blas_thread, verb
from rtaudio.cli.spot import per_hour
from rtaudio.errors import ConfigError

if TYPE_CHECKING:
    from rtaudio.tasks.enrol import Clip
    from rtaudio.tasks.record import Utterance
    from rtaudio.tasks.synthetic import Source

DESCRIPTION = """\
Teach a word of your own, by saying it three to five times or from recordings of it.

Where espeak-ng or flite is installed, they say it too, some 50 times: other people are missed less then.
It is kept as a small file among your words (see `rtaudio words`); no sound is kept, unless --keep.
Then: rtaudio spot --keywords NAME
"""

ATTEMPTS = 4
"""For each recording: who failed so often has a reason that one more won't change."""


def add_parser(verbs: Verbs) -> None:
    parser = verb(
        verbs,
        "enroll",
        run,
        help="teach a word of your own",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help='the word, such as "good morning"')
    parser.add_argument(
        "--from", dest="files", nargs="+", metavar="FILE", help="recordings of it, one word each"
    )
    parser.add_argument("-i", "--input", metavar="DEVICE", help="see `rtaudio devices`")
    parser.add_argument("--times", type=count, default=3, metavar="N", help="how often to say it (3)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the recordings there, as WAV")
    made = parser.add_mutually_exclusive_group()
    made.add_argument("--phrase", metavar="TEXT", help="what synthesisers are to say (the name)")
    made.add_argument("--alone", action="store_true", help="your recordings alone, no synthetic ones")
    add_teaching(parser)


def add_teaching(parser: argparse.ArgumentParser) -> None:
    """Options of whatever teaches a word."""
    parser.add_argument(
        "--false-accepts",
        type=per_hour,
        default=0.5,
        metavar="0.5/h",
        help="what its threshold is set to (0.5/h)",
    )
    parser.add_argument("--replace", action="store_true", help="instead of a word of that name")


def run(args: argparse.Namespace) -> int:
    use_one_blas_thread()
    from rtaudio.cli.terminal import note
    from rtaudio.nn.weights import find_weights, load_weights
    from rtaudio.tasks.enrol import check_name
    from rtaudio.tasks.spot import EMBEDDING_MODEL
    from rtaudio.tasks.synthetic import enrol_beside
    from rtaudio.tasks.words import check_folder, save_word

    if args.files and (args.input or args.keep):
        raise ConfigError("--input and --keep are for recording, and --from names recordings")
    name, phrase = check_name(args.name, replace=args.replace), _phrase(args)
    check_folder()  # before anybody says anything
    load_weights(find_weights(EMBEDDING_MODEL))
    clips = _read(args.files) if args.files else _record(name, args)
    spoken = _synthesised(phrase, needed=args.phrase is not None) if phrase else []
    word, unheard, taken = enrol_beside(name, clips, spoken, false_accepts=args.false_accepts)
    path = save_word(word)
    for clip in unheard:
        note(f"{clip}: the word isn't recognised in it; was it the same word?")
    if spoken and not taken:
        note(f"what synthesisers say as {phrase!r} doesn't go with your recordings: left out (see --phrase)")
    if len(clips) == 1:
        note("one recording is little: with three, fewer are missed")
    synthetic = sum(len(source.clips) for source in spoken) if taken else 0
    _tell(args, name, str(path), {"recordings": len(clips), "synthetic": synthetic, "unrecognised": unheard})
    return 0


def _tell(args: argparse.Namespace, name: str, path: str, told: dict[str, Any]) -> None:
    from rtaudio.cli.terminal import print_json

    if args.json:
        print_json({"name": name, "file": path, **told})
        return
    if told["synthetic"]:
        print(f"  by {told['recordings']} recordings of yours and {told['synthetic']} of synthesisers")
    print(f"{name!r} is taught: rtaudio spot --keywords {name}")


def _phrase(args: argparse.Namespace) -> str | None:
    """What synthesisers are to say; None where there are none, or they aren't to, or can't.

    Raises ConfigError or MissingLibraryError for a --phrase that can't be said.
    """
    from rtaudio.tasks.synthetic import check_installed, check_phrase
    from rtaudio.training.synthesisers import installed

    if args.phrase is not None:
        phrase = check_phrase(args.phrase)
        check_installed()
        return phrase
    if args.alone or not installed():
        return None
    try:
        return check_phrase(args.name.replace("_", " "))
    except ConfigError:
        return None


def _synthesised(phrase: str, *, needed: bool) -> list[Source]:
    """The phrase by all the synthesisers that can say it; ConfigError where none can, and one is needed."""
    from rtaudio.cli.terminal import Bar
    from rtaudio.tasks.synthetic import synthesise

    with Bar("") as bar:
        try:
            return synthesise(phrase, lambda what, done, of: bar.show(done / of, what))[0]
        except ConfigError:
            if needed:
                raise
            return []


def _read(files: list[str]) -> list[Clip]:
    from rtaudio.tasks.enrol import check_clips, read_clip

    clips = [read_clip(file) for file in files]
    check_clips(clips)
    return clips


def _record(name: str, args: argparse.Namespace) -> list[Clip]:
    """Ask for the word as often as it takes."""
    from rtaudio.cli.terminal import note
    from rtaudio.tasks.enrol import Clip
    from rtaudio.tasks.record import Microphone

    clips: list[Clip] = []
    said = name.replace("_", " ")
    with Microphone(args.input) as microphone:
        for number in range(1, args.times + 1):
            for _attempt in range(ATTEMPTS):
                note(f"{number} of {args.times}: say {said!r} now")
                clip = Clip(f"recording {number}", microphone.record(_show_level))
                wrong = _wrong(clip)
                note(f"  {wrong}, once more" if wrong else f"  good: {clip.told}")
                if not wrong:
                    clips.append(clip)
                    break
            else:
                raise ConfigError(f"recording {number} of {said!r} came to nothing: {wrong}")
    if args.keep:
        _keep(clips, name, args.keep)
    return clips


def _wrong(clip: Clip) -> str | None:
    from rtaudio.tasks.enrol import trouble_with

    return trouble_with(clip.wave) if clip.wave.size else "nothing was heard"


def _show_level(utterance: Utterance) -> None:
    """A level meter on the line of the prompt, where a person is looking."""
    from rtaudio.cli.meters import bar

    if sys.stderr.isatty():
        end = "\r\x1b[K" if utterance.done else "\r"
        state = "●" if utterance.begun else "○"
        sys.stderr.write(f"  {state} ▕{bar(utterance.level_db)}▏{end}")
        sys.stderr.flush()


def _keep(clips: list[Clip], name: str, folder: Path) -> None:
    from rtaudio.devices.wav import WavWriter
    from rtaudio.dsp.spotter import NET_RATE

    for number, clip in enumerate(clips, 1):
        file: Any = WavWriter(folder / f"{name}_{number}.wav", NET_RATE)
        file.write(clip.wave)
        file.close()
