"""Somebody's ONNX model as a stage: what its manifest's front end says, around its nets.

Python and ONNX Runtime do the work, so it is not GIL-free: live it runs in a worker with a deadline.
"""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from rtaudio.dsp.resample import AtRate
from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.errors import ModelError
from rtaudio.nn.onnx.files import find_manifest, open_steps
from rtaudio.nn.onnx.manifest import Manifest
from rtaudio.nn.onnx.step import OnnxStep
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import Samples, Spec
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.onnx_delay import Delay, first_words, measure_delay

Part = tuple[str, Callable[[Samples, Samples], None]]
"""What a part of a hop's work is called, and does: given the hop of samples, and where its output goes."""


class Front(Protocol):
    """Feeds nets from hops of samples and makes hops of what they give."""

    def parts(self) -> tuple[Part, ...]:
        """What a hop takes, one after the other; the last of them fills its output."""
        ...

    def reset(self) -> None: ...

    def remembered(self) -> list[np.ndarray]:
        """Views, in bytes, of all that lies outside the nets."""
        ...


class SamplesFront:
    """The latest `context + hop_length` samples in; what the net gives is the output."""

    def __init__(self, manifest: Manifest, steps: list[OnnxStep]) -> None:
        (self._net,), self._hop = steps, manifest.hop_length
        self._latest = np.zeros(manifest.front_end.context + self._hop, np.float32)

    def parts(self) -> tuple[Part, ...]:
        return ("context", self._gather), ("net", self._run)

    def _gather(self, x: Samples, out: Samples) -> None:
        self._latest[: -self._hop] = self._latest[self._hop :]
        self._latest[-self._hop :] = x

    def _run(self, x: Samples, out: Samples) -> None:
        self._net(self._latest)
        self._net.read(out)

    def reset(self) -> None:
        self._latest.fill(0.0)

    def remembered(self) -> list[np.ndarray]:
        return [self._latest.view(np.uint8)]


class SpectrumFront:
    """The spectrum of rtaudio's own STFT in; the numbers that a classifier gives are the output."""

    def __init__(self, manifest: Manifest, steps: list[OnnxStep]) -> None:
        (self._net,), front_end = steps, manifest.front_end
        self._analysis = Analysis(front_end.n_fft, manifest.hop_length, front_end.window)
        self._spectrum = np.zeros((front_end.n_bins, 2), np.float32)
        self._parts_first = front_end.layout == "parts, bins"

    def parts(self) -> tuple[Part, ...]:
        return ("STFT", self._analyse), ("net", self._run)

    def _analyse(self, x: Samples, out: Samples) -> None:
        self._analysis.process(x, self._spectrum)

    def _run(self, x: Samples, out: Samples) -> None:
        self._net(self._spectrum.T if self._parts_first else self._spectrum)
        self._net.read(out)

    def reset(self) -> None:
        self._analysis.reset()

    def remembered(self) -> list[np.ndarray]:
        return self._analysis.remembered()


class StftFront(SpectrumFront):
    """Spectrum in, spectrum out, between rtaudio's own STFT and inverse."""

    def __init__(self, manifest: Manifest, steps: list[OnnxStep]) -> None:
        super().__init__(manifest, steps)
        front_end = manifest.front_end
        self._synthesis = Synthesis(front_end.n_fft, manifest.hop_length, front_end.window)
        self._enhanced = np.zeros_like(self._spectrum)

    def parts(self) -> tuple[Part, ...]:
        return (*super().parts(), ("inverse STFT", self._synthesise))

    def _run(self, x: Samples, out: Samples) -> None:
        super()._run(x, self._enhanced.T if self._parts_first else self._enhanced)

    def _synthesise(self, x: Samples, out: Samples) -> None:
        self._synthesis.process(self._enhanced, out)

    def reset(self) -> None:
        super().reset()
        self._synthesis.reset()

    def remembered(self) -> list[np.ndarray]:
        return [*super().remembered(), *self._synthesis.remembered()]


class DtlnFront:
    """Two nets: a mask for the magnitudes of the latest samples, then the masked samples themselves."""

    def __init__(self, manifest: Manifest, steps: list[OnnxStep]) -> None:
        (self._mask_net, self._time_net), self._hop = steps, manifest.hop_length
        n_fft, n_bins = manifest.front_end.n_fft, manifest.front_end.n_bins
        self._latest, self._masked, self._block, self._overlap = np.zeros((4, n_fft), np.float32)
        self._mask = np.zeros(n_bins, np.float32)
        self._spectrum = np.fft.rfft(self._latest)

    def parts(self) -> tuple[Part, ...]:
        return (("FFT", self._analyse), ("mask net", self._run_mask_net), ("inverse FFT", self._resynthesise),
                ("time net", self._run_time_net), ("overlap-add", self._add))  # fmt: skip

    def _analyse(self, x: Samples, out: Samples) -> None:
        hop = self._hop
        self._latest[:-hop] = self._latest[hop:]
        self._latest[-hop:] = x
        self._spectrum[:] = np.fft.rfft(self._latest)

    def _run_mask_net(self, x: Samples, out: Samples) -> None:
        self._mask_net(np.abs(self._spectrum))
        self._mask_net.read(self._mask)

    def _resynthesise(self, x: Samples, out: Samples) -> None:
        self._masked[:] = np.fft.irfft(self._spectrum * self._mask)

    def _run_time_net(self, x: Samples, out: Samples) -> None:
        self._time_net(self._masked)
        self._time_net.read(self._block)

    def _add(self, x: Samples, out: Samples) -> None:
        hop = self._hop
        self._overlap[:-hop] = self._overlap[hop:]
        self._overlap[-hop:] = 0.0
        self._overlap += self._block
        out[:] = self._overlap[:hop]

    def reset(self) -> None:
        self._latest.fill(0.0)
        self._overlap.fill(0.0)

    def remembered(self) -> list[np.ndarray]:
        return [self._latest.view(np.uint8), self._overlap.view(np.uint8)]


FRONTS: dict[tuple[str, str], Callable[[Manifest, list[OnnxStep]], Front]] = {
    ("samples", "denoise"): SamplesFront,
    ("samples", "classify"): SamplesFront,
    ("stft", "denoise"): StftFront,
    ("stft", "classify"): SpectrumFront,
    ("dtln", "denoise"): DtlnFront,
}
"""By kind of front end and task: what `Manifest.check` lets through."""


def check_delay(manifest: Manifest, path: str | Path) -> None:
    """Raise ModelError where a denoiser, at `path`, delays speech by more or less than it declares."""
    seen = _seen_delay(manifest) if manifest.task == "denoise" else None
    if seen is not None and seen.is_false:
        raise ModelError(
            f"{path}: speech takes {seen.samples} samples through {manifest.name}, and its manifest says "
            f"{manifest.delay}, look_ahead included; mend it (`rtaudio inspect`)"
        )


@functools.lru_cache
def _seen_delay(manifest: Manifest) -> Delay | None:
    """How long speech takes through the model; None of one that fails, which tells so when it is used."""
    stage = OnnxStage(manifest, trusted=True)
    try:
        return measure_delay(stage, first_words(manifest.sample_rate), manifest.sample_rate)
    except ModelError:
        return None


class OnnxStage:
    """A hop of samples in; a hop out `latency` later, or, of a classifier, its numbers.

    - dry: share of the untouched sound, delayed as the net's is, that is mixed with it; 0 to 1.
    - trusted: take the manifest's word for the delay. Otherwise speech tells, once a process and model
      (some 0.2 s), and a delay that is false is refused.

    `parts` are what a hop takes, by name, to be timed apart; `process` runs them, and mixes.

    Raises ModelError while it is built, and where the model fails at a hop. Cloning shares the session.
    """

    def __init__(self, manifest: Manifest, dry: float = 0.0, *, trusted: bool = False) -> None:
        if not trusted:
            check_delay(manifest, manifest.folder / manifest.nets[-1].file)
        self.manifest, self._dry = manifest, np.float32(dry)
        self._steps = open_steps(manifest)
        self._front = FRONTS[manifest.front_end.kind, manifest.task](manifest, self._steps)
        self.parts = self._front.parts()
        self.in_spec = Spec((manifest.hop_length,))
        sound = manifest.task == "denoise"
        self.out_spec = self.in_spec if sound else Spec((manifest.nets[-1].data[1].size,))
        self.latency = manifest.delay if sound else 0
        self._history = np.zeros(self.latency + manifest.hop_length, np.float32)

    def process(self, x: Samples, out: Samples) -> None:
        for _, part in self.parts:
            part(x, out)
        if self._dry:
            self._history[: self.latency] = self._history[x.size :]
            self._history[self.latency :] = x
            out += self._dry * (self._history[: x.size] - out)

    def reset(self) -> None:
        for step in self._steps:
            step.reset()
        self._front.reset()
        self._history.fill(0.0)

    def remembered(self) -> list[np.ndarray]:
        """Views, in bytes, of all that the stage remembers."""
        nets = [part for step in self._steps for part in step.remembered()]
        return [*nets, *self._front.remembered(), self._history.view(np.uint8)]

    def abort(self) -> None:
        """Make a hop that another thread waits for fail soon."""
        for step in self._steps:
            step.abort()


class Listener:
    """A classifier beside the sound, which passes unchanged; `heard` keeps its numbers, hop by hop.

    Live it runs in a `WorkerStage`, which leaves hops out where it is late. The latest `capacity` of those
    heard are kept, each as (number of its hop in the stream, from 0, numbers).
    """

    latency = 0

    def __init__(self, manifest: Manifest, capacity: int = 1024) -> None:
        self.model = OnnxStage(manifest)
        self.in_spec = self.out_spec = self.model.in_spec
        self.heard: deque[tuple[int, Samples]] = deque(maxlen=capacity)
        self.hop = 0

    def process(self, x: Samples, out: Samples) -> None:
        scores = np.zeros(self.model.out_spec.shape, np.float32)
        self.model.process(x, scores)
        self.heard.append((self.hop, scores))
        self.hop += 1
        out[:] = x

    def reset(self) -> None:
        self.model.reset()
        self.hop = 0

    def abort(self) -> None:
        self.model.abort()


def load_denoiser(path: str | Path) -> Manifest:
    """The manifest of a model that can denoise. Raises ModelError for any other."""
    manifest = find_manifest(path)
    if manifest.task != "denoise":
        raise ModelError(
            f"{path}: {manifest.name} is a classifier (task = {manifest.task!r}), not a denoiser"
        )
    return manifest


def build_onnx_denoiser(
    path: str | Path, *, dry: float, sample_rate: int | None = None, block: int | None = None
) -> Pipeline:
    """A model behind a worker's deadline, resampled to and from `sample_rate`, None being its own.

    The worker has a hop of time; or, where a block of the device (10 ms unless told) brings several
    hops at once, as many hops as that. Where a device hands over several blocks at once, an engine gives it
    more. Raises ModelError, also for a delay that is not the one declared, or ConfigError for a
    `sample_rate` at which hops of the model are no whole number of samples.
    """
    manifest = load_denoiser(path)
    check_delay(manifest, path)
    stage = OnnxStage(manifest, dry, trusted=True)
    own_rate, hop_length = manifest.sample_rate, manifest.hop_length
    rate = sample_rate or own_rate
    hops = max(1, math.ceil(Fraction(block or rate // 100, rate) / Fraction(hop_length, own_rate)))
    worker = WorkerStage(stage, delay_hops=hops, hops_at_once=hops)
    return Pipeline([worker]) if rate == own_rate else AtRate(worker, own_rate, rate)
