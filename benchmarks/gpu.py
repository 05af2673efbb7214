"""What the GPU path gives: the time of one stream's hop, and how many streams keep up with sound.

All is from host memory to host memory. First one stream, of each net that ships: what `rtaudio denoise
--device cuda` runs, kernels of our own launched ahead, beside the native net and, for the first net, other
ways to run the same step. Between paced hops the thread naps as a worker does. Then as many streams of the
first net as stay within their hop at p99.9, in chunks on CUDA streams of their own, so that one chunk's
copies run beside another's arithmetic; beside it what the bus and arithmetic allow.

A whole run takes 5 minutes (`--part` runs one of the two) and is kept under benchmarks/results/. Without a
GPU nothing is measured, and the exit code is 3; `--device cpu` runs the program itself, to check it, and
claims nothing.
"""

from __future__ import annotations

import argparse
import functools
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.gpu_fleet import PRODUCTS, Fleet, Precision, bounds, most_in_time
from benchmarks.gpu_limits import measure_bus, measure_products
from benchmarks.report import Report, percentiles
from rtaudio.cli.options import count
from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.errors import DeviceError
from rtaudio.nn.denoise import NET_NAME, Denoiser
from rtaudio.nn.torch.cuda import cuda_device
from rtaudio.nn.torch.denoise_stream import AUDIO, DTYPES, DenoiseStream
from rtaudio.nn.weights import find_weights, list_models, load_weights
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.timing import DueTimer, finished, time_stage

Floats = NDArray[np.float32]

RESULTS = Path(__file__).parent / "results"
HOP_GOAL_US, STREAMS_GOAL = 100.0, 50_000
ONE_STREAM = "one stream, paced p99 µs, host to host"
HOPS, QUICK_HOPS = 1500, 300
OTHER_HOPS = 500
"""Of ways that live audio does not take, which need no tail."""
INAUDIBLE_DB = 60.0
"""Narrow types count where their error lies that far below the sound: as deep as a good room's silence."""


def sound(hops: int, streams: int, hop_length: int) -> Floats:
    """`(hops, streams, hop_length)`: voices gliding and pausing, each its own, in noise 25 dB below."""
    rng, time = np.random.default_rng(0), np.arange(hops * hop_length) / 48000
    voices = []
    for _ in range(streams):
        pitch = 2 * np.pi * np.cumsum(140 + 60 * np.sin(2 * np.pi * 0.4 * time + rng.uniform(0, 6))) / 48000
        tones = sum(np.sin(k * pitch + rng.uniform(0, 6)) / k for k in range(1, 25))
        spoken = np.clip(4 * np.sin(2 * np.pi * 1.5 * time + rng.uniform(0, 6)), 0, 1)
        voices.append(0.1 * tones * spoken + 0.005 * rng.standard_normal(time.size))
    return np.ascontiguousarray(
        np.stack(voices, 1).reshape(hops, hop_length, streams).swapaxes(1, 2), np.float32
    )


class Bench:
    """The model, the device, and what was asked for."""

    def __init__(self, report: Report, options: argparse.Namespace, device: torch.device, model: str) -> None:
        self.report, self.options, self.device, self.model = report, options, device, model
        self.weights = load_weights(find_weights(model))
        self.config = Denoiser.from_weights(self.weights).config
        self.hops = QUICK_HOPS if options.quick else HOPS

    def native(self) -> Pipeline:
        sizes = (self.config.n_fft, self.config.hop_length, self.config.window)
        return Pipeline([Analysis(*sizes), Denoiser.from_weights(self.weights), Synthesis(*sizes)])

    def stream(self, streams: int = 1, **options: Any) -> DenoiseStream:
        return DenoiseStream.from_weights(self.weights, streams, device=self.device, **options)

    def many(self, kind: str) -> dict[str, Any]:
        """Options of streams in large numbers."""
        given = self.options
        return {
            "dtype": PRODUCTS[kind][0],
            "audio": given.audio,
            "transform": "fft",
        }

    def error_db(self, kind: str) -> float:
        """How far the error of such streams lies below the native net's sound, in the worst of some."""
        x = sound(min(self.hops, 300), 4, self.config.hop_length)
        out, ratios = denoised(self.stream(4, **self.many(kind) | {"audio": "float32"}), x), []
        for k in range(4):
            expected = time_stage(self.native(), np.ascontiguousarray(x[:, k]))[1].astype(np.float64)
            ratios.append(np.sum(expected**2) / np.sum((out[:, k] - expected) ** 2))
        return float(10 * np.log10(min(ratios)))


def denoised(stream: DenoiseStream, x: Floats) -> Floats:
    """`x` `(hops, streams, hop_length)` through the stream."""
    out = np.empty_like(x)
    for source, target in zip(x, out, strict=True):
        stream.process(source.reshape(stream.in_spec.shape), target.reshape(stream.out_spec.shape))
    return out


LIVE = "our kernels, launched ahead (live)"


def ways(compiler: str) -> dict[str, dict[str, Any]]:
    """Ways to run a hop, by options of `DenoiseStream`."""
    return {
        LIVE: {},
        "our kernels": {},
        "CUDA graph of torch's operations": {"own_kernels": False},
        "CUDA graph of torch.compile's": {"own_kernels": False, "compiler": compiler},
        "torch's operations, one by one": {"own_kernels": False, "graph": False},
    }


def one_stream(bench: Bench) -> None:
    """A table of ways to run one stream's hop; the first is what live denoising runs."""
    report, first = bench.report, bench.model == bench.options.model[0]
    columns = ["", "pace", "hops", "p50 µs", "p99", "p99.9", "max", "error"]
    hop_ns = round(1e9 * bench.config.hop_length / bench.config.sample_rate)
    title = f"{bench.model}, one stream, a hop of {hop_ns / 1e6:g} ms, host to host"
    table = report.table(title, columns)
    x = sound(bench.hops, 1, bench.config.hop_length)
    expected = time_stage(bench.native(), x[:, 0])[1]
    p99 = float("nan")
    for name, options in ways(bench.options.compiler).items():
        if not (first or name == LIVE):
            continue
        stream = built(bench, name, **options)
        if stream is None:
            table.row(name, "paced", *[None] * 6)
            continue
        error = float(np.abs(denoised(stream, x)[:, 0] - expected).max())
        hops = bench.hops if name == LIVE else min(bench.hops, OTHER_HOPS)
        for pace, period in (("warm", 0), ("paced", hop_ns)):
            row = percentiles(time_process(stream, x[:hops, 0], period, ahead=name == LIVE))
            table.row(name, pace, hops, *row, error)
        p99 = row[1] if name == LIVE else p99
    for pace, period in (("warm", 0), ("paced", hop_ns)):
        row = percentiles(time_stage(bench.native(), x[:, 0], period)[0])
        table.row("native, on the CPU", pace, bench.hops, *row, 0)
    report.show(table)
    report.goal(f"{bench.model}: {ONE_STREAM}", measured(bench, p99), HOP_GOAL_US)


def time_process(stream: DenoiseStream, x: Floats, period_ns: int, *, ahead: bool) -> NDArray[np.float64]:
    """Microseconds of each row of `x`, from samples in host memory to samples there.

    - ahead: hops are launched in between and handed over by compiled code, as a worker does it.
    """
    out = np.empty(stream.out_spec.shape, np.float32)

    def hop(k: int, due_ns: int) -> tuple[int, int]:
        return stream.process_at(x[k], out, due_ns)

    def prepare(k: int = 0) -> None:
        if ahead:
            stream.prepare()

    times = finished(DueTimer(hop, begin=prepare, check=prepare), len(x), period_ns)
    stream.settle()
    return times.compute_us


def built(bench: Bench, name: str, **options: Any) -> DenoiseStream | None:
    """The stream, or None, with a note, where the compiler can't."""
    try:
        return bench.stream(**options)
    except Exception as error:  # compilers fail in many ways, and all of them cost one row only
        bench.report.note(f"{name}: {type(error).__name__}: {str(error).strip().splitlines()[0]}")
        return None


def measured(bench: Bench, value: float) -> float | None:
    """A goal's value: nothing that ran on a CPU says anything about a GPU."""
    return None if bench.device.type == "cpu" else value


def many_streams(bench: Bench) -> None:
    """A table of how many streams keep up, by what the net's products are made of."""
    report, options, small = bench.report, bench.options, bench.device.type == "cpu"
    columns = ["products", "streams", "p50 µs", "p99", "p99.9", "max", "error dB", "by bus", "by products"]
    title = (
        f"{bench.model}, streams in real time, host to host, {options.audio} audio, chunks of {options.chunk}"
    )
    table = report.table(title, columns)
    bus = measure_bus(bench.device, 1 if small else 256)
    report.note(
        f"bus, GB/s: {bus.to_device:.1f} to the device, {bus.to_host:.1f} back, "
        f"{bus.each_of_both:.1f} each way at once"
    )
    best = 0
    for kind in options.products:
        with Precision(PRODUCTS[kind][1]):
            rate = measure_products(bench.device, DTYPES[PRODUCTS[kind][0]], 256 if small else 8192)
            error_db = bench.error_db(kind)
            fleet = Fleet(functools.partial(bench.stream, options.chunk, **bench.many(kind)))
            used, times = most_in_time(fleet, max(1, options.most // options.chunk), bench.hops)
        report.note(f"{kind}: {rate:.3g} TFLOP/s in large matrix products")
        allowed = bounds(bus, rate, fleet.chunks[0])
        table.row(kind, used * options.chunk, *percentiles(times.response_us), error_db, *allowed)
        best = max(best, used * options.chunk) if error_db >= INAUDIBLE_DB else best
    report.show(table)
    report.note("by bus, by products: streams that these alone would allow")
    name = f"streams in real time at p99.9, error {INAUDIBLE_DB:g} dB down"
    report.goal(name, measured(bench, best), STREAMS_GOAL, ">=")


def describe(device: torch.device) -> dict[str, Any]:
    """The GPU, its driver and torch's CUDA."""
    if device.type == "cpu":
        return {"name": "no GPU: torch on the CPU"}
    properties = torch.cuda.get_device_properties(device)
    fields = "driver_version,pcie.link.gen.max,pcie.link.width.max"
    query = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        told = "not told"
    return {
        "name": properties.name,
        "memory_gb": round(properties.total_memory / 1e9, 1),
        "multiprocessors": properties.multi_processor_count,
        "cuda": torch.version.cuda,
        "driver, PCIe generation, lanes": told,
    }


def products(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in PRODUCTS:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(PRODUCTS)}")
    return names


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.split("\n")[0])
    shipped = sorted(list_models(NET_NAME), key=lambda name: name != "standard")
    parser.add_argument("--model", nargs="+", metavar="NAME|FILE", default=shipped, help="all that ship")
    parser.add_argument("--quick", action="store_true", help="fewer hops; not kept under results/")
    parser.add_argument("--json", metavar="FILE", help="write machine, tables and goals there")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--part", choices=("one", "many", "both"), default="both")
    parser.add_argument(
        "--products", type=products, default=["float32", "float16"], help=f"of {', '.join(PRODUCTS)}"
    )
    parser.add_argument("--audio", choices=tuple(AUDIO), default="float32", help="samples in host memory")
    parser.add_argument("--chunk", type=count, default=6400, help="streams in a graph")
    parser.add_argument("--most", type=count, default=256_000, help="streams to try")
    parser.add_argument("--compiler", default="inductor", help="backend of torch.compile")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options, report = parse(arguments), Report("gpu")
    try:
        device = torch.device("cpu") if options.device == "cpu" else cuda_device("no GPU")
    except DeviceError as error:
        report.note(f"not measured: {error}")
        report.goal(ONE_STREAM, None, HOP_GOAL_US)
        report.goal("streams in real time at p99.9", None, STREAMS_GOAL, ">=")
        report.finish(options.json)
        return error.exit_code
    report.machine["gpu"] = describe(device)
    report.note(f"on {report.machine['gpu']['name']}")
    benches = [Bench(report, options, device, model) for model in options.model]
    path = options.json
    if path is None and device.type == "cuda" and not options.quick and options.part == "both":
        word = re.sub(r"[^a-z0-9]+", "-", report.machine["gpu"]["name"].lower()).strip("-")
        RESULTS.mkdir(exist_ok=True)
        path = str(RESULTS / f"gpu-{word}.json")
    parts = [("one", one_stream, bench) for bench in benches] + [("many", many_streams, benches[0])]
    for part, run, bench in parts:
        if options.part in (part, "both"):
            run(bench)
            if path:
                report.save(path)  # kept if the rest fails
    return report.finish(path)


if __name__ == "__main__":
    raise SystemExit(main())
