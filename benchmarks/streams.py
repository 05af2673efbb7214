"""Streams for the spotting benchmarks: recorded words with their ends, and hours without them.

A folder holds a folder a word, `_negative/` for everything else, and perhaps an `index.csv` with the
columns path, speaker_group and split: then only what is marked "valid" is used.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from rtaudio.errors import ConfigError
from rtaudio.nn.spans import FRAME, contrast_db, word_span
from rtaudio.training.measure import active_power, power
from rtaudio.training.rooms import simulate_room
from rtaudio.training.spoken import at_speed

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]

SAMPLE_RATE, HOP = 16000, 160
GAP_S = 1.2  # between words of a stream: longer than the refractory time
LONGEST_RT60_S = 1.1  # living rooms and offices; sports halls are another task
LEAST_CONTRAST_DB = 6.0
"""Noise alone has 4 dB. Of 2256 recorded words one has no more than that, and the next 9.5 (median 50)."""
SUFFIXES = {".wav", ".flac", ".opus", ".ogg", ".mp3"}


@dataclass(frozen=True)
class Recording:
    """One file at 16 kHz: what folder it lies in, whose voice it is (as far as known), its samples."""

    word: str
    group: str
    wave: Samples


@dataclass(frozen=True)
class WordStream:
    """Recordings of one word in a stream: samples, and where each ends (in samples)."""

    wave: Samples
    ends: NDArray[np.int64]


def read_recordings(
    folder: Path, split: str = "valid", skip: Collection[str] = (), every: int = 1
) -> list[Recording]:
    """Every recording under a folder, or those of a split where an index says which those are.

    - skip: folders in it that aren't read; every: one recording in so many is.
    """
    if not folder.is_dir():
        raise ConfigError(f"folder {folder} does not exist")
    index = folder / "index.csv"
    if index.is_file():
        with index.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if split in ("all", row.get("split", "valid"))]
    else:
        paths = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix in SUFFIXES)
        rows = [{"path": str(path)} for path in paths]
    recordings = []
    for row in rows[::every]:
        word = row["path"].split("/")[0]
        if word in skip:
            continue
        group = row.get("speaker_group") or row.get("speaker") or row.get("class") or row["path"]
        recordings.append(
            Recording(word, f"{row.get('source', '')}/{group}", read_wave(folder / row["path"]))
        )
    return recordings


def says_something(recording: Recording) -> bool:
    """Whether anything stands out of a recording's noise: a finger may have been on the button too early."""
    return recording.wave.size > 5 * FRAME and contrast_db(recording.wave) > LEAST_CONTRAST_DB


def read_wave(path: Path) -> Samples:
    """Mono samples at 16 kHz."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    wave: Samples = soxr.resample(audio.mean(1), rate, SAMPLE_RATE).astype(np.float32)
    return wave


def read_rooms(folder: Path) -> list[Samples]:
    """Measured impulse responses of rooms of up to 1.1 s; simulated ones where there are none."""
    index = folder / "index.csv"
    if not index.is_file():
        return [simulate_room(np.random.default_rng(k), SAMPLE_RATE).full for k in range(12)]
    with index.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    near = [row for row in rows if float(row["rt60_estimate_T20"]) <= LONGEST_RT60_S]
    rooms = [read_wave(folder / row["path"]) for row in near]
    return [room / np.abs(room).max() for room in rooms]


def reverberant(wave: Samples, room: Samples) -> Samples:
    """A wave in a room, as long as it was, from the direct sound on."""
    size = 1 << int(wave.size + room.size - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(room, size), size)
    first = int(np.abs(room).argmax())
    return np.asarray(wet[first : first + wave.size], np.float32)


def noise_track(noises: Sequence[Recording], length: int, rng: np.random.Generator) -> Samples:
    """Noises one after the other, each at the same power."""
    parts, total = [], 0
    while total < length:
        wave = noises[int(rng.integers(len(noises)))].wave
        if power(wave) > 1e-9:
            parts.append(wave / np.float32(np.sqrt(power(wave))))
            total += wave.size
    return np.concatenate(parts)[:length]


def word_stream(
    recordings: Sequence[Recording],
    rng: np.random.Generator,
    *,
    noises: Sequence[Recording] = (),
    rooms: Sequence[Samples] = (),
    snr_db: float = 10.0,
) -> WordStream:
    """Words one after the other with pauses between, all at one loudness; in rooms and in noise if asked."""
    parts: list[Samples] = [np.zeros(2 * SAMPLE_RATE, np.float32)]
    ends, total = [], parts[0].size
    for recording in recordings:
        wave = recording.wave * np.float32(0.05 / np.sqrt(active_power(recording.wave) + 1e-10))
        ends.append(total + word_span(recording.wave)[1])
        wave = np.concatenate([wave, np.zeros(round(GAP_S * SAMPLE_RATE), np.float32)])
        parts.append(reverberant(wave, rooms[int(rng.integers(len(rooms)))]) if rooms else wave)
        total += wave.size
    stream = np.concatenate(parts)
    if noises:
        stream = stream + noise_track(noises, stream.size, rng) * np.float32(0.05 * 10 ** (-snr_db / 20))
    else:
        stream = stream + np.float32(1e-4) * rng.standard_normal(stream.size, np.float32)  # -80 dBFS
    return WordStream(stream, np.array(ends, np.int64))


def negative_streams(
    recordings: Sequence[Recording],
    noises: Sequence[Recording],
    rooms: Sequence[Samples],
    passes: int,
    seed: int = 0,
) -> Iterator[Samples]:
    """The recordings over and over, in other orders, speeds, rooms and noises; the first pass as they are."""
    for number in range(passes):
        rng = np.random.default_rng((seed, number))
        parts: list[Samples] = []
        for k in rng.permutation(len(recordings)).tolist():
            wave = recordings[k].wave
            if number:
                wave = at_speed(wave, float(rng.uniform(0.87, 1.15)))
                wave = wave * np.float32(0.05 / np.sqrt(active_power(wave) + 1e-10))
                if rng.random() < 0.4:
                    wave = reverberant(wave, rooms[int(rng.integers(len(rooms)))])
            parts += [wave, np.zeros(int(rng.uniform(0.1, 0.5) * SAMPLE_RATE), np.float32)]
        stream = np.concatenate(parts)
        if number % 2:
            noise = noise_track(noises, stream.size, rng)
            stream = stream + noise * np.float32(0.05 * 10 ** (-rng.uniform(5, 20) / 20))
        yield stream + np.float32(3e-5) * rng.standard_normal(stream.size, np.float32)


@dataclass(frozen=True)
class Detector:
    """The rule that makes events of scores, as `rtaudio.dsp.spotter.Spotter` has it, in plain numpy.

    Scores are averaged over `patience` hops; an event comes where the mean reaches the threshold, the
    next one not before `refractory` hops, and not before the mean was under half the threshold.
    """

    patience: int = 5
    refractory: int = 100

    def smooth(self, scores: NDArray[np.float32]) -> Floats:
        total = np.cumsum(np.concatenate([np.zeros(self.patience), scores.astype(np.float64)]))
        return (total[self.patience :] - total[: -self.patience]) / self.patience

    def events(self, smooth: Floats, threshold: float) -> NDArray[np.int64]:
        """Hops at which the events come."""
        over, under = np.flatnonzero(smooth >= threshold), np.flatnonzero(smooth < threshold / 2)
        events, at = [], 0
        while (k := np.searchsorted(over, at)) < over.size:
            events.append(int(over[k]))
            r = np.searchsorted(under, over[k] + self.refractory)
            if r == under.size:
                break
            at = int(under[r]) + 1
        return np.array(events, np.int64)


EARLIEST_S, LATEST_S = 0.4, 0.8  # before and after a word's end: when an event means that word


def found(events: NDArray[np.int64], ends: NDArray[np.int64]) -> Floats:
    """Seconds from each word's end to the event that found it; NaN where none did."""
    times = (events + 1) * HOP
    latency = np.full(ends.size, np.nan)
    for k, end in enumerate(ends):
        near = times[(times >= end - EARLIEST_S * SAMPLE_RATE) & (times <= end + LATEST_S * SAMPLE_RATE)]
        if near.size:
            latency[k] = (near[0] - end) / SAMPLE_RATE
    return latency


Scorer = Callable[[Samples], NDArray[np.float32]]
"""From samples to scores `(hops, words)`, one a 10 ms."""

THRESHOLDS = 1 / (1 + np.exp(-np.linspace(-5, 9, 120)))


def threshold_for(smooths: Sequence[Floats], detector: Detector, most: int) -> tuple[float, int]:
    """The least threshold with at most so many events over all streams, and how many there are."""
    for threshold in THRESHOLDS:
        count = sum(detector.events(smooth, threshold).size for smooth in smooths)
        if count <= most:
            return float(threshold), count
    return 1.0, 0


def poisson_bound(count: int) -> float:
    """Upper end of the 95 % interval (one-sided) of a Poisson mean, given `count`: 3.0 for none.

    By bisection of P(N <= count | mean) = 0.05, so that no scipy is needed.
    """
    low, high = float(count), count + 10.0 + 5 * count**0.5
    for _ in range(60):
        mean = (low + high) / 2
        terms = np.exp(-mean + np.cumsum(np.log(np.concatenate([[1.0], mean / np.arange(1, count + 1)]))))
        low, high = (mean, high) if terms.sum() > 0.05 else (low, mean)
    return high
