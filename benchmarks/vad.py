"""Voice activity: ours beside silero-vad 6 and WebRTC's, on the same mixes of validation recordings.

Speech with pauses is laid over noise, so each 10 ms is known to be speech or not. `--data DIR` holds
speech/, noise/ and so on, each with an index.csv whose split column says which are "valid". Frames are
compared at the shift of 0 to 60 ms that suits each system best: they look back over windows of other lengths.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.listening_cost import listening_cost
from benchmarks.report import Report
from rtaudio.dsp.stft import Analysis
from rtaudio.errors import RtaudioError
from rtaudio.stream.offline import run_frames
from rtaudio.stream.pipeline import Pipeline
from rtaudio.tasks.machine import installed
from rtaudio.tasks.spot import live_vad_net
from rtaudio.training.data import ClipStore, build_store
from rtaudio.training.measure import power
from rtaudio.training.spoken import RECIPE, SAMPLE_RATE
from rtaudio.training.vad import MIX, SpeechAndPauses, auc

Samples = NDArray[np.float32]
Floats = NDArray[np.float32]
HOP = 160
ITEMS, QUICK_ITEMS = 40, 12
SEED = 20260401  # not that of the mixes a training run is followed with
CONDITIONS: dict[str, float | None] = {"clean": None, "10 dB": 10.0, "0 dB": 0.0}
SHIFTS = range(7)
OPEN = 0.5
BREATH, MOST_OPEN = "breath, made", 2.0
"""What must not open it, beside keyboards: at most so many frames in a hundred."""


@dataclass(frozen=True)
class Mixes:
    """Streams `(n, samples)` and which of their 10 ms are speech `(n, frames)`."""

    waves: list[Samples]
    speech: NDArray[np.bool_]


def make_mixes(store: ClipStore, snr_db: float | None, items: int) -> Mixes:
    """15 s each, a fifth of them in rooms."""
    mix = replace(
        MIX,
        n_frames=1500,
        reverberant=0.2,
        transients=0.0,
        clean=1.0 if snr_db is None else 0.0,
        snr_db=(snr_db or 0.0, snr_db or 0.0),
        level_db=(-35.0, -18.0),
    )
    source = SpeechAndPauses(store, "valid", mix, SEED)
    waves, labels = [], []
    for number in range(items):
        rng = np.random.default_rng((SEED, number))
        voice, active = source.voice(rng)
        waves.append(source.scenery.heard(voice, rng))
        labels.append(active)
    return Mixes(waves, np.stack(labels))


Detector = Callable[[Samples], Floats]
"""From a stream to a probability a 10 ms."""


def ours(model: str) -> Detector:
    chain = Pipeline([Analysis(2 * HOP, HOP), live_vad_net(model)])

    def run(wave: Samples) -> Floats:
        chain.reset()
        return run_frames(chain, wave.reshape(-1, HOP))[:, 0]

    return run


def silero() -> Detector:
    """Its packaged ONNX model, 32 ms at a time, through its own wrapper."""
    import torch
    from silero_vad import load_silero_vad

    net = load_silero_vad(onnx=True)

    def run(wave: Samples) -> Floats:
        net.reset_states()
        chunks = torch.from_numpy(np.pad(wave, (0, -wave.size % 512)).reshape(-1, 512))
        scores = np.array([float(net(chunk, SAMPLE_RATE)) for chunk in chunks], np.float32)
        return scores[np.arange(wave.size // HOP) * HOP // 512]

    return run


def webrtc() -> Detector:
    """Yes or no for each 10 ms; the sum over its four modes serves as its score."""
    import webrtcvad

    def run(wave: Samples) -> Floats:
        pcm = (np.clip(wave, -1, 1) * 32767).astype(np.int16).reshape(-1, HOP)
        modes = [webrtcvad.Vad(mode) for mode in range(4)]
        votes = [[mode.is_speech(hop.tobytes(), SAMPLE_RATE) for mode in modes] for hop in pcm]
        return np.mean(votes, axis=1).astype(np.float32)

    return run


def systems(model: str) -> dict[str, Detector]:
    """Ours, and those of the others that are installed."""
    there = {"ours": ours(model)}
    if installed("silero_vad"):
        there["silero-vad"] = silero()
    if installed("webrtcvad"):
        there["webrtcvad"] = webrtc()
    return there


def best_auc(scores: list[Floats], speech: NDArray[np.bool_]) -> float:
    """AUC over all frames, the scores moved earlier by the shift that makes it largest."""
    results = []
    for shift in SHIFTS:
        moved = np.concatenate([x[shift:] for x in scores])
        told = np.concatenate([row[: row.size - shift] for row in speech])
        results.append(auc(moved, told))
    return max(results)


def auc_table(report: Report, store: ClipStore, there: dict[str, Detector], items: int) -> None:
    table = report.table("ROC-AUC, frames of 10 ms", ["system", *CONDITIONS, "µs for 10 ms"])
    results: dict[str, list[float]] = {name: [] for name in there}
    spent: dict[str, list[float]] = {name: [] for name in there}
    for snr_db in CONDITIONS.values():
        mixes = make_mixes(store, snr_db, items)
        for name, detect in there.items():
            began = time.perf_counter()
            scores = [detect(wave) for wave in mixes.waves]
            spent[name].append((time.perf_counter() - began) / mixes.speech.size * 1e6)
            results[name].append(best_auc(scores, mixes.speech))
    for name in there:
        table.row(name, *results[name], float(np.median(spent[name])))
    report.show(table)
    minutes = len(CONDITIONS) * items * 15 / 60
    report.note(f"{minutes:.0f} min of mixes; µs here include Python's part of each call")
    if "silero-vad" in results:
        for k, condition in enumerate(CONDITIONS):
            report.goal(
                f"AUC, {condition}, over silero-vad", results["ours"][k], results["silero-vad"][k], ">="
            )


def open_table(report: Report, store: ClipStore, there: dict[str, Detector]) -> None:
    """What opens it though nobody speaks: share of frames over 0.5, by class of noise."""
    table = report.table("frames taken for speech in noise alone, %", ["noise", "seconds", *there])
    groups: dict[str, list[Samples]] = {}
    for clip in store.select("noise", "valid"):
        wave = store.read(clip, 0, min(clip.length // HOP * HOP, 20 * SAMPLE_RATE))
        if power(wave) > 1e-9:
            groups.setdefault(clip.group, []).append(wave * np.float32(0.05 / np.sqrt(power(wave))))
    groups[BREATH] = [breath(np.random.default_rng(k), 20 * SAMPLE_RATE) for k in range(3)]
    for group, waves in sorted(groups.items()):
        shares = [
            100 * float(np.mean(np.concatenate([detect(wave) for wave in waves]) >= OPEN))
            for detect in there.values()
        ]
        table.row(group, sum(wave.size for wave in waves) / SAMPLE_RATE, *shares)
    report.show(table)
    for name in ("keyboard", BREATH):
        opened = [row[2] for row in table.rows if name in row[0]]
        if opened:
            report.goal(f"{name}: frames taken for speech, %", max(opened), MOST_OPEN)


def breath(rng: np.random.Generator, length: int) -> Samples:
    """Somebody breathing at a microphone, at -26 dBFS: noise through a throat, in and out every 3.5 s."""
    wave, hz = rng.standard_normal(length), np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    formants = [
        (f * rng.uniform(0.8, 1.2), f / 2, gain) for f, gain in ((500, 1.0), (1500, 0.7), (2500, 0.5))
    ]
    throat = sum(gain / np.hypot(1 - (hz / f) ** 2, hz * width / f**2) for f, width, gain in formants)
    wave = np.fft.irfft(np.fft.rfft(wave) * throat * (hz > 120) / np.hypot(1, hz / 2500), length)
    at = np.arange(length) / SAMPLE_RATE % 3.5
    swell = np.sin(np.pi * at / 1.2) * (at < 1.2) + np.sin(np.pi * (at - 1.6) / 1.6) * (
        (at > 1.6) & (at < 3.2)
    )
    wave = wave * np.maximum(swell, 0) ** 1.5
    return (0.05 * wave / np.sqrt(np.mean(np.square(wave)))).astype(np.float32)


def cost_table(report: Report, model: str, quick: bool) -> None:
    title = "µs for 10 ms, one thread, native, mean of the usual second"
    table = report.table(title, ["what", "warm", "paced at 10 ms"])
    warm, paced = listening_cost(live_vad_net(model), quick)
    table.row("STFT and net", warm, paced)
    report.show(table)
    report.goal("µs for 10 ms, features included, warm", warm, 10.0)
    report.goal("µs for 10 ms, features included, paced", paced, 10.0)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vad", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with speech/ and noise/")
    parser.add_argument("--model", default="vad", help="a shipped model or a weights file (vad)")
    parser.add_argument("--quick", action="store_true", help="fewer mixes")
    parser.add_argument("--json", metavar="FILE", help="write machine, tables and goals there too")
    args: Any = parser.parse_args(arguments)
    try:
        there = systems(args.model)
        with tempfile.TemporaryDirectory() as folder:
            store = build_store(args.data, Path(folder), recipe=RECIPE, splits=("valid",))
            report = Report("vad")
            auc_table(report, store, there, QUICK_ITEMS if args.quick else ITEMS)
            open_table(report, store, there)
    except RtaudioError as error:
        print(f"vad: {error}", file=sys.stderr)
        return error.exit_code
    cost_table(report, args.model, args.quick)
    return report.finish(args.json)


if __name__ == "__main__":
    sys.exit(main())
