"""Wake-word packages that carry their models, as functions from samples to scores a hop; those installed.

Each is given 10 ms at a time through its own interface and keeps the score between two of its runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.streams import HOP, Samples
from rtaudio.tasks.machine import installed

Step = Callable[[bytes], float | None]
"""10 ms of 16-bit samples in; the newest score out, None where there is no new one."""


def micro_wake_word(word: str) -> Step:
    """microWakeWord's streaming int8 model; its score is already a mean over its own window."""
    from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

    net, features = MicroWakeWord.from_builtin(Model(word)), MicroWakeWordFeatures()

    def step(pcm: bytes) -> float | None:
        new = None
        for frame in features.process_streaming(pcm):
            score = net.process_streaming_prob(frame)
            if not net._features:  # it has run; otherwise it says 0 and waits for more
                new = score
        return new

    return step


def open_wake_word(word: str) -> Step:
    """openWakeWord: Google's speech embedding, 80 ms a step, and a small net a word."""
    from pyopen_wakeword import Model, OpenWakeWord, OpenWakeWordFeatures

    net, features = OpenWakeWord.from_builtin(Model(word)), OpenWakeWordFeatures.from_builtin()

    def step(pcm: bytes) -> float | None:
        new = None
        for embeddings in features.process_streaming(pcm):
            for score in net.process_streaming(embeddings):
                new = score
        return new

    return step


PEERS = {
    "microWakeWord": ("pymicro_wakeword", micro_wake_word),
    "openWakeWord": ("pyopen_wakeword", open_wake_word),
}
WORD = "alexa"
"""The word that ours and theirs have in common."""


def peers() -> dict[str, Callable[[str], Step]]:
    """Those that are installed here."""
    return {name: make for name, (package, make) in PEERS.items() if installed(package)}


def peer_scores(make: Callable[[str], Step], wave: Samples) -> tuple[NDArray[np.float32], float]:
    """Scores `(hops,)` of a stream from a new state, and microseconds for each 10 ms."""
    pcm = (np.clip(wave, -1, 1) * 32767).astype(np.int16)[: wave.size // HOP * HOP].reshape(-1, HOP)
    step, scores, last = make(WORD), np.zeros(len(pcm), np.float32), 0.0
    began = time.perf_counter()
    for k, hop in enumerate(pcm):
        new = step(hop.tobytes())
        last = last if new is None else new
        scores[k] = last
    return scores, (time.perf_counter() - began) / max(len(pcm), 1) * 1e6
