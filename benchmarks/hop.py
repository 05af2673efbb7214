"""What one denoise hop costs: STFT, net and inverse STFT of each shipped denoiser, 48 kHz, one thread.

Each row is timed back to back (warm) and once a hop's length (paced), as live audio does; all take turns, so
that trouble of the machine hits each. ONNX Runtime and torch run the net of `standard` with its features but
without STFT and inverse, which favours them; RNNoise 0.2 is its C library called from the same native loop
as ours.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Report, main, percentiles
from rtaudio.dsp.stft import Analysis
from rtaudio.nn.denoise import Denoiser
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.weights import Weights, find_weights, load_weights
from rtaudio.stream.offline import run_frames
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.timing import PERIOD_NS, time_entry, time_python, time_stage
from rtaudio.tasks.denoise import denoise_stages

Floats = NDArray[np.float32]
Timer = Callable[[int, int], NDArray[np.float64]]  # (hops, period_ns) -> µs of each

STANDARD, LOW_LATENCY, CNN = "standard", "low-latency", "cnn"
PRECISIONS = ("float32", "int8")
RNNOISE = "RNNoise 0.2 (C), whole"
ROUNDS, WARM_UP = 3, 50

OF_RNNOISE = 0.4
"""What a paced hop of `standard` may cost of RNNoise's."""
PERCENT_OF_CORE = 3.0
"""What `low-latency` may take of one core, paced."""
OF_STANDARD = 2.0
"""What a paced hop of `cnn` may cost of one of `standard`, whose hop is as long."""
GAIN_ERROR = 1e-5


@dataclass(frozen=True)
class Row:
    """Something timed hop by hop; the largest error of its gains against torch, None where it has none."""

    timer: Timer
    error: float | None = None
    period_ns: int = PERIOD_NS

    @property
    def period_us(self) -> float:
        return self.period_ns / 1000


def noise(hop_length: int, hops: int) -> Floats:
    """Noise at -26 dBFS, its level wandering by 12 dB, as hops of samples."""
    time = np.arange(hops)[:, None]
    level = 0.05 * 2 ** np.sin(time / 29)
    samples = np.random.default_rng(0).standard_normal((hops, hop_length)) * level
    return samples.astype(np.float32)


def spectra_of(config: DenoiseConfig, hops: int) -> Floats:
    return run_frames(
        Analysis(config.n_fft, config.hop_length, config.window), noise(config.hop_length, hops)
    )


def reference_gains(config: DenoiseConfig, tensors: dict[str, Floats], spectra: Floats) -> Floats:
    """Torch, over the whole clip."""
    import torch

    from rtaudio.nn.torch.denoise import load_net

    with torch.no_grad():
        gains: Floats = load_net(config, tensors)(torch.from_numpy(spectra)[None])[0].numpy()
    return gains


def native_gains(net: Denoiser, spectra: Floats) -> Floats:
    """The gains of each hop, from a fresh state."""
    gains, out = np.zeros(spectra.shape[:2], np.float32), np.zeros_like(spectra[0])
    net.reset()
    for spectrum, row in zip(spectra, gains, strict=True):
        net.process(spectrum, out)
        row[:] = net.arena["gains"]
    return gains


def torch_peer(config: DenoiseConfig, tensors: dict[str, Floats], spectra: Floats) -> tuple[Timer, Floats]:
    """Its timer, and its gains hop by hop."""
    import torch

    from rtaudio.nn.torch.denoise import load_net

    net, frames = load_net(config, tensors), torch.from_numpy(spectra)
    state = net.initial_state()

    def step(k: int) -> Floats:
        nonlocal state
        out, state = net.step(frames[k : k + 1], state)
        gains: Floats = out.numpy()
        return gains

    def timer(hops: int, period_ns: int) -> NDArray[np.float64]:
        nonlocal state
        state = net.initial_state()
        with torch.inference_mode():
            return time_python(step, hops, period_ns)

    with torch.inference_mode():
        return timer, np.concatenate([step(k) for k in range(len(spectra))])


def onnx_peer(config: DenoiseConfig, tensors: dict[str, Floats], spectra: Floats) -> tuple[Timer, Floats]:
    """Its timer, and its gains hop by hop."""
    from rtaudio.nn.onnx.denoise import denoise_graph
    from rtaudio.nn.onnx.step import OnnxStep

    run = OnnxStep.of(denoise_graph(config, tensors))

    def timer(hops: int, period_ns: int) -> NDArray[np.float64]:
        run.reset()
        return time_python(lambda k: run(spectra[k : k + 1]), hops, period_ns)

    gains = np.zeros(spectra.shape[:2], np.float32)
    for k, row in enumerate(gains):
        run(spectra[k : k + 1])
        row[:] = run.out("gains")[0]
    return timer, gains


def rnnoise_timer(samples: Floats) -> Timer:
    import pyrnnoise.rnnoise as rnnoise

    entry = ctypes.cast(rnnoise.lib.rnnoise_process_frame, ctypes.c_void_p).value or 0
    source, out = samples * np.float32(32768), np.zeros_like(samples)

    def timer(hops: int, period_ns: int) -> NDArray[np.float64]:
        state = rnnoise.lib.rnnoise_create(None)
        # Its arguments are (state, out, in), a step's (state, in, out).
        spent = time_entry(entry, state, out[:hops], source[:hops], period_ns)
        rnnoise.lib.rnnoise_destroy(ctypes.c_void_p(state))
        return spent

    return timer


def stage_timer(stage: Any, x: Floats) -> Timer:
    return lambda hops, period_ns: time_stage(stage, x[:hops], period_ns)[0]


def row_name(model: str, precision: str) -> str:
    return model if precision == "float32" else f"{model}, {precision}"


def whole_rows(model: str, weights: Weights, hops: int) -> dict[str, Row]:
    """A shipped denoiser from samples to samples, in each precision."""
    rows = {}
    for precision in PRECISIONS:
        analysis, net, synthesis = denoise_stages(weights, precision)
        config = net.config
        spectra = spectra_of(config, hops)
        off = np.abs(native_gains(net, spectra) - reference_gains(config, weights.tensors, spectra))
        timer = stage_timer(Pipeline([analysis, net, synthesis]), noise(config.hop_length, hops))
        period_ns = round(1e9 * config.hop_length / config.sample_rate)
        rows[row_name(model, precision)] = Row(timer, float(off.max()), period_ns)
    return rows


def net_rows(model: str, weights: Weights, hops: int) -> dict[str, Row]:
    """Its net alone, by us and by what else runs it."""
    net = Denoiser.from_weights(weights)
    spectra = spectra_of(net.config, hops)
    expected = reference_gains(net.config, weights.tensors, spectra)
    made = {f"{model}, net only": (stage_timer(net, spectra), native_gains(net, spectra))}
    for name, make in (("onnxruntime", onnx_peer), ("torch", torch_peer)):
        made[f"{name}, net only"] = make(net.config, weights.tensors, spectra)
    return {name: Row(timer, float(np.abs(g - expected).max())) for name, (timer, g) in made.items()}


def time_rows(rows: dict[str, Row], hops: int) -> dict[str, dict[str, NDArray[np.float64]]]:
    """µs of `hops` hops of each row, by pace and name: a part of them in each round."""
    times: dict[str, dict[str, NDArray[np.float64]]] = {}
    for pace in ("warm", "paced"):
        parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in rows}
        for _ in range(ROUNDS):
            for name, row in rows.items():
                row.timer(WARM_UP, 0)  # first calls load code and grow buffers
                parts[name].append(row.timer(hops // ROUNDS, row.period_ns if pace == "paced" else 0))
        times[pace] = {name: np.concatenate(part) for name, part in parts.items()}
    return times


def show(
    report: Report, rows: dict[str, Row], times: dict[str, dict[str, NDArray[np.float64]]], hops: int
) -> None:
    columns = ["", "hop ms", "pace", "p50 µs", "p99", "p99.9", "max", "RTF (p50)", "gain error"]
    table = report.table(f"one hop, {hops} of each in {ROUNDS} turns", columns)
    for name, row in rows.items():
        for pace in times:
            told = percentiles(times[pace][name])
            table.row(name, row.period_us / 1000, pace, *told, told[0] / row.period_us, row.error)
    report.show(table)


def goals(report: Report, rows: dict[str, Row], p50: dict[str, dict[str, float]]) -> None:
    """What a whole hop may cost, by the medians `p50[pace][name]` in µs, and what its gains may be off."""
    warm, paced = p50["warm"], p50["paced"]
    told = f"{STANDARD}: hop warm p50 µs, cheaper than RNNoise's"
    report.goal(told, warm[STANDARD], warm[RNNOISE], "<")
    told = f"{STANDARD}: hop paced p50 µs, at most {OF_RNNOISE} of RNNoise's {paced[RNNOISE]:.0f}"
    report.goal(told, paced[STANDARD], OF_RNNOISE * paced[RNNOISE])
    share = 100 * paced[LOW_LATENCY] / rows[LOW_LATENCY].period_us
    report.goal(f"{LOW_LATENCY}: % of one core, paced p50 over its hop", share, PERCENT_OF_CORE)
    told = f"{CNN}: hop paced p50 µs, at most {OF_STANDARD:.0f} of {STANDARD}'s {paced[STANDARD]:.0f}"
    report.goal(told, paced[CNN], OF_STANDARD * paced[STANDARD])
    for name in (STANDARD, LOW_LATENCY, CNN):
        error = rows[name].error
        assert error is not None
        report.goal(f"{name}: largest gain error against torch over the whole clip", error, GAIN_ERROR)


def run(report: Report, quick: bool) -> None:
    hops = 300 if quick else 3000
    weights = {model: load_weights(find_weights(model)) for model in (STANDARD, LOW_LATENCY, CNN)}
    rows: dict[str, Row] = {}
    for model, tensors in weights.items():
        rows |= whole_rows(model, tensors, hops)
    rows[RNNOISE] = Row(rnnoise_timer(noise(480, hops)))
    rows |= net_rows(STANDARD, weights[STANDARD], hops)
    times = time_rows(rows, hops)
    show(report, rows, times, hops)
    medians = {pace: {name: float(np.median(t)) for name, t in by.items()} for pace, by in times.items()}
    goals(report, rows, medians)


if __name__ == "__main__":
    main(run)
