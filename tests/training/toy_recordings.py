"""A data folder as the trainer expects it, in a few seconds of made sound, and a net of its size."""

import csv
from dataclasses import replace

import numpy as np
import soundfile

from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.training.mixing import MixConfig

SAMPLE_RATE = 48000
SMALL_NET = DenoiseConfig(n_bands=16, channels=24, dilations=(1, 2), hidden=16)
SMALL_MIX = replace(MixConfig(), n_frames=40, n_rooms=4)


def voice(rng, seconds):
    """Buzzing syllables with pauses between: harmonics up to 20 kHz, 40 dB over its own floor."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = rng.uniform(90, 250)
    buzz = sum(np.sin(2 * np.pi * k * pitch * t + rng.random()) / k for k in range(1, int(20000 / pitch)))
    syllables = np.maximum(np.sin(2 * np.pi * 2.5 * t), 0) ** 2
    return 0.3 * buzz * syllables + 1e-4 * rng.standard_normal(t.size)


def write_recordings(folder):
    """Three seconds of each of four voices and four noises, the last of each for validation."""
    rng = np.random.default_rng(5)
    for kind, column in (("speech", "speaker"), ("noise", "class")):
        (folder / kind).mkdir()
        with (folder / kind / "index.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "source", column, "split", "rate", "seconds", "licence"])
            for i in range(4):
                split = "valid" if i == 3 else "train"
                x = voice(rng, 3) if kind == "speech" else 0.1 * rng.standard_normal(3 * SAMPLE_RATE)
                soundfile.write(folder / kind / f"{i}.wav", 0.5 * x, SAMPLE_RATE)
                rows.writerow([f"{i}.wav", "made-here", f"g{i}", split, SAMPLE_RATE, 3, "CC0"])
