"""Test your own stages with the laws rtaudio's stages obey, and signals with known answers.

::

    from rtaudio.testing import check_stage

    def test_my_stage():
        check_stage(lambda: MyStage(hop_length=480), passes_delta=True)

Each law fails with an AssertionError that names it.
"""

from __future__ import annotations

import ctypes
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle
from typing import Any

import numpy as np
from numba.core.runtime import _nrt_python as _numba_memory

from rtaudio.stream.offline import run_offline
from rtaudio.stream.stage import Samples, Stage

BOUND = 1e4  # 80 dB above full scale: the spectrum of a full-scale frame of 1024 still fits
ALLOCATION = 1024  # bytes: integers and tuples of one Python call come to 160; a hop of 480 samples is 1920


@dataclass(frozen=True)
class Case:
    """A stage to check.

    - make: builds the stage, new, the same each time.
    - passes_delta: an impulse comes out as an impulse (perhaps with a tail), `latency` later.
      True for gains, delays, transforms and back; not for a net that may take it for noise.
    - bound: no output of full-scale input may be larger.
    - allocation: bytes one `process` may hold for a moment; more only where Python must run.
    """

    make: Callable[[], Stage]
    passes_delta: bool = False
    bound: float = BOUND
    allocation: int = ALLOCATION


Law = Callable[[Case], None]


def check_stage(
    make: Callable[[], Stage],
    *,
    passes_delta: bool = False,
    bound: float = BOUND,
    allocation: int = ALLOCATION,
) -> None:
    """Check every law that applies to a stage; see `Case` for the arguments."""
    case = Case(make, passes_delta, bound, allocation)
    for law in laws_for(case):
        law(case)


def laws_for(case: Case) -> list[Law]:
    """The laws that apply: some need samples in, some an impulse that passes, some saved state."""
    stage = case.make()
    lengths = len(stage.in_spec.shape) == len(stage.out_spec.shape) == 1
    samples = lengths and stage.in_spec.size * _ratio(stage) == stage.out_spec.size
    laws: list[Law] = [causality, reset_equals_new, finite_and_bounded, input_untouched, no_allocation]
    if samples:
        laws.append(any_split_gives_the_same_samples)
    if samples and case.passes_delta:
        laws += [declared_latency_is_the_true_one, flush_delivers_the_tail]
    if hasattr(stage, "save_state"):
        laws.append(saved_state_goes_on)
    if hasattr(stage, "clone"):
        laws.append(clone_goes_on)
    return laws


def any_split_gives_the_same_samples(case: Case) -> None:
    """Blocks of any size, and one hop buffer used over and over, give what whole arrays give."""
    x = _samples(case.make())
    expected = run_offline(case.make(), x)
    for blocks in ([1], [7, 64, 1], [x.size]):
        got = run_offline(case.make(), x, blocks=cycle(blocks))
        _same(got, expected, f"any split gives the same samples: blocks of {blocks}")
    stage = case.make()
    hops = x[: x.size // stage.in_spec.size * stage.in_spec.size].reshape(-1, stage.in_spec.size)
    got = _stream(stage, hops).ravel()
    _same(got, expected[: got.size], "any split gives the same samples: a reused hop buffer")


def causality(case: Case) -> None:
    """What comes later can't change what came out before."""
    frames = _frames(case.make())
    split = len(frames) // 2
    other = np.concatenate([frames[:split], -2 * frames[split:]])
    first, second = _stream(case.make(), frames), _stream(case.make(), other)
    _same(first[:split], second[:split], "causality: the future changed the past")


def declared_latency_is_the_true_one(case: Case) -> None:
    """An impulse peaks `latency` samples after it went in, wherever in a hop it lies.

    Where that is between two samples, as a change of rate makes it: at the one nearest to that time.
    """
    stage = case.make()
    hop_length, ratio = stage.in_spec.size, _ratio(stage)
    latency = Fraction(getattr(stage, "exact_latency", stage.latency))
    tolerance = 0 if ratio == latency.denominator == 1 else Fraction(1, 2)
    for at in (0, 1, hop_length // 2, hop_length - 1, 3 * hop_length + 1):
        out = run_offline(case.make(), impulse(at + 2 * hop_length, at))
        true = int(np.argmax(np.abs(out))) / ratio - at
        holds = abs(true - latency) * ratio <= tolerance
        _law(holds, f"declared latency is {latency}, an impulse took {true}")


def flush_delivers_the_tail(case: Case) -> None:
    """The last sample comes out as it does where more follows: an impulse on noise, both ways."""
    stage = case.make()
    size = 4 * stage.in_spec.size + 1
    noise, last = white_noise(2 * size + stage.latency), size - 1

    def height(x: Samples) -> float:
        out = run_offline(case.make(), x + impulse(x.size, last)) - run_offline(case.make(), x)
        return float(out[round((last + stage.latency) * _ratio(stage))])

    here, there = height(noise), height(noise[:size])
    _law(abs(here - there) <= 1e-3 * abs(here), f"flush delivers the tail: {there} instead of {here}")


def reset_equals_new(case: Case) -> None:
    """After any input, even NaN, a reset stage gives what a new one gives."""
    frames = _frames(case.make())
    expected = _stream(case.make(), frames)
    for label, before in (("noise", frames), ("NaN", np.full_like(frames, np.nan))):
        stage = case.make()
        _stream(stage, before)
        stage.reset()
        _same(_stream(stage, frames), expected, f"reset equals new: differs after {label}")


def finite_and_bounded(case: Case) -> None:
    """Silence, full scale, denormals and steps between them stay finite and below the bound."""
    shape = _frames(case.make()).shape
    size = int(np.prod(shape))
    for label, x in _extremes(size):
        out = _stream(case.make(), x.reshape(shape))
        _law(bool(np.isfinite(out).all()), f"finite: {label} gives NaN or infinity")
        largest = float(np.max(np.abs(out)))
        _law(largest <= case.bound, f"bounded: {label} gives {largest:g}, more than {case.bound:g}")


def input_untouched(case: Case) -> None:
    """`process` reads `x` and leaves it as it was."""
    stage = case.make()
    for frame in _frames(stage):
        x, out = frame.copy(), np.empty(stage.out_spec.shape, np.float32)
        stage.process(x, out)
        _same(x, frame, "input untouched: process changed x")


def no_allocation(case: Case) -> None:
    """`process` takes no memory, by tracemalloc (Python, numpy) and Numba's own counter."""
    stage = case.make()
    frame, out = _frames(stage)[0].copy(), np.empty(stage.out_spec.shape, np.float32)
    stage.process(frame, out)  # whatever is done once has been done
    native = _native_allocations(stage, frame, out)
    _law(native == 0, f"no allocation: compiled code allocates {native} times a hop")
    tracing = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        peaks = []
        for _ in range(20):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            stage.process(frame, out)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        if not tracing:
            tracemalloc.stop()
    taken = int(np.median(peaks))  # other threads of the process may allocate meanwhile
    _law(taken <= case.allocation, f"no allocation: process holds {taken} bytes, over {case.allocation}")


def saved_state_goes_on(case: Case) -> None:
    """A new stage that loads saved state goes on bit-exactly; saving changes nothing."""
    stage, other = case.make(), case.make()
    first, rest = np.array_split(_frames(stage), 2)
    _stream(stage, first)
    other.load_state(stage.save_state())  # type: ignore[attr-defined]
    _same(_stream(other, rest), _stream(stage, rest), "saved state goes on bit-exactly")


def clone_goes_on(case: Case) -> None:
    """A clone goes on bit-exactly and shares nothing with the original."""
    stage = case.make()
    first, rest = np.array_split(_frames(stage), 2)
    _stream(stage, first)
    twin, witness = stage.clone(), stage.clone()  # type: ignore[attr-defined]
    expected = _stream(stage, rest)
    _same(_stream(twin, rest), expected, "a clone goes on bit-exactly")
    _same(_stream(witness, rest), expected, "a clone shares nothing with the original")


def _ratio(stage: Stage) -> Fraction:
    """Samples out for each in, as a stage that changes the rate declares it."""
    return getattr(stage, "ratio", Fraction(1))


def _law(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _same(got: np.ndarray, expected: np.ndarray, message: str) -> None:
    np.testing.assert_array_equal(got, expected, err_msg=message)


def _frames(stage: Stage) -> np.ndarray:
    """Noise for a stage: enough hops to fill its latency twice over, and eight more."""
    hop_length = min(stage.in_spec.size, stage.out_spec.size)
    count = 8 + 2 * -(-stage.latency // hop_length)
    return white_noise(count * stage.in_spec.size).reshape(count, *stage.in_spec.shape)


def _samples(stage: Stage) -> Samples:
    """Noise for a stage of samples; its length is no whole number of hops."""
    return white_noise(_frames(stage).size + stage.in_spec.size // 3)


def _stream(stage: Stage, frames: np.ndarray) -> np.ndarray:
    """Run as live: one buffer in and one out, reused, with garbage in them before and after."""
    results = np.empty((len(frames), *stage.out_spec.shape), np.float32)
    x, out = np.empty(stage.in_spec.shape, np.float32), np.empty(stage.out_spec.shape, np.float32)
    for frame, result in zip(frames, results, strict=True):
        x[...], out[...] = frame, 12345.0
        stage.process(x, out)
        result[...], x[...] = out, -54321.0
    return results


def _native_allocations(stage: Stage, x: np.ndarray, out: np.ndarray) -> int:
    """Allocations by Numba's runtime in one hop of a native stage, called as the engine calls it."""
    entry = getattr(stage, "entry", None)
    if entry is None:
        return 0
    step = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(entry)
    _numba_memory.memsys_enable_stats()
    before = _numba_memory.memsys_get_stats_alloc()
    step(stage.arena.address, x.ctypes.data, out.ctypes.data)  # type: ignore[attr-defined]
    return int(_numba_memory.memsys_get_stats_alloc() - before)


def _extremes(size: int) -> Iterator[tuple[str, np.ndarray]]:
    ones = np.ones(size, np.float32)
    square = np.where(np.arange(size) // 50 % 2, ones, -ones)
    yield "silence", 0 * ones
    yield "full scale", ones
    yield "a full-scale square", square
    yield "denormals", np.float32(1e-40) * square
    yield "full-scale noise", np.clip(white_noise(size, rms=1.0), -1, 1)
    yield "a burst, then silence", np.where(np.arange(size) < size // 4, ones, 0 * ones)


# ------------------------------------------------------------------------------------ signals


def impulse(size: int, at: int = 0) -> Samples:
    """`size` samples of silence with a single 1 at sample `at`."""
    x = np.zeros(size, np.float32)
    x[at] = 1
    return x


def sine(
    size: int, frequency_hz: float, sample_rate: int, level_db: float = 0.0, phase: float = 0.0
) -> Samples:
    """A sine of `level_db` peak relative to full scale, starting at `phase` radians."""
    angle = 2 * np.pi * frequency_hz * np.arange(size) / sample_rate + phase
    return np.asarray(10 ** (level_db / 20) * np.sin(angle)).astype(np.float32)


def chirp(size: int, start_hz: float, end_hz: float, sample_rate: int) -> Samples:
    """A full-scale sine whose frequency rises exponentially: the same time in every octave.

    Farina 2000, "Simultaneous measurement of impulse response and distortion with a swept-sine
    technique", equation 1.
    """
    octaves = np.log(end_hz / start_hz)
    turns = start_hz / sample_rate * size / octaves * np.expm1(octaves * np.arange(size) / size)
    return np.asarray(np.sin(2 * np.pi * turns)).astype(np.float32)


def white_noise(size: int, seed: int = 0, rms: float = 0.1) -> Samples:
    """Gaussian noise, the same for the same seed; -20 dBFS unless told."""
    return (rms * np.random.default_rng(seed).standard_normal(size)).astype(np.float32)


def pink_noise(size: int, seed: int = 0, rms: float = 0.1) -> Samples:
    """Gaussian noise with the same power in every octave, of exactly the given rms."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(size))
    spectrum[1:] /= np.sqrt(np.arange(1, spectrum.size))
    spectrum[0] = 0
    noise: Any = np.fft.irfft(spectrum, size)
    return np.asarray(noise * rms / np.sqrt(np.mean(noise**2))).astype(np.float32)
