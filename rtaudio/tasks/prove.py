"""Whether a model is what its manifest says: shown by running it, since names and shapes only suggest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import ModelError
from rtaudio.nn.onnx.files import known_as, open_steps, read_net
from rtaudio.nn.onnx.manifest import Manifest, Net
from rtaudio.nn.onnx.step import OnnxStep, open_session, reason
from rtaudio.stream.offline import run_frames
from rtaudio.stream.stage import Samples
from rtaudio.tasks.onnx_delay import LIKENESS, measure_delay
from rtaudio.tasks.onnx_model import OnnxStage

STEPS = 24
SPARSE = 4
"""A state may be as deep, in hops, as its longest axis; or deeper by that, if it moves every few hops."""
MOST_STEPS = 2000
"""Most hops that a state gets to show itself: half a minute for each that doesn't, of 16 ms a hop."""
TOLERANCE = 1e-4
"""Of the largest value, between hops one by one and at once: other kernels sum in another order."""


@dataclass(frozen=True)
class Proof:
    """One thing shown, or not: `passed` is None where running can't show it, and `text` says why."""

    name: str
    passed: bool | None
    text: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class _FailedError(Exception):
    """Carries why a proof failed."""


class _UnprovableError(Exception):
    """Carries why there is nothing to show."""


def prove(manifest: Manifest, speech: Samples) -> Iterator[Proof]:
    """Run the model and yield each proof as it is done, then what is left to its author's word.

    A model that fails to load ends it.

    - speech: some seconds of clean speech in ±1 at the manifest's rate.
    """
    try:
        manifest.check()
        steps = open_steps(manifest)
        stage = OnnxStage(manifest, trusted=True)
    except ModelError as error:
        yield Proof("files and ports", False, str(error))
        return
    n_states = sum(len(net.states) for net in manifest.nets)
    yield Proof("files and ports", True, f"hash, names, shapes, dtypes as declared; states: {n_states}")
    proofs: dict[str, Callable[[], str]] = {
        "shapes close": lambda: _shapes_close(manifest),
        "buffers equal calls": lambda: _buffers_equal_calls(manifest, steps),
        "stays finite": lambda: _stays_finite(stage),
        "reset repeats": lambda: _reset_repeats(stage),
        "state matters": lambda: _state_matters(steps),
        "chunked equals long": lambda: _chunked_equals_long(manifest, steps),
        "delay": lambda: _delay(stage, speech),
    }
    for name, show in proofs.items():
        try:
            yield Proof(name, True, show())
        except _UnprovableError as why:
            yield Proof(name, None, str(why))
        except (_FailedError, ModelError) as why:
            yield Proof(name, False, str(why))
    yield from _only_said(manifest)


def _only_said(manifest: Manifest) -> Iterator[Proof]:
    """What no running can show: behind a wrong window a net streams as well, and only works worse."""
    front_end, known = manifest.front_end, known_as(manifest.nets[0].sha256)
    said = {"sample rate": f"{manifest.sample_rate} Hz"}
    if front_end.kind == "stft":
        said |= {"window": front_end.window, "hop": f"{manifest.hop_length} samples"}
    elif manifest.task == "classify":  # of a denoiser the ports tell: what comes out is the hop
        said["context"] = f"{front_end.context} samples before each hop of {manifest.hop_length}"
    for name, value in said.items():
        if known is not None:
            yield Proof(name, True, f"{value}: the file is {known.name}, by its hash")
        else:
            yield Proof(name, None, f"{value}: only its author knows, and a wrong one streams as well")


def _hops(net: Net, n_hops: int = STEPS, seed: int = 0) -> NDArray[np.float32]:
    """Noise for the data input, `(n_hops, *shape)`."""
    shape = (n_hops, *net.data[0].shape)
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def _plain_steps(manifest: Manifest, net: Net) -> Iterator[dict[str, NDArray[Any]]]:
    """What the net gives, step by step, by the session's own plain calls."""
    session = open_session(read_net(manifest, net), net.file)
    into, _ = net.data
    feeds = {port.name: port.filled() for port in net.inputs}
    names = [port.name for port in session.get_outputs()]
    for hop in _hops(net):
        integers = feeds[into.name].dtype.kind in "iu"
        feeds[into.name][...] = np.rint(hop * into.scale) if integers else hop * into.scale
        try:
            given = dict(zip(names, session.run(names, feeds), strict=True))
        except Exception as error:
            raise _FailedError(f"{net.file}: {reason(error)}") from None
        yield given
        feeds |= {state.name: given[state.source] for state in net.states}


def _shapes_close(manifest: Manifest) -> str:
    for net in manifest.nets:
        declared = {port.name: (port.shape, port.dtype) for port in net.outputs}
        declared |= {state.source: (state.shape, state.dtype) for state in net.states}
        for hop, given in enumerate(_plain_steps(manifest, net)):
            for name, (shape, dtype) in declared.items():
                got = given[name]
                if got.shape != shape or got.dtype != np.dtype(dtype):
                    told = f"{list(got.shape)} {got.dtype}, not {list(shape)} {dtype}"
                    raise _FailedError(f"{net.file}: {name} comes as {told}, at hop {hop}")
    return f"outputs keep shape and dtype over {STEPS} hops, states fed back"


def _buffers_equal_calls(manifest: Manifest, steps: list[OnnxStep]) -> str:
    for net, step in zip(manifest.nets, steps, strict=True):
        step.reset()
        for hop, given in zip(_hops(net), _plain_steps(manifest, net), strict=True):
            step(hop)
            for port in net.outputs:
                if not np.array_equal(step.out(port.name), given[port.name], equal_nan=True):
                    raise _FailedError(f"{net.file}: {port.name} differs at hop {step.hops - 1}")
    return f"our buffers give what plain calls give, to the bit, {STEPS} hops"


def _frames(stage: OnnxStage, rms: float, n_hops: int = 2 * STEPS) -> NDArray[np.float32]:
    shape = (n_hops, *stage.in_spec.shape)
    return (rms * np.random.default_rng(1).standard_normal(shape)).astype(np.float32)


def _stays_finite(stage: OnnxStage) -> str:
    for label, x in (("silence", _frames(stage, 0.0)), ("full-scale noise", _frames(stage, 1.0))):
        stage.reset()
        if not np.isfinite(run_frames(stage, x)).all():
            raise _FailedError(f"{label} gives NaN or infinity")
    return "silence and full-scale noise"


def _reset_repeats(stage: OnnxStage) -> str:
    x, runs = _frames(stage, 0.1), []
    for before in (x, np.full_like(x[:2], np.nan)):
        stage.reset()
        run_frames(stage, before)
        stage.reset()
        runs.append(run_frames(stage, x))
    if not np.array_equal(runs[0], runs[1]):
        raise _FailedError("the same hops give something else after a reset")
    return "the same to the bit, after noise and after NaN"


def _outputs(step: OnnxStep, n_hops: int, held: str | None = None) -> Iterator[NDArray[Any]]:
    """Data outputs hop by hop; the state `held` is put back to its beginning before each."""
    step.reset()
    start = step.state(held).copy() if held else None
    for hop in _hops(step.net, n_hops, seed=2):
        if held is not None:
            step.state(held)[...] = start
        step(hop)
        yield step.data_out.copy()


def _steps_to_show(net: Net) -> int:
    """Hops after which whatever its states hold has come out."""
    return max(STEPS, SPARSE * max((n for state in net.states for n in state.shape), default=0))


def _idle(step: OnnxStep, most_steps: int) -> list[str]:
    """States which, held still for so many hops, change nothing that comes out.

    Most show at once, and are not driven on for those that lie deep.
    """
    idle, n_hops = [state.name for state in step.net.states], 0
    while idle and n_hops < most_steps:
        n_hops = min(max(STEPS, 4 * n_hops), most_steps)
        free = list(_outputs(step, n_hops))
        idle = [
            name
            for name in idle
            if all(
                np.array_equal(held, out, equal_nan=True)
                for held, out in zip(_outputs(step, n_hops, name), free, strict=True)
            )
        ]
    step.reset()
    return idle


def _state_matters(steps: list[OnnxStep]) -> str:
    total = 0
    for step in steps:
        enough = _steps_to_show(step.net)
        idle = _idle(step, min(enough, MOST_STEPS))
        if idle:
            names = ", ".join(idle[:3]) + (f" and {len(idle) - 3} more" if len(idle) > 3 else "")
            told = f"{step.net.file}: holding {names} still changes nothing"
            if enough > MOST_STEPS:
                raise _UnprovableError(f"{told} in {MOST_STEPS} hops; of its size it may yet after {enough}")
            raise _FailedError(f"{told} in {enough} hops; is it a state, and paired right?")
        total += len(step.net.states)
    return f"holding any one of {total} still changes what comes out"


def _chunked_equals_long(manifest: Manifest, steps: list[OnnxStep]) -> str:
    (net, step), *more = zip(manifest.nets, steps, strict=True)
    into, out = net.data
    if more or into.time_axis is None or out.time_axis is None:
        raise _UnprovableError("the file takes one hop a call")
    hops, chunked = _hops(net), []
    step.reset()
    for hop in hops:
        step(hop)
        chunked.append(step.data_out.copy())
    session = open_session(read_net(manifest, net), net.file)
    feeds = {port.name: port.filled() for port in net.inputs}
    feeds[into.name] = np.concatenate(list(hops * into.scale), axis=into.time_axis).astype(into.dtype)
    try:
        (long,) = session.run([out.name], feeds)
    except Exception as error:
        raise _FailedError(f"{len(hops)} hops in one call: {reason(error)}") from None
    expected = np.concatenate(chunked, axis=out.time_axis)
    if long.shape != expected.shape:
        raise _FailedError(
            f"{len(hops)} hops in one call give {list(long.shape)}, not {list(expected.shape)}"
        )
    difference = float(np.abs(long - expected).max() / np.abs(expected).max())
    told = f"{len(hops)} hops in one call differ by {difference:.1g} of the largest value"
    if not difference <= TOLERANCE:
        raise _FailedError(told)
    return told


def _delay(stage: OnnxStage, speech: Samples) -> str:
    if stage.manifest.task != "denoise":
        raise _UnprovableError("what comes out is no sound")
    seen = measure_delay(stage, speech, stage.manifest.sample_rate)
    alike = f"(correlation {seen.likeness:.2f})"
    if not seen.likeness >= LIKENESS:
        raise _FailedError(f"speech doesn't come through {alike}, so the delay can't be seen")
    if seen.samples != stage.latency:
        raise _FailedError(f"declared {stage.latency} samples, but speech takes {seen.samples} {alike}")
    return f"speech takes {seen.samples} samples, as declared {alike}"
