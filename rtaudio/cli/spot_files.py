"""`rtaudio spot INPUT …`: words in recordings, or in what comes through a pipe."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from rtaudio.cli.spot_outlets import Outlets, listener_builder
from rtaudio.cli.terminal import note
from rtaudio.devices.file import Frames
from rtaudio.devices.pipe import open_sound
from rtaudio.dsp.spotter import NET_RATE
from rtaudio.errors import AudioFileError
from rtaudio.stream.listen import Listen
from rtaudio.tasks.spot import DENOISE_RATE
from rtaudio.tasks.spotting import spot_chunks, spotter_of


def run(args: argparse.Namespace) -> int:
    listener = listener_builder(args)(DENOISE_RATE if args.denoise else NET_RATE)
    seconds, failed, lost = 0.0, [], 0
    with Outlets(args) as outlets:
        for name in args.inputs:
            listener.reset()
            try:
                seconds += _spot_file(listener, name, outlets, told=name if len(args.inputs) > 1 else None)
            except AudioFileError as error:
                note(str(error))
                failed.append(str(error))
            lost += spotter_of(listener).lost_events
        outlets.close(wait=True)
        if args.json or len(failed) < len(args.inputs):
            outlets.sum_up(seconds, files=len(args.inputs), errors=failed, lost_events=lost)
    return 2 if failed else 0


def _spot_file(listener: Listen, name: str, outlets: Outlets, told: str | None) -> float:
    """Tell of each word in one file; returns the file's length in seconds."""
    frames = 0
    with open_sound(name) as sound:

        def counted() -> Iterator[Frames]:
            nonlocal frames
            for chunk in sound:
                frames += len(chunk)
                yield chunk

        for event in spot_chunks(listener, counted(), sound.sample_rate):
            outlets.tell(event, told)
        return frames / sound.sample_rate
