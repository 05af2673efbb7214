"""What spotting costs: part of `benchmarks.keywords`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.report import Report
from benchmarks.streams import HOP
from rtaudio.dsp.spotter import Spotter
from rtaudio.dsp.stft import Analysis
from rtaudio.nn.keywords import KeywordNet
from rtaudio.nn.speech import tensor_shapes
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.timing import PERIOD_NS, time_stage


def cost_table(report: Report, net: KeywordNet, quick: bool) -> None:
    """What 10 ms cost: STFT, features, net, decision; and what a further word adds."""
    table = report.table("µs for 10 ms, one thread", ["what", "warm", "paced at 10 ms"])
    noise = 0.05 * np.random.default_rng(0).standard_normal((3000 if quick else 20000, HOP), np.float32)
    few, many = 8, 40
    wide = {w: _random_net(net, w) for w in (few, many)}
    chains = {"STFT, net, decision": (net, net.words), f"the same, {few} words": (wide[few], wide[few].words)}
    chains[f"the same, {many} words"] = (wide[many], wide[many].words)
    cost = {}
    for name, (stage, words) in chains.items():
        chain = Pipeline([Analysis(2 * HOP, HOP), Spotter([stage], words)])
        warm = float(np.mean(time_stage(chain, noise)[0]))
        paced = float(np.median(time_stage(chain, noise[: 300 if quick else 1000], PERIOD_NS)[0]))
        cost[name] = warm
        table.row(name, warm, paced)
    report.show(table)
    names = list(cost)
    report.goal("µs for 10 ms, features included", cost[names[0]], 15.0)
    report.goal("µs for each further word", (cost[names[2]] - cost[names[1]]) / (many - few), 1.0)


def _random_net(net: KeywordNet, n_words: int) -> KeywordNet:
    config = replace(net.config, words=tuple(f"w{k}" for k in range(n_words)))
    rng = np.random.default_rng(0)
    shapes = tensor_shapes(config).items()
    return KeywordNet(config, {n: (0.1 * rng.standard_normal(s)).astype(np.float32) for n, s in shapes})
