"""Recordings for training: read the index, decode once into one memory-mapped file, draw from it.

A data folder holds `speech/`, `noise/`, `noise_other/`, `keywords/`, each with an `index.csv`
(path, source, speaker or class, split, rate, seconds, licence). Room responses are not read:
rooms are simulated (`rtaudio.training.rooms`), so no licence of theirs reaches the weights.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from rtaudio.errors import ConfigError
from rtaudio.training.measure import bandwidth_hz, dynamic_db

Samples = NDArray[np.float32]

SAMPLE_RATE = 48000
FOLDERS = {"speech": "speech", "keywords": "speech", "noise": "noise", "noise_other": "noise"}
GROUP_COLUMNS = ("speaker", "speaker_group", "class")
SPEEDS = {"speech": (1.0, 0.82, 0.91, 1.1, 1.22), "noise": (1.0, 0.8, 1.25)}
"""Copies of training clips at other speeds: pitch and formants move together, as between speakers
(± 20 % makes a man a large man or a woman, a woman a child)."""
MIN_DYNAMIC_DB = {"speech": 25.0, "keywords": 35.0}
"""Loud over quiet frames a clip needs to serve as clean. Spoken words from the crowd are held to
more: their background would teach the net that noise is speech."""


@dataclass(frozen=True)
class StoreRecipe:
    """What a store is made of; the defaults are the denoiser's.

    - speeds: copies of training clips, by kind.
    - min_dynamic_db: what a training clip needs to be taken, by folder; all are where it is empty.
    """

    sample_rate: int = SAMPLE_RATE
    speeds: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: SPEEDS)
    min_dynamic_db: Mapping[str, float] = field(default_factory=lambda: MIN_DYNAMIC_DB)


@dataclass(frozen=True)
class Clip:
    """One decoded recording, or a copy at another speed: where it lies in the store, and what it is."""

    kind: str
    path: str
    source: str
    group: str
    split: str
    licence: str
    speed: float
    bandwidth_hz: float
    start: int
    length: int

    @property
    def synthetic(self) -> bool:
        """Whether a program said it (`append_clips`)."""
        return self.path.startswith("synthetic/")


def read_index(data: Path) -> list[dict[str, str]]:
    """Rows of every folder's `index.csv`, with `folder`, `kind` and `group` added."""
    if not data.is_dir():
        raise ConfigError(
            f"data folder {data} does not exist; it must hold speech/ and noise/ with index.csv"
        )
    rows = []
    for folder, kind in FOLDERS.items():
        index = data / folder / "index.csv"
        if index.is_file():
            with index.open(newline="", encoding="utf-8") as file:
                rows += [{**row, "folder": folder, "kind": kind} for row in csv.DictReader(file)]
    for kind in ("speech", "noise"):
        if not any(row["kind"] == kind for row in rows):
            raise ConfigError(f"data folder {data} has no {kind}/index.csv with recordings in it")
    return [{**row, "group": _group(row)} for row in rows]


def _group(row: dict[str, str]) -> str:
    """Speaker or class, made unique by its source (and keyword, whose groups are numbered apart)."""
    name = next((row[column] for column in GROUP_COLUMNS if row.get(column)), "")
    return "/".join(filter(None, (row["source"], row.get("keyword", ""), name)))


def decode(path: Path, speed: float = 1.0, sample_rate: int = SAMPLE_RATE) -> Samples:
    """Mono samples, peak 0.9, played `speed` times as fast."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return _peak_normalised(soxr.resample(audio.mean(1), rate * speed, sample_rate).astype(np.float32))


def _peak_normalised(x: Samples) -> Samples:
    return x * np.float32(0.9 / max(float(np.abs(x).max(initial=0.0)), 1e-6))


class ClipStore:
    """Every clip of a data folder in one int16 file, mapped into memory.

    `samples` `(n,)` int16 holds the clips one after the other; `clips` says where. A build that
    was interrupted goes on after the last clip that was listed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clips = [clip for clip in _listed(folder / "clips.jsonl") if clip.length]
        self.samples = np.memmap(folder / "samples.i16", dtype=np.int16, mode="r")

    def read(self, clip: Clip, start: int, length: int) -> Samples:
        """`length` samples of a clip in ±1, from `start`; shorter where the clip ends."""
        end = min(start + length, clip.length)
        return self.samples[clip.start + start : clip.start + end].astype(np.float32) / np.float32(32768)

    def select(self, kind: str, split: str) -> list[Clip]:
        """Clips of a kind ("speech", "noise") and split ("train", "valid")."""
        return [clip for clip in self.clips if clip.kind == kind and clip.split == split]


def _listed(manifest: Path) -> list[Clip]:
    if not manifest.is_file():
        return []
    lines = manifest.read_text(encoding="utf-8").split("\n")[:-1]  # a last line with no end was cut off
    return [Clip(**clip) for line in lines for clip in json.loads(line)]


def build_store(
    data: Path,
    folder: Path,
    *,
    recipe: StoreRecipe | None = None,
    splits: tuple[str, ...] = ("train", "valid"),
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> ClipStore:
    """Decode every recording of `data` into `folder`, going on where an earlier build stopped."""
    recipe = recipe or StoreRecipe()
    rows = [row for row in read_index(data) if row["split"] in splits]
    folder.mkdir(parents=True, exist_ok=True)
    done = _listed(folder / "clips.jsonl")
    _truncate(folder, done)
    seen = {clip.path for clip in done}
    missing = [row for row in rows if f"{row['folder']}/{row['path']}" not in seen]
    with ThreadPoolExecutor(workers) as pool:
        for i, (row, copies) in enumerate(_in_order(pool, data, missing, recipe)):
            _append(folder, row, copies, recipe.sample_rate)
            if on_progress:
                on_progress(len(rows) - len(missing) + i + 1, len(rows))
    return ClipStore(folder)


def _in_order(
    pool: ThreadPoolExecutor, data: Path, rows: list[dict[str, str]], recipe: StoreRecipe
) -> Iterator[tuple[dict[str, str], list[tuple[float, Samples]]]]:
    """Decode in batches of 64 files: enough to keep the pool busy, little enough to hold in memory."""
    for at in range(0, len(rows), 64):
        batch = rows[at : at + 64]
        yield from zip(batch, pool.map(lambda row: _copies(data, row, recipe), batch), strict=True)


def _copies(data: Path, row: dict[str, str], recipe: StoreRecipe) -> list[tuple[float, Samples]]:
    path, rate = data / row["folder"] / row["path"], recipe.sample_rate
    least_db = recipe.min_dynamic_db.get(row["folder"])
    if least_db is not None and row["split"] == "train":
        audio = decode(path, sample_rate=rate)
        if dynamic_db(audio) < least_db:
            return [(1.0, audio[:0])]
    speeds = recipe.speeds[row["kind"]] if row["split"] == "train" else (1.0,)
    return [(speed, decode(path, speed, rate)) for speed in speeds]


def _append(folder: Path, row: dict[str, str], copies: list[tuple[float, Samples]], sample_rate: int) -> None:
    """Samples first, then one line that lists them all: a crash between leaves samples nobody lists."""
    clips = []
    with (folder / "samples.i16").open("ab") as file:
        for speed, audio in copies:
            start = file.tell() // 2
            file.write((audio * 32767).astype(np.int16).tobytes())
            band = bandwidth_hz(audio, sample_rate, limit_hz=int(row["rate"]) * speed / 2)
            path = f"{row['folder']}/{row['path']}"
            clip = Clip(
                row["kind"], path, row["source"], row["group"], row["split"], row["licence"],
                speed, band, start, audio.size,
            )  # fmt: skip
            clips.append(clip)
        file.flush()
    with (folder / "clips.jsonl").open("a", encoding="utf-8") as manifest:
        manifest.write(_line(clips))


def _line(clips: list[Clip]) -> str:
    """A recording's copies, as one line of the manifest: all of them are listed or none."""
    return json.dumps([asdict(clip) for clip in clips]) + "\n"


def _truncate(folder: Path, done: list[Clip]) -> None:
    """Cut store and manifest back to the last clip that was listed whole."""
    end = max((clip.start + clip.length for clip in done), default=0)
    (folder / "samples.i16").touch()
    os.truncate(folder / "samples.i16", 2 * end)
    text = "".join(_line(list(clips)) for _, clips in groupby(done, key=lambda clip: clip.path))
    (folder / "clips.jsonl").write_text(text, encoding="utf-8")


def listed_paths(folder: Path) -> set[str]:
    """Paths of the clips a store holds."""
    return {clip.path for clip in _listed(folder / "clips.jsonl")}


def append_clips(folder: Path, rows: list[dict[str, str]], waves: list[Samples], sample_rate: int) -> None:
    """Add made speech, for training, to a store; rows give path (under synthetic/), source, group, licence.

    All of them are listed or none, in one line.
    """
    clips = []
    with (folder / "samples.i16").open("ab") as file:
        for row, wave in zip(rows, waves, strict=True):
            start = file.tell() // 2
            file.write((wave * 32767).astype(np.int16).tobytes())
            path, band = f"synthetic/{row['path']}", sample_rate / 2
            clip = Clip(
                "speech",
                path,
                row["source"],
                row["group"],
                "train",
                row["licence"],
                1.0,
                band,
                start,
                wave.size,
            )
            clips.append(clip)
    with (folder / "clips.jsonl").open("a", encoding="utf-8") as manifest:
        manifest.write(_line(clips))
