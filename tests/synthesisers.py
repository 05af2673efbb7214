"""Programs that stand in for espeak-ng and flite: they write a prepared recording, or fail."""

import os

import soundfile as sf

from tests.tone_words import script

RATE = 16000
GOOD = 'while [ $# -gt 1 ]; do case "$1" in -w|-o) /bin/cp {wav} "$2";; esac; shift; done'


def install(folder, monkeypatch, **programs):
    """Have these programs (`espeak_ng`: a shell script) on PATH, and nothing else.

    `{wav}` in a script is a recording of the word "low".
    """
    (folder / "bin").mkdir(exist_ok=True)
    sf.write(folder / "low.wav", script(RATE, (0.2, "low"), seconds=0.7), RATE)
    for name, text in programs.items():
        path = folder / "bin" / name.replace("_", "-")
        path.write_text("#!/bin/sh\n" + text.replace("{wav}", str(folder / "low.wav")) + "\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", os.fspath(folder / "bin"))
