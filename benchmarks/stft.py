"""Streaming STFT: analysis, synthesis and overlap-add of one hop, beside what one would use instead.

Every peer does the same work, hop by hop, as live audio must: slide the hop into the frame,
window, transform, transform back, window, overlap-add. `rtaudio` and `rocket-fft` run in one
compiled loop, as in rtaudio's engine; the others are called from Python, once a hop.

The errors are the largest difference from float64, over the largest true value: of the
spectrum, and of the reconstructed signal.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.report import Report, main, percentiles
from rtaudio.kernels.window import dual_window, make_window
from rtaudio.tasks.machine import installed

SIZES = (320, 512, 960)
SLOW = {
    "scipy.fft": 4.0,
    "torch": 4.0,
    "librosa": 4.0,
    "rocket-fft in Numba": 1.5,
}  # how much faster we must be
HOPS = 50  # a batch: long enough for the clock's resolution, short enough to see single stalls

Run = Callable[[np.ndarray, np.ndarray], None]
Peer = tuple[Run, Callable[[np.ndarray], np.ndarray]]  # many hops; spectrum of a windowed frame


def windows(n_fft: int) -> tuple[np.ndarray, np.ndarray]:
    window = make_window("sqrt_hann", n_fft)
    return window.astype(np.float32), dual_window(window, window, n_fft // 2).astype(np.float32)


def per_hop(n_fft: int, hop: Callable[[np.ndarray], np.ndarray]) -> Run:
    """Streaming around `hop`, which turns a frame into the windowed frame to overlap-add."""
    half = n_fft // 2
    history, overlap = np.zeros(n_fft, np.float32), np.zeros(n_fft, np.float32)

    def run(x: np.ndarray, out: np.ndarray) -> None:
        for start in range(0, x.size, half):
            history[:half] = history[half:]
            history[half:] = x[start : start + half]
            overlap[:] += hop(history)
            out[start : start + half] = overlap[:half]
            overlap[:half] = overlap[half:]
            overlap[half:] = 0

    return run


@functools.cache
def native_loop() -> Any:
    """The engine's inner loop: call a step by address, hop after hop."""
    import numba

    from rtaudio.kernels.memory import call_step

    @numba.njit("void(int64, int64, int64, int64, int64, int64)", error_model="numpy", nogil=True)
    def loop(entry, state, x, out, hops, size):  # type: ignore[no-untyped-def]
        for i in range(hops):
            call_step(entry, state, x + 4 * size * i, out + 4 * size * i)

    return loop


def native_spectrum(frame: np.ndarray) -> np.ndarray:
    from rtaudio.dsp.stft import Analysis

    out = np.empty((frame.size // 2 + 1, 2), np.float32)
    Analysis(frame.size, frame.size, np.ones(frame.size)).process(frame, out)
    return np.asarray(out.astype(np.float64) @ [1, 1j])


def rtaudio_native(n_fft: int) -> Peer:
    from rtaudio.dsp.stft import Analysis, Synthesis
    from rtaudio.stream.pipeline import Pipeline

    half, loop = n_fft // 2, native_loop()
    stage = Pipeline([Analysis(n_fft, half), Synthesis(n_fft, half)])

    def run(x: np.ndarray, out: np.ndarray) -> None:
        loop(stage.entry, stage.arena.address, x.ctypes.data, out.ctypes.data, x.size // half, half)

    return run, native_spectrum


def rtaudio_process(n_fft: int) -> Peer:
    from rtaudio.dsp.stft import Analysis, Synthesis
    from rtaudio.stream.pipeline import Pipeline

    half = n_fft // 2
    stage = Pipeline([Analysis(n_fft, half), Synthesis(n_fft, half)])

    def run(x: np.ndarray, out: np.ndarray) -> None:
        for start in range(0, x.size, half):
            stage.process(x[start : start + half], out[start : start + half])

    return run, native_spectrum


def scipy_fft(n_fft: int) -> Peer:
    import scipy.fft

    window, dual = windows(n_fft)
    return per_hop(
        n_fft, lambda frame: scipy.fft.irfft(scipy.fft.rfft(frame * window), n_fft) * dual
    ), scipy.fft.rfft


def torch_fft(n_fft: int) -> Peer:
    import torch

    torch.set_num_threads(1)  # a hop is too small to share, and the engine has one thread
    window, dual = (torch.from_numpy(w) for w in windows(n_fft))

    @torch.inference_mode()
    def hop(frame: np.ndarray) -> np.ndarray:
        spectrum = torch.fft.rfft(torch.from_numpy(frame) * window)
        return np.asarray((torch.fft.irfft(spectrum, n_fft) * dual).numpy())

    return per_hop(n_fft, hop), lambda frame: np.asarray(torch.fft.rfft(torch.from_numpy(frame)).numpy())


def librosa_stft(n_fft: int) -> Peer:
    import librosa

    window, dual = windows(n_fft)
    ones = np.ones(n_fft, np.float32)
    options: dict[str, Any] = {"n_fft": n_fft, "hop_length": n_fft // 2, "center": False}

    def hop(frame: np.ndarray) -> np.ndarray:
        spectrum = librosa.stft(frame, window=window, **options)
        return np.asarray(librosa.istft(spectrum, window=ones, **options) * dual)

    return per_hop(n_fft, hop), lambda frame: librosa.stft(frame, window=ones, **options)[:, 0]


def fftw(n_fft: int) -> Peer:
    import pyfftw

    window, dual = windows(n_fft)
    frame = pyfftw.zeros_aligned(n_fft, "float32")
    forward = pyfftw.builders.rfft(frame, planner_effort="FFTW_MEASURE", threads=1)
    backward = pyfftw.builders.irfft(forward(), planner_effort="FFTW_MEASURE", threads=1)

    def hop(history: np.ndarray) -> np.ndarray:
        np.multiply(history, window, out=frame)
        forward()
        return np.asarray(backward(forward.output_array) * dual)

    def spectrum(x: np.ndarray) -> np.ndarray:
        frame[:] = x
        return np.array(forward())

    return per_hop(n_fft, hop), spectrum


@functools.cache
def rocket_loops() -> tuple[Any, Any]:
    import numba
    import scipy.fft

    @numba.njit(error_model="numpy", fastmath=True)
    def loop(x, out, window, dual, history, overlap):  # type: ignore[no-untyped-def]
        n, hop_length = window.size, window.size // 2
        for start in range(0, x.size, hop_length):
            history[:hop_length] = history[hop_length:]
            history[hop_length:] = x[start : start + hop_length]
            frame = scipy.fft.irfft(scipy.fft.rfft(history * window), n)
            for i in range(n):
                overlap[i] += frame[i] * dual[i]
            out[start : start + hop_length] = overlap[:hop_length]
            overlap[:hop_length] = overlap[hop_length:]
            overlap[hop_length:] = 0

    @numba.njit
    def spectrum(frame):  # type: ignore[no-untyped-def]
        return scipy.fft.rfft(frame)

    return loop, spectrum


def rocket(n_fft: int) -> Peer:
    loop, spectrum = rocket_loops()
    window, dual = windows(n_fft)
    history, overlap = np.zeros(n_fft, np.float32), np.zeros(n_fft, np.float32)
    return lambda x, out: loop(x, out, window, dual, history, overlap), spectrum


PEERS: dict[str, tuple[str, Callable[[int], Peer]]] = {
    "rtaudio": ("numba", rtaudio_native),
    "rtaudio, process() from Python": ("numba", rtaudio_process),
    "rocket-fft in Numba": ("rocket-fft", rocket),
    "FFTW (pyfftw)": ("pyfftw", fftw),
    "scipy.fft": ("scipy", scipy_fft),
    "torch": ("torch", torch_fft),
    "librosa": ("librosa", librosa_stft),
}


def build(n_fft: int) -> dict[str, Peer | None]:
    """Each peer for one size, None where its package is missing."""
    return {name: make(n_fft) if installed(package) else None for name, (package, make) in PEERS.items()}


def errors(n_fft: int, peer: Peer) -> tuple[float, float]:
    """Of the spectrum of a windowed frame, and of the reconstruction."""
    run, spectrum = peer
    x = np.random.default_rng(n_fft).standard_normal(20 * n_fft).astype(np.float32)
    out = np.zeros_like(x)
    run(x, out)
    delay = n_fft // 2
    frame = x[:n_fft] * windows(n_fft)[0]
    true = np.fft.rfft(frame.astype(np.float64))
    of_spectrum = np.max(np.abs(spectrum(frame) - true)) / np.max(np.abs(true))
    return float(of_spectrum), float(np.max(np.abs(out[delay:] - x[:-delay])) / np.max(np.abs(x)))


def time_hops(n_fft: int, peers: dict[str, Peer], batches: int) -> dict[str, np.ndarray]:
    """Microseconds per hop of each batch; the peers take turns, so noise hits all alike."""
    x = np.random.default_rng(0).standard_normal(HOPS * n_fft // 2).astype(np.float32)
    out = np.zeros_like(x)
    taken = {name: np.zeros(batches) for name in peers}
    for i in range(batches):
        for name, (run, _) in peers.items():
            began = time.perf_counter_ns()
            run(x, out)
            taken[name][i] = (time.perf_counter_ns() - began) / 1000 / HOPS
    return taken


def rows(n_fft: int, batches: int) -> Iterator[tuple[str, list[Any]]]:
    built = build(n_fft)
    peers = {name: peer for name, peer in built.items() if peer is not None}
    found = {name: errors(n_fft, peer) for name, peer in peers.items()}  # also warms up
    taken = time_hops(n_fft, peers, batches)
    ours = percentiles(taken["rtaudio"])[0]
    for name in built:
        if name in peers:
            shown = percentiles(taken[name])
            yield name, [*shown, shown[0] / ours, *found[name]]
        else:
            yield f"{name}: {PEERS[name][0]} is not installed", [None] * 7


def run(report: Report, quick: bool) -> None:
    columns = ["per hop, us", "p50", "p99", "p99.9", "max", "x rtaudio", "spectrum error", "signal error"]
    for n_fft in SIZES:
        table = report.table(f"N = {n_fft}, hop {n_fft // 2}, float32, sqrt-Hann", columns)
        for name, cells in rows(n_fft, 40 if quick else 400):
            table.row(name, *cells)
            if name in SLOW:
                report.goal(f"N={n_fft}: times faster than {name}", cells[4], SLOW[name], ">=")
            if name == "rtaudio":
                report.goal(f"N={n_fft}: spectrum error", cells[5], 5e-7)
                report.goal(f"N={n_fft}: signal error", cells[6], 5e-7)
        report.show(table)
    report.note(f"p50 and so on are over batches of {HOPS} hops")


if __name__ == "__main__":
    main(run)
