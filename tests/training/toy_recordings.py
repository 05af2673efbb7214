"""A data folder as the trainer expects it, in a few seconds of made sound, and a net of its size."""

import csv

import numpy as np
import soundfile

from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.training.mixing import MixConfig

SAMPLE_RATE = 48000
SMALL_NET = DenoiseConfig(n_bands=16, channels=24, dilations=(1, 2), hidden=16)
SMALL_MIX = MixConfig(seconds=0.4, n_rooms=4)


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


def write_words(folder):
    """What `write_recordings` writes, and words in tones, of three voices, the last for validation."""
    write_recordings(folder)
    rng = np.random.default_rng(6)
    (folder / "keywords").mkdir()
    with (folder / "keywords" / "index.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "keyword", "source", "speaker_group", "split", "rate", "seconds", "licence"])
        for word, pitches in {"yes": (300, 900), "stop": (1200, 500), "_negative": (700, 700)}.items():
            (folder / "keywords" / word).mkdir()
            for k in range(9):
                path, group = f"{word}/{k}.wav", k % 3
                t = np.arange(6400) / 16000
                tones = [np.sin(2 * np.pi * p * (0.8 + 0.2 * group) * t) for p in pitches]
                x = np.concatenate([np.zeros(8000), *tones, np.zeros(8000)])
                x = 0.3 * x + 1e-4 * rng.standard_normal(x.size)
                soundfile.write(folder / "keywords" / path, x, 16000)
                split = "valid" if group == 2 else "train"
                rows.writerow([path, word, "made-here", f"g{group}", split, 16000, x.size / 16000, "CC0"])
