"""The denoiser by torch, for one stream or many thousand: from host memory to host memory, a hop at a time.

All buffers are made at the start and written in place; a hop takes no memory. On a GPU the hop, with its
copies to and from pinned host memory, is one CUDA graph; on the CPU the same step is run op by op.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtaudio.errors import ConfigError
from rtaudio.kernels.ring import Ring
from rtaudio.nn.denoise import Denoiser, tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.torch.ahead import Ahead, settle_all
from rtaudio.nn.torch.cuda import Step, compiled, make_runner
from rtaudio.nn.torch.denoise_hop import DenoiseHop
from rtaudio.nn.torch.one_stream import OneStreamHop, has_kernels
from rtaudio.nn.torch.stft import TRANSFORMS
from rtaudio.nn.weights import Weights, check_shapes
from rtaudio.stream.stage import Samples, Spec

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
AUDIO = {"float32": torch.float32, "int16": torch.int16}
FULL_SCALE = 32768.0  # of int16
FEW = 16  # streams up to which an STFT by matrix is chosen


class DenoiseStream:
    """`streams` denoisers side by side; each hop of all of them is one step of the device.

    `process` takes and fills `(hop_length,)` for one stream, `(streams, hop_length)` for more.
    It can be done in parts: fill `x`, `launch`, `wait`, read `out`.

    - device: "cpu", or what `cuda_device` returns.
    - dtype: of the net's weights and activations, one of DTYPES; the rest is float32.
    - audio: of samples in host memory, one of AUDIO; int16 halves what the bus carries.
    - transform: how the STFT is done, one of TRANSFORMS; the default fits the number of streams.
    - compiler: a backend of `torch.compile`, "inductor" say; None runs torch's own operations.
    - graph: on a GPU, capture the hop and replay it; without, each operation is launched anew.
    - own_kernels: run the hop by `OneStreamHop`. By default where it can be, one stream on a GPU, unless
      another way is asked for by these options.

    Attributes, all views of host memory that the next hop reads:

    - x, out: `(streams, hop_length)` samples in and out, ±1 or int16.
    - strength, floor: `(streams,)` as the native net's params.

    `activate` and `deactivate` let streams come and go; new ones, all are active.
    """

    def __init__(
        self,
        config: DenoiseConfig,
        tensors: Mapping[str, NDArray[np.float32]],
        streams: int = 1,
        *,
        device: torch.device | str = "cpu",
        dtype: str = "float32",
        audio: str = "float32",
        transform: str | None = None,
        compiler: str | None = None,
        graph: bool = True,
        own_kernels: bool | None = None,
    ) -> None:
        if streams < 1:
            raise ConfigError(f"streams={streams} must be at least 1")
        device = torch.device(device)
        if own_kernels is None:
            plain = (dtype, audio, transform, compiler, graph) == ("float32", "float32", None, None, True)
            own_kernels = plain and streams == 1 and device.type == "cuda" and has_kernels(config)
        transform = transform or ("matrix" if streams <= FEW else "fft")
        _check_one_of(dtype=(dtype, DTYPES), audio=(audio, AUDIO), transform=(transform, TRANSFORMS))
        check_shapes(tensors, tensor_shapes(config))
        self._made_anew = functools.partial(
            type(self), config, tensors, streams, device=device, dtype=dtype, audio=audio,
            transform=transform, compiler=compiler, graph=graph, own_kernels=own_kernels,
        )  # fmt: skip
        self.config, self.streams, self.device = config, streams, device
        hop_length = config.hop_length
        self.in_spec = self.out_spec = Spec((hop_length,) if streams == 1 else (streams, hop_length))
        self.latency = config.latency
        self._hop = DenoiseHop(
            config, tensors, streams, device=device, transform=transform, dtype=DTYPES[dtype]
        )
        self._state = self._hop.initial_state()
        self._buffers = host = _buffers(streams, hop_length, AUDIO[audio], device)
        self.x, self.out = host["host_x"].numpy(), host["host_out"].numpy()
        self.strength, self.floor, self._active = host["host_controls"].numpy()[..., 0]
        self.strength[:], self._active[:] = 1, 1
        self._own = OneStreamHop(config, tensors, device=device) if own_kernels else None
        self._compute = self._denoise
        if compiler:
            self._compute = compiled(self._denoise, compiler)
        settle_all()  # to capture a graph is to wait for all of the GPU's work
        self._runner = make_runner(self._step, device, graph=graph)
        self._ahead = Ahead(self._runner, self.x, self.out, self._active, self._turn_back)
        self.reset()

    @classmethod
    def from_weights(cls, weights: Weights, streams: int = 1, **options: Any) -> Self:
        """Build from a loaded weights file. Raises WeightsError where it is for another net."""
        return cls(Denoiser.from_weights(weights).config, weights.tensors, streams, **options)

    def _step(self) -> None:
        """One hop: host to device, everything, device to host."""
        tensors = self._buffers
        if self._own:
            return self._own(self._state, tensors["host_x"], tensors["host_controls"], tensors["host_out"])
        tensors["x"].copy_(tensors["host_x"], non_blocking=True)
        tensors["controls"].copy_(tensors["host_controls"], non_blocking=True)
        self._compute()
        tensors["host_out"].copy_(tensors["out"], non_blocking=True)

    def _denoise(self) -> None:
        x, out = self._buffers["x"], self._buffers["out"]
        if x.dtype == torch.float32:
            return self._hear(x, out)
        samples, full_scale = self._buffers["samples"], self._buffers["full_scale"]
        samples.copy_(x).div_(full_scale)
        self._hear(samples, samples)
        out.copy_(samples.mul_(full_scale).round_().clamp_(-FULL_SCALE, FULL_SCALE - 1))

    def _hear(self, x: Tensor, out: Tensor) -> None:
        """The hop itself, float32 in and out; `out` may be `x`."""
        strength, floor, active = self._buffers["controls"].unbind(0)
        y, heard = self._hop(self._state, x, strength, floor)
        self._hop.remember(self._state, heard, y, active, out)

    def launch(self) -> None:
        """Begin a hop on what is in `x`; returns while a GPU works on it."""
        self._ahead.settle()
        self._runner.launch()

    def wait(self) -> None:
        """Return when the hop is in `out`: spin for a while, then sleep (`wait_until`)."""
        self._runner.wait()

    def prepare(self) -> None:
        """Launch the next hops now, to wait on the GPU for their samples; nothing where it can't (`Ahead`).

        For whoever calls `process` for hops that come one by one, between them. At the end, `settle`.
        """
        self._ahead.prepare()

    def settle(self) -> None:
        """Let no hop wait on the GPU. `launch`, `reset`, `activate` and `clone` begin with it."""
        self._ahead.settle()

    def process(self, x: Samples, out: Samples) -> None:
        self.process_at(x, out)

    def process_at(self, x: Samples, out: Samples, due_ns: int = 0) -> tuple[int, int]:
        """Sleep until `due_ns`, then process; when that began, and when it was done, all monotonic ns.

        A hop that was prepared is timed in compiled code, where it is begun and waited for.
        """
        if times := self._ahead.process(x, out, due_ns):
            return times
        time.sleep(max(due_ns - time.monotonic_ns(), 0) / 1e9)
        begun = time.monotonic_ns()
        self.x[...] = x
        self.launch()
        self.wait()
        out[...] = self.out if self.streams > 1 else self.out[0]
        return begun, time.monotonic_ns()

    def serve(self, hops: Ring, results: Ring, frames: Samples) -> bool:
        """Take a prepared hop's samples from a ring and give its result to another, without the interpreter.

        For `WorkerStage`. False where Python must, or where no hop came for a while.

        - frames `(2, 1 + hop_length)`: room for the hop and its result, each behind its tag.
        """
        return self._ahead.serve(hops, results, frames)

    def activate(self, stream: int) -> None:
        """Let a stream begin, new, with the next hop. Between hops, like `deactivate` and `reset`."""
        self._run(lambda: self._forget(stream))
        self._active[stream] = 1

    def deactivate(self, stream: int) -> None:
        """Let a stream be silent; what comes in for it is not looked at."""
        self._active[stream] = 0

    def reset(self) -> None:
        """Forget all sound of all streams; which are active stays."""
        self._run(lambda: self._forget(slice(None)))

    def _run(self, work: Step) -> None:
        """Between hops, with none waiting."""
        self._ahead.settle()
        self._runner.run(work)

    def _turn_back(self, hops: int) -> None:
        """So many hops had no samples: the rings are where they were before."""

        def turn() -> None:
            self._state.position.sub_(hops)

        self._runner.run(turn)

    def _forget(self, streams: int | slice) -> None:
        for name, tensor in vars(self._state).items():
            if name != "position":  # where in their rings all streams are; of no meaning to a new one
                tensor[streams].zero_()

    def clone(self) -> DenoiseStream:
        """An independent object that goes on from this one's state. Between hops, like `reset`."""
        self.settle()
        other = self._made_anew()

        def go_on() -> None:
            for name, tensor in vars(self._state).items():
                vars(other._state)[name].copy_(tensor)

        other._runner.run(go_on)  # in the order of its own hops, which another CUDA stream's copy is not
        other._buffers["host_controls"].copy_(self._buffers["host_controls"])
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> DenoiseStream:
        return self.clone()  # field by field, `x` and `out` would be views of nothing

    @property
    def flops(self) -> int:
        """Operations of a stream's hop in matrix products (`DenoiseHop.flops`)."""
        return self._hop.flops

    def buffers(self) -> dict[str, Tensor]:
        """Every tensor that a hop reads or writes, by name."""
        hop = self._own or self._hop
        scratch = {f"scratch_{name}": tensor for name, tensor in hop.scratch.items()}
        return {**hop.constants, **scratch, **vars(self._state), **self._buffers}


def live_stream(weights: Weights, device: torch.device) -> DenoiseStream:
    """One stream the quickest way there is on `device`: of our kernels, or of torch's operations.

    To compile kernels, Triton needs a C compiler and Python's headers, which not every machine has.
    """
    try:
        return DenoiseStream.from_weights(weights, device=device)
    except Exception:  # in as many ways as compilers fail; what is no compiler's fault fails again
        return DenoiseStream.from_weights(weights, device=device, own_kernels=False)


def _buffers(streams: int, hop_length: int, audio: torch.dtype, device: torch.device) -> dict[str, Tensor]:
    """Samples and controls (strength, floor, active), here and on the device.

    Of int16 samples what is needed to make floats of them, too.
    """
    shapes = {"x": (streams, hop_length), "out": (streams, hop_length), "controls": (3, streams, 1)}
    made = {}
    for name, shape in shapes.items():
        dtype = torch.float32 if name == "controls" else audio
        made[name] = torch.zeros(shape, dtype=dtype, device=device)
        made[f"host_{name}"] = torch.zeros(shape, dtype=dtype, pin_memory=device.type == "cuda")
    if audio == torch.int16:
        made["samples"] = torch.zeros(shapes["x"], device=device)
        made["full_scale"] = torch.full((), FULL_SCALE, device=device)
    return made


def _check_one_of(**options: tuple[str, Mapping[str, object]]) -> None:
    for name, (value, known) in options.items():
        if value not in known:
            raise ConfigError(f"{name}={value!r} must be one of: {', '.join(known)}")
