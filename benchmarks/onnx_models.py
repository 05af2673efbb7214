"""Somebody's streaming models through rtaudio: what our buffers save, and GTCRN beside sherpa-onnx.

First the nets alone, a step at a time: buffers bound once against a dictionary of arrays a call, on a
model of 98 states made here and on the peers' (`RTAUDIO_PEERS`, else `../shared/peers`). Then GTCRN as a
whole, 16 ms of sound in and out, beside sherpa-onnx's own online denoiser, warm and paced.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import soxr

from benchmarks.report import Report, Table, main, percentiles
from rtaudio.nn.onnx.files import known_manifest, read_net
from rtaudio.nn.onnx.graph import Graph
from rtaudio.nn.onnx.manifest import Net
from rtaudio.nn.onnx.step import OnnxStep, open_session
from rtaudio.stream.stage import Samples
from rtaudio.stream.timing import time_python
from rtaudio.tasks.demo import SAMPLE_RATE, load_demo
from rtaudio.tasks.machine import installed
from rtaudio.tasks.onnx_model import OnnxStage

PEERS = Path(os.environ.get("RTAUDIO_PEERS", Path(__file__).parents[1] / "../shared/peers"))
FILES = {"GTCRN": "gtcrn/gtcrn_simple.onnx", "UL-UNAS": "ul-unas/ulunas_stream_simple.onnx"}
N_STATES, PARITY_DB = 98, 120.0


def many_states() -> tuple[Net, bytes]:
    """98 states of 64 numbers that hardly compute: what is left is the price of passing them."""
    graph = Graph()
    sound = graph.input("x", 1, 160)
    for i in range(N_STATES):
        graph.carry(f"s{i}", graph.node("Neg", graph.state(f"s{i}", 1, 64)))
    graph.output("y", graph.node("Neg", sound), 1, 160)
    model = graph.model()
    return graph.net("98 states", model), model


def time_net(table: Table, name: str, net: Net, model: bytes, n: int) -> tuple[float, float]:
    """A row a way of calling, in µs; returns both medians."""
    step, session = OnnxStep(model, net), open_session(model, net.file)
    into, _ = net.data
    hops = np.random.default_rng(0).standard_normal((64, *into.shape)).astype(np.float32)
    feeds = {port.name: port.filled() for port in net.inputs}
    names = [port.name for port in session.get_outputs()]

    def by_dict(k: int) -> None:
        feeds[into.name] = hops[k % 64]
        given = dict(zip(names, session.run(names, feeds), strict=True))
        for state in net.states:
            feeds[state.name] = given[state.source]

    medians = []
    for way, call in (("buffers", lambda k: step(hops[k % 64])), ("dict", by_dict)):
        time_python(call, 50)
        p50, p99, _, _ = percentiles(time_python(call, n))
        table.row(name, len(net.states), way, p50, p99)
        medians.append(p50)
    return medians[0], medians[1]


def sherpa_denoiser(model: Path, folder: Path) -> Any:
    """sherpa-onnx's online denoiser with a copy of GTCRN that carries the metadata it asks for."""
    import sherpa_onnx

    annotated = onnx.load(model)
    told = {
        "model_type": "gtcrn", "version": 1, "sample_rate": 16000,
        "n_fft": 512, "hop_length": 256, "window_length": 512, "window_type": "hann_sqrt",
    }  # fmt: skip
    shapes = {port.name: port.type.tensor_type.shape.dim for port in annotated.graph.input}
    for name in ("conv_cache", "tra_cache", "inter_cache"):
        told[f"{name}_shape"] = ",".join(str(axis.dim_value) for axis in shapes[name])
    onnx.helper.set_model_props(annotated, {key: str(value) for key, value in told.items()})
    path = folder / "annotated.onnx"
    onnx.save(annotated, path)
    net = sherpa_onnx.OfflineSpeechDenoiserGtcrnModelConfig(model=str(path))
    config = sherpa_onnx.OfflineSpeechDenoiserModelConfig(gtcrn=net, num_threads=1)
    return sherpa_onnx.OnlineSpeechDenoiser(sherpa_onnx.OnlineSpeechDenoiserConfig(model=config))


def whole_gtcrn(report: Report, quick: bool) -> None:
    """GTCRN from samples to samples, by us and by sherpa-onnx: equality, and µs a hop in turn."""
    path = PEERS / FILES["GTCRN"]
    manifest = known_manifest(path)
    assert manifest is not None
    noisy = soxr.resample(load_demo().noisy, SAMPLE_RATE, manifest.sample_rate).astype(np.float32)
    hop = manifest.hop_length
    hops = noisy[: noisy.size // hop * hop].reshape(-1, hop)
    with tempfile.TemporaryDirectory() as folder:
        peer = sherpa_denoiser(path, Path(folder))
    stage, out = OnnxStage(manifest), np.zeros(hop, np.float32)
    error_db = parity_db(stage, peer, hops)

    def ours(k: int) -> None:
        stage.process(hops[k % len(hops)], out)

    def theirs(k: int) -> None:
        peer.run(hops[k % len(hops)], manifest.sample_rate)

    period_ns = round(1e9 * hop / manifest.sample_rate)
    table = report.table("GTCRN, a whole hop of 16 ms", ["", "pace", "p50 µs", "p99", "p99.9", "max"])
    n, rounds = (100, 3) if quick else (300, 5)
    for pace, period in (("warm", 0), ("paced", period_ns)):
        times: dict[str, list[Any]] = {"rtaudio": [], "sherpa-onnx": []}
        for _ in range(rounds):  # in turn, so that trouble of the machine hits both
            for name, call in (("rtaudio", ours), ("sherpa-onnx", theirs)):
                time_python(call, 5)
                times[name].append(time_python(call, n, period))
        joined = {name: percentiles(np.concatenate(parts)) for name, parts in times.items()}
        for name, told in joined.items():
            table.row(name, pace, *told)
        mine, its = joined["rtaudio"][0], joined["sherpa-onnx"][0]
        report.goal(f"GTCRN {pace} p50 µs, at most sherpa-onnx's {its:.0f}", mine, its)
    report.show(table)
    report.goal("GTCRN equals sherpa-onnx, dB below the signal", error_db, PARITY_DB, ">=")


def parity_db(stage: OnnxStage, peer: Any, hops: Samples) -> float:
    """By how much the difference of both outputs lies below them."""
    theirs = np.concatenate([peer.run(hop, stage.manifest.sample_rate).samples for hop in hops])
    peer.reset()
    ours = np.zeros_like(hops)
    for hop, out in zip(hops, ours, strict=True):
        stage.process(hop, out)
    # sherpa-onnx keeps the first hop back, which is the delay of the window.
    difference = ours.ravel()[stage.latency :] - theirs
    return float(10 * np.log10(np.sum(theirs**2) / np.sum(difference**2)))


def run(report: Report, quick: bool) -> None:
    n = 300 if quick else 2000
    table = report.table("nets alone, warm", ["", "states", "way", "p50 µs", "p99"])
    bound, by_dict = time_net(table, "98 states", *many_states(), n)
    report.goal(f"98 states by buffers, p50 µs, at most a third of {by_dict:.0f} by dict", bound, by_dict / 3)
    for name, file in FILES.items():
        manifest = known_manifest(PEERS / file) if (PEERS / file).exists() else None
        if manifest is None:
            report.note(f"no {PEERS / file}: {name} is left out")
            continue
        (net,) = manifest.nets
        time_net(table, name, net, read_net(manifest, net), n // 4)
    report.show(table)
    if not installed("sherpa_onnx") or not (PEERS / FILES["GTCRN"]).exists():
        report.note("sherpa-onnx or GTCRN isn't here: nothing to compare with")
        return
    whole_gtcrn(report, quick)


if __name__ == "__main__":
    main(run)
