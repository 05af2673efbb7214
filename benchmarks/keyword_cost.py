"""What spotting costs, and what a gate in front of it saves and misses: part of `benchmarks.keywords`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.listening_cost import listening_cost
from benchmarks.report import Report, Table
from benchmarks.streams import HOP, SAMPLE_RATE, WordStream, found
from rtaudio.dsp.spotter import Spotter
from rtaudio.dsp.stft import Analysis
from rtaudio.nn.embedding import TAPS, WordHead, WordNet
from rtaudio.nn.keywords import KeywordNet
from rtaudio.nn.sequence import CONTEXT, STATES, WordStates
from rtaudio.nn.speech import LIVE, tensor_shapes
from rtaudio.nn.weights import find_weights, load_weights
from rtaudio.stream.offline import run_frames
from rtaudio.stream.pipeline import Pipeline
from rtaudio.tasks.spot import live_vad_net


def cost_table(report: Report, net: KeywordNet, quick: bool) -> None:
    """What 10 ms cost: STFT, features, net, decision; and what a further word adds."""
    table = report.table(
        "µs for 10 ms, one thread, mean of the usual second", ["what", "warm", "paced at 10 ms"]
    )
    few, many = 8, 40
    wide = {w: _random_net(net, w) for w in (few, many)}
    chains = {"STFT, net, decision": (net, net.words), f"the same, {few} words": (wide[few], wide[few].words)}
    chains[f"the same, {many} words"] = (wide[many], wide[many].words)
    costs = [_row(table, name, Spotter([s], words), quick) for name, (s, words) in chains.items()]
    gate = live_vad_net()
    gated = _row(table, "gated, in noise alone", Spotter([net], net.words, gate=gate), quick)
    for own in (1, few + 1):
        words = [f"own {k}" for k in range(own)]
        _row(table, f"words of one's own: {own}", Spotter([_own_words(own)], words), quick)
    report.show(table)
    for k, pace in enumerate(("warm", "paced")):
        always, some, more = (cost[k] for cost in costs)
        report.goal(f"µs for 10 ms, features included, {pace}", always, 15.0)
        report.goal(f"µs for each further word, {pace}", (more - some) / (many - few), 1.0)
        report.goal(f"µs for 10 ms of noise with the gate, {pace}, against without", gated[k], always, "<")


def _row(table: Table, name: str, spotter: Spotter, quick: bool) -> tuple[float, float]:
    """Time a spotter; what it costs warm and paced."""
    costs = listening_cost(spotter, quick)
    table.row(name, *costs)
    return costs


def gate_table(
    report: Report,
    net: KeywordNet,
    streams: Mapping[str, Mapping[str, WordStream]],
    thresholds: dict[str, float],
) -> None:
    """What the voice activity net in front of the nets makes the shipped spotter miss, in all conditions."""
    table = report.table(
        "missed with the nets run only where there is speech, %", ["word", "said", "always", "gated"]
    )
    used, totals = {word: thresholds.get(word, 1.0) for word in net.words}, np.zeros(3)
    for word, by_condition in streams.items():
        counts = np.zeros(3)
        for stream in by_condition.values():
            for k, gate in enumerate((None, live_vad_net()), 1):
                spotter = Spotter([net], net.words, gate=gate, threshold=used)
                hops = event_hops(spotter, word, stream.wave)
                counts[k] += np.isnan(found(hops, stream.ends)).sum()
            counts[0] += stream.ends.size
        table.row(word, int(counts[0]), *(100 * counts[1:] / counts[0]).tolist())
        totals += counts
    report.show(table)
    if totals[0]:
        report.goal("missed % of all words by the gate alone", 100 * (totals[2] - totals[1]) / totals[0], 0.0)


def event_hops(spotter: Spotter, word: str, wave: NDArray[np.float32]) -> NDArray[np.int64]:
    """Hops at which a spotter tells of a word in a stream."""
    chain = Pipeline([Analysis(2 * HOP, HOP), spotter])
    chain.reset()
    hops, events = wave[: wave.size // HOP * HOP].reshape(-1, HOP), []
    for at in range(0, len(hops), 6000):
        run_frames(chain, hops[at : at + 6000])
        events += [round(e.time_s * SAMPLE_RATE / HOP) - 1 for e in spotter.events() if e.word == word]
    return np.array(events, np.int64)


def _own_words(count: int) -> WordNet:
    """Random words over the shipped embedding, each with its states."""
    weights, rng = load_weights(find_weights("embedding")), np.random.default_rng(0)
    size = WordNet.read_config(weights).size
    states = WordStates(
        0.1 * rng.standard_normal((STATES, CONTEXT * size), np.float32), np.zeros(STATES, np.float32), 0.1, 20
    )
    head = WordHead(0.1 * rng.standard_normal(TAPS * size, np.float32), -4.0, 0.5, states=states)
    return WordNet.from_weights(weights, [head] * count, precision=LIVE)


def _random_net(net: KeywordNet, n_words: int) -> KeywordNet:
    config = replace(net.config, words=tuple(f"w{k}" for k in range(n_words)))
    rng = np.random.default_rng(0)
    shapes = tensor_shapes(config).items()
    return KeywordNet(config, {n: (0.1 * rng.standard_normal(s)).astype(np.float32) for n, s in shapes}, LIVE)
