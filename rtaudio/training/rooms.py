"""Simulated rooms: image sources for what arrives early, decaying noise for the diffuse tail.

Allen & Berkley, "Image method for efficiently simulating small-room acoustics", JASA 65(4), 1979,
with one absorption for all walls, chosen by Sabine's formula for the wanted reverberation time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SOUND_SPEED = 343.0  # m/s, in air at 20 °C
EARLY_S = 0.06  # images are summed up to here; from here on reflections are too dense to tell from noise
TARGET_S = 0.03  # reflections the ear fuses with the voice: they stay in the training target
FADE_S = 0.01  # the target's end is faded, or its cut would be a click in each response


@dataclass(frozen=True)
class Room:
    """Two responses of a room, aligned to the direct sound and scaled to it.

    - full `(n,)` float32: direct sound (1.0 at sample 0), reflections and tail.
    - target `(m,)` float32: the first 30 ms of it, what a listener takes for the voice itself.
    """

    full: Samples
    target: Samples


def simulate_room(rng: np.random.Generator, sample_rate: int) -> Room:
    """A random room, 3-10 m long, reverberation time 0.15-0.9 s, speaker 0.3-3 m from the microphone."""
    size = rng.uniform((3.0, 3.0, 2.4), (10.0, 8.0, 4.0))
    microphone = rng.uniform(0.2, 0.8, 3) * size
    direction = rng.standard_normal(3)
    distance_m = rng.uniform(0.3, 3.0)
    speaker = np.clip(microphone + distance_m * direction / np.linalg.norm(direction), 0.2, size - 0.2)
    reverberation_s = rng.uniform(0.15, 0.9)
    delays, gains = image_sources(size, speaker, microphone, reverberation_s)
    early = _early(delays, gains, sample_rate)
    full = _with_tail(early, reverberation_s, sample_rate, rng)
    return Room(full, _target(full, sample_rate))


def image_sources(
    size: NDArray[np.float64], speaker: NDArray[np.float64], microphone: NDArray[np.float64], rt60_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Delay after the direct sound (s) and gain over it, of every image within `EARLY_S`."""
    order = np.arange(-4, 5)  # 4 walls away in the smallest room is beyond 60 ms
    axis = [
        np.concatenate([2 * order * size[i] + speaker[i], 2 * order * size[i] - speaker[i]]) for i in range(3)
    ]
    hits = np.concatenate([np.abs(2 * order), np.abs(2 * order - 1)])
    images = np.stack(np.meshgrid(*axis, indexing="ij"), -1).reshape(-1, 3)
    reflections = np.add.outer(np.add.outer(hits, hits), hits).reshape(-1)
    distance = np.maximum(np.linalg.norm(images - microphone, axis=1), 0.1)
    direct = distance[reflections == 0][0]
    delay = (distance - direct) / SOUND_SPEED
    near = (delay >= 0) & (delay < EARLY_S)
    return delay[near], wall_reflection(size, rt60_s) ** reflections[near] * direct / distance[near]


def wall_reflection(size: NDArray[np.float64], rt60_s: float) -> float:
    """Pressure reflection of the walls by Sabine: absorption = 0.161 V / (S T)."""
    volume, surface = size.prod(), 2 * (size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
    return float(np.sqrt(1 - min(0.161 * volume / (surface * rt60_s), 0.99)))


def _early(delays: NDArray[np.float64], gains: NDArray[np.float64], sample_rate: int) -> Samples:
    """Sum of the images as single samples, each reflection of random sign but the direct sound."""
    response = np.zeros(round(EARLY_S * sample_rate), np.float32)
    at = np.minimum((delays * sample_rate).astype(int), response.size - 1)
    np.add.at(response, at, gains.astype(np.float32))
    return response / max(float(response[0]), 1e-3)


def _with_tail(early: Samples, rt60_s: float, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Go on with noise that decays by 60 dB in `rt60_s`, at the power the last 20 ms of images had."""
    length = round(min(rt60_s, 0.6) * sample_rate)  # half a second holds all but the last 20-40 dB
    tail = rng.standard_normal(length).astype(np.float32)
    spectrum = np.fft.rfft(tail)
    corner = rng.uniform(0.08, 0.3) * length  # air and soft walls take the highs: 4-14 kHz at 48 kHz
    tail = np.fft.irfft(spectrum / (1 + 1j * np.arange(spectrum.size) / corner), length).astype(np.float32)
    decay = 10 ** (-3 * np.arange(length) / (rt60_s * sample_rate))
    last = early[-early.size // 3 :]
    level = np.sqrt(np.square(last).mean() / np.square(tail).mean())
    return np.concatenate([early, tail * (level * decay).astype(np.float32)])


def _target(full: Samples, sample_rate: int) -> Samples:
    keep, fade = round(TARGET_S * sample_rate), round(FADE_S * sample_rate)
    target = full[: keep + fade].copy()
    target[keep:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return target
