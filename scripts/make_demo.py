"""Make the demo's recording: espeak-ng speaks over a noise made of arithmetic.

    .venv/bin/python scripts/make_demo.py

Writes rtaudio/data/demo_clean.flac and demo_noisy.flac (48 kHz, mono, 16 bit), the same every
time for the same espeak-ng. Both may be used for anything (CC0).
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

RATE = 48000
SECONDS = 8.5
SNR_DB = 6.0
VOICE = ["-v", "en-gb", "-s", "175", "-p", "42"]
TEXT = (
    "Hello! You hear me in a noisy room: a fan, mains hum, and somebody typing. "
    "Now hear the same words, cleaned while I speak."
)
FOLDER = Path(__file__).resolve().parent.parent / "rtaudio" / "data"


def speech(n: int) -> np.ndarray:
    """The text, spoken, after half a second of silence, in `n` samples."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run(["espeak-ng", *VOICE, "-w", str(path), TEXT], check=True)
        x, rate = sf.read(path)
    x = soxr.resample(x, rate, RATE)
    out = np.zeros(n)
    start = RATE // 2
    out[start : start + x.size] = x[: n - start]
    return 0.25 * out / np.max(np.abs(out))


def shaped(rng: np.random.Generator, n: int, gain_of_hz) -> np.ndarray:
    """Gaussian noise with a spectrum of the given gain, unit power."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    y = np.fft.irfft(spectrum * gain_of_hz(np.fft.rfftfreq(n, 1 / RATE)), n)
    return y / np.std(y)


def fan(rng: np.random.Generator, n: int) -> np.ndarray:
    """Rushing air, falling 4.5 dB an octave above 200 Hz, with the tone of the blades in it."""
    air = shaped(rng, n, lambda f: (1 + (f / 200) ** 2) ** -0.375 * (f > 30))
    t = np.arange(n) / RATE
    sway = 1 + 0.15 * np.sin(2 * np.pi * 0.4 * t)
    blades = sum(np.sin(2 * np.pi * 117 * k * t + k) / k for k in (1, 2, 3))
    return sway * (air + 0.35 * blades)


def hum(n: int) -> np.ndarray:
    """50 Hz mains and its odd harmonics."""
    t = np.arange(n) / RATE
    return sum(np.sin(2 * np.pi * 50 * k * t + 0.7 * k) / k for k in (1, 3, 5, 7, 9))


def keyboard(rng: np.random.Generator, n: int) -> np.ndarray:
    """Key strokes: short bursts between 1 and 9 kHz, seven a second at uneven times."""
    click = shaped(rng, RATE // 20, lambda f: 1.0 * ((f > 1000) & (f < 9000)))
    click *= np.exp(-np.arange(click.size) / (0.010 * RATE))
    out = np.zeros(n + click.size)
    at = RATE // 4
    while at < n:
        out[at : at + click.size] += rng.uniform(0.4, 1.0) * click
        at += int(RATE * rng.gamma(4.0, 0.14 / 4.0)) + RATE // 40
    return out[:n]


def main() -> None:
    """Write both files."""
    rng = np.random.default_rng(2026)
    n = round(SECONDS * RATE)
    clean = speech(n)
    noise = fan(rng, n) + 0.25 * hum(n) + 5.0 * keyboard(rng, n)
    spoken = np.abs(clean) > 0
    power = np.mean(clean[spoken] ** 2) / 10 ** (SNR_DB / 10)
    noise *= np.sqrt(power / np.mean(noise**2))
    FOLDER.mkdir(exist_ok=True)
    for name, x in (("clean", clean), ("noisy", clean + noise)):
        path = FOLDER / f"demo_{name}.flac"
        sf.write(path, x, RATE, subtype="PCM_16")
        print(f"{path}: {n / RATE:.1f} s, {path.stat().st_size / 1000:.0f} kB, peak {np.max(np.abs(x)):.2f}")


if __name__ == "__main__":
    main()
