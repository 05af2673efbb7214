"""Noises better generated than stored: coloured noise, mains hum, clicks, knocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def coloured(rng: np.random.Generator, length: int, sample_rate: int) -> Samples:
    """Noise whose power falls by 0 (white) to 6 (brown) dB an octave, from 20 Hz up."""
    slope = rng.choice((0.0, 0.5, 1.0)) if rng.random() < 0.5 else rng.uniform(0.0, 1.0)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequency = np.maximum(np.arange(spectrum.size) * sample_rate / length, 20.0)
    return np.fft.irfft(spectrum / frequency**slope, length).astype(np.float32)


def hum(rng: np.random.Generator, length: int, sample_rate: int) -> Samples:
    """Mains hum: 50 or 60 Hz with up to 40 harmonics that fall off, and a little hiss."""
    base = rng.choice((50.0, 60.0)) * rng.uniform(0.998, 1.002)
    cycle = np.linspace(0, 2 * np.pi, 2048)
    wave = np.zeros(2048)
    for k in range(1, int(rng.integers(4, 40))):
        wave += rng.uniform(0.2, 1.0) / k * np.sin(k * cycle + rng.uniform(0, 6.28))
    phase = (base / sample_rate * np.arange(length)) % 1.0
    x = np.interp(phase * 2047, np.arange(2048), wave) + 0.02 * rng.standard_normal(length)
    return x.astype(np.float32)


def clicks(rng: np.random.Generator, length: int, sample_rate: int) -> Samples:
    """Single-sample impulses and short bursts, a few to a few hundred a second."""
    x = np.zeros(length, np.float32)
    n = max(1, int(length / sample_rate * 10 ** rng.uniform(0.3, 2.3)))
    at = rng.integers(0, length, n)
    x[at] = rng.standard_normal(n) * rng.uniform(0.3, 1.0, n)
    width = int(rng.integers(1, 24))  # up to 0.5 ms at 48 kHz
    return np.convolve(x, rng.standard_normal(width), "same").astype(np.float32)


def knocks(rng: np.random.Generator, length: int, sample_rate: int) -> Samples:
    """Key presses, knocks, ticks: decaying noise or resonances, at odd or regular times."""
    x = np.zeros(length, np.float32)
    if rng.random() < 0.4:
        period = rng.uniform(0.12, 1.0) * sample_rate
        times = np.arange(rng.uniform(0, period), length, period)
    else:
        times = rng.uniform(0, length, int(rng.integers(1, 14)))
    same = _knock(rng, sample_rate)
    for at in times.astype(int):
        one = same if rng.random() < 0.6 else _knock(rng, sample_rate)
        end = min(at + one.size, length)
        x[at:end] += np.float32(rng.uniform(0.3, 1.0)) * one[: end - at]
    return x


def _knock(rng: np.random.Generator, sample_rate: int) -> Samples:
    """One knock: 3-80 ms to a tenth of its height, hard start, one to four resonances and noise."""
    decay_s = np.exp(rng.uniform(np.log(0.0013), np.log(0.035)))
    t = np.arange(int(6 * decay_s * sample_rate)) / sample_rate
    x = rng.uniform(0.0, 1.0) * rng.standard_normal(t.size)
    for _ in range(int(rng.integers(1, 5))):
        frequency = np.exp(rng.uniform(np.log(150), np.log(9000)))
        x += rng.uniform(0.2, 1.0) * np.sin(2 * np.pi * frequency * t + rng.uniform(0, 6.28))
    rise = np.minimum(t / 0.0005, 1.0)  # half a millisecond: no knock starts faster
    knock: Samples = (x * rise * np.exp(-t / decay_s)).astype(np.float32)
    return knock


GENERATORS = (coloured, hum, clicks, knocks)
