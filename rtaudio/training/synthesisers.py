"""Speech from the synthesisers that are installed: a text in one of their voices, as samples. No torch.

espeak-ng and flite come from different families: the one adds up resonances by rule, the other joins
or models recorded speech. Sound that they make carries no licence of theirs.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SAMPLE_RATE = 16000
ESPEAK_VOICES = (
    "en-us", "en-gb", "en-gb-scotland", "en-029", "en-us+f2", "en-gb+f4", "en-us+f5", "en-gb+m3", "en-us+m7",
    "en-us+Annie", "en-gb+Andrea", "en-us+linda",
)  # fmt: skip
FLITE_VOICES = ("kal", "awb", "rms", "slt")
PROGRAMS = {"espeak-ng": ESPEAK_VOICES, "flite": FLITE_VOICES}
"""By family, voices of people (no whispers, no robots)."""

PACES, PITCHES = (0.75, 1.2), (0.15, 0.85)
WORDS_A_MINUTE = 175
"""What espeak-ng takes for the usual pace."""
TIMEOUT_S = 10.0
"""For one text, which takes a tenth of a second."""


FAILURES = (OSError, subprocess.SubprocessError, soundfile.SoundFileError)
"""What `speak` raises when a program fails; subprocess.TimeoutExpired when it hangs."""


@dataclass(frozen=True)
class Manner:
    """Who speaks, and how.

    - pace: times the usual.
    - pitch: 0 deep to 1 high, for this voice; None for its own.
    """

    program: str
    voice: str
    pace: float = 1.0
    pitch: float | None = None

    def command(self, text: str, path: Path) -> list[str]:
        """What makes it say the text into a WAV file."""
        if self.program == "espeak-ng":
            pitch = [] if self.pitch is None else ["-p", f"{round(99 * self.pitch)}"]
            pace = f"{round(WORDS_A_MINUTE * self.pace)}"
            return ["espeak-ng", "-v", self.voice, "-s", pace, *pitch, "-w", str(path), text]
        pitch = [] if self.pitch is None else ["--setf", f"int_f0_target_mean={80 + 140 * self.pitch:.0f}"]
        stretch = f"duration_stretch={1 / self.pace:.2f}"
        return ["flite", "-voice", self.voice, "--setf", stretch, *pitch, "-t", text, "-o", str(path)]


def manners(program: str, count: int) -> list[Manner]:
    """A family's voices in turn, each time at another pace and pitch; the same each time it is asked."""
    rng, voices = np.random.default_rng(0), PROGRAMS[program]
    return [
        Manner(program, voices[k % len(voices)], float(rng.uniform(*PACES)), float(rng.uniform(*PITCHES)))
        for k in range(count)
    ]


def installed() -> tuple[str, ...]:
    """The families there are on this machine."""
    return tuple(program for program in PROGRAMS if shutil.which(program))


def speak(text: str, manner: Manner, path: Path) -> Samples:
    """A text at 16 kHz, its peak at 0.9, by way of a file that is gone afterwards. Raises FAILURES."""
    try:
        command, none = manner.command(text, path), subprocess.DEVNULL
        subprocess.run(command, check=True, timeout=TIMEOUT_S, stdin=none, stdout=none, stderr=none)
        audio, rate = soundfile.read(path, dtype="float32")
    finally:
        path.unlink(missing_ok=True)
    wave = soxr.resample(audio, rate, SAMPLE_RATE).astype(np.float32)
    return wave * np.float32(0.9 / max(float(np.abs(wave).max(initial=0.0)), 1e-6))
