"""What one denoise hop costs: STFT, net and inverse STFT, 480 samples, 48 kHz, one thread.

Each row is timed back to back (warm) and once every 10 ms (paced), as live audio does. ONNX
Runtime and torch run the same net with its features but without STFT and inverse, which favours
them; RNNoise 0.2 is its C library called from the same native loop as ours.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import Report, Table, main, percentiles
from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.nn.denoise import Denoiser, tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.weights import find_weights, list_models, load_weights
from rtaudio.stream.offline import run_frames
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.timing import PERIOD_NS, time_entry, time_python, time_stage

Floats = NDArray[np.float32]
Timer = Callable[[int, int], NDArray[np.float64]]  # (hops, period_ns) -> µs of each

MODEL = "standard"
HOP_MS = PERIOD_NS / 1e6


def net_and_weights(report: Report) -> tuple[DenoiseConfig, dict[str, Floats]]:
    """The shipped net, or random weights of its sizes, which cost the same."""
    if MODEL in list_models():
        weights = load_weights(find_weights(MODEL))
        return Denoiser.from_weights(weights).config, weights.tensors
    report.note(f"no weights named {MODEL!r} are shipped: random ones of the same sizes")
    config, rng = DenoiseConfig(), np.random.default_rng(0)
    tensors = {}
    for name, shape in tensor_shapes(config).items():
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 4
        tensors[name] = (rng.standard_normal(shape) * 0.5 / np.sqrt(fan_in)).astype(np.float32)
    return config, tensors


def noise(config: DenoiseConfig, hops: int) -> Floats:
    """Noise at -26 dBFS, its level wandering by 12 dB, as hops of samples."""
    time = np.arange(hops)[:, None]
    level = 0.05 * 2 ** np.sin(time / 29)
    samples = np.random.default_rng(0).standard_normal((hops, config.hop_length)) * level
    return samples.astype(np.float32)


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


def torch_timer(config: DenoiseConfig, tensors: dict[str, Floats], spectra: Floats) -> tuple[Timer, Floats]:
    import torch

    from rtaudio.nn.torch.denoise import load_net

    net, frames = load_net(config, tensors), torch.from_numpy(spectra)
    gains = np.zeros(spectra.shape[:2], np.float32)
    state = net.initial_state()

    def step(k: int) -> None:
        nonlocal state
        out, state = net.step(frames[k : k + 1], state)
        gains[k] = out.numpy()

    def timer(hops: int, period_ns: int) -> NDArray[np.float64]:
        nonlocal state
        state = net.initial_state()
        with torch.inference_mode():
            return time_python(step, hops, period_ns)

    return timer, gains


def onnx_timer(config: DenoiseConfig, tensors: dict[str, Floats], spectra: Floats) -> tuple[Timer, Floats]:
    from rtaudio.nn.onnx.denoise import denoise_graph
    from rtaudio.nn.onnx.step import OnnxStep

    graph, gains = denoise_graph(config, tensors), np.zeros(spectra.shape[:2], np.float32)

    def timer(hops: int, period_ns: int) -> NDArray[np.float64]:
        run = OnnxStep.of(graph)

        def step(k: int) -> None:
            run(spectra[k : k + 1])

        def check(k: int) -> None:
            step(k)
            gains[k] = run.out("gains")[0]

        if period_ns == 0:  # outputs are copied out in an untimed pass of its own
            for k in range(len(gains)):
                check(k)
            run = OnnxStep.of(graph)
        return time_python(step, hops, period_ns)

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


def add_rows(table: Table, name: str, timer: Timer, hops: int, error: float | None) -> dict[str, float]:
    """A row warm and one paced; returns the medians."""
    medians = {}
    for pace, period in (("warm", 0), ("paced", PERIOD_NS)):
        timer(min(hops, 50), 0)  # first calls load code and grow buffers
        p50, p99, p999, largest = percentiles(timer(hops, period))
        table.row(name, pace, p50, p99, p999, largest, p50 / 1000 / HOP_MS, error)
        medians[pace] = p50
    return medians


def run(report: Report, quick: bool) -> None:
    hops = 300 if quick else 3000
    config, tensors = net_and_weights(report)
    samples = noise(config, hops)
    sizes = (config.n_fft, config.hop_length, config.window)
    spectra = run_frames(Analysis(*sizes), samples)
    expected = reference_gains(config, tensors, spectra)

    net = Denoiser(config, tensors)
    peers = {"onnxruntime, net only": onnx_timer, "torch, net only": torch_timer}
    columns = ["", "pace", "p50 µs", "p99", "p99.9", "max", "RTF (p50)", "gain error"]
    table = report.table(f"one hop of 10 ms, {hops} hops", columns)
    error = float(np.abs(native_gains(net, spectra) - expected).max())
    whole = Pipeline([Analysis(*sizes), Denoiser(config, tensors), Synthesis(*sizes)])
    ours = add_rows(table, "rtaudio: STFT, net, iSTFT", stage_timer(whole, samples), hops, error)
    int8 = Denoiser(config, tensors, precision="int8")
    error_int8 = float(np.abs(native_gains(int8, spectra) - expected).max())
    whole_int8 = Pipeline([Analysis(*sizes), int8, Synthesis(*sizes)])
    add_rows(table, "the same, int8", stage_timer(whole_int8, samples), hops, error_int8)
    add_rows(table, "rtaudio, net only", stage_timer(net, spectra), hops, error)
    for name, make in peers.items():
        timer, gains = make(config, tensors, spectra)
        timer(len(gains), 0)
        peer_error = float(np.abs(gains - expected).max())
        add_rows(table, name, timer, hops, peer_error)
    theirs = add_rows(table, "RNNoise 0.2 (C), whole", rnnoise_timer(samples), hops, None)
    report.show(table)
    for pace, p50 in ours.items():
        report.goal(f"hop {pace} p50 µs, cheaper than RNNoise's {theirs[pace]:.0f}", p50, theirs[pace], "<")
    report.goal("largest gain error against torch over the whole clip", error, 1e-5)


if __name__ == "__main__":
    main(run)
