"""What one must know to run a streaming ONNX model: the manifest, a TOML file for people to read and mend.

::

    format = "rtaudio-onnx"         version = 2
    name = "GTCRN"                  licence = "MIT"
    task = "denoise"                # sound in, sound out; "classify": sound in, numbers out
    sample_rate = 16000
    hop_length = 256                # samples a step
    look_ahead = 0                  # samples of future the net waits for
    delay = 256                     # samples from input to output, front end and look-ahead together

    [front_end]                     # what is done to samples before and after the net
    kind = "stft"                   # see `FrontEnd`
    n_fft = 512
    window = "sqrt_hann"
    layout = "bins, parts"

    [[nets]]
    file = "gtcrn_simple.onnx"      # beside the manifest
    sha256 = "…"

    [nets.inputs]                   # see `Port`; batch axes are 1 long
    mix = { role = "data", shape = [1, 257, 1, 2], dtype = "float32" }
    h = { role = "state", shape = [1, 1, 64], dtype = "float32", from = "h_out", initial = 0.0 }

    [nets.outputs]
    enh = { role = "data", shape = [1, 257, 1, 2], dtype = "float32" }

`manifest_toml` reads and writes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import ModelError
from rtaudio.kernels.window import pair_latency

FORMAT, VERSION = "rtaudio-onnx", 2

SUFFIXES = (".toml", ".onnx")
"""What a model that ONNX Runtime runs is given by: a manifest, or a file that has one."""

TASKS = ("denoise", "classify")
KINDS = ("samples", "stft", "dtln")
ROLES = {"inputs": ("data", "constant", "state"), "outputs": ("data", "side")}
LAYOUTS = ("bins, parts", "parts, bins")
MOST_DELAY_S = 10  # a slip of the pen shall not fill the memory
DTYPES = ("float32", "float16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")


@dataclass(frozen=True)
class Port:
    """An input or output of a net.

    - role: `data` carries the hop; a `constant` input is always the same; a `state` input takes what
      the output `source` gave the step before; a `side` output is given and not used as sound.
    - shape: of one step of one stream. batch_axis: where streams would be put side by side, if known.
    - values: what a constant is, or a state begins with: one number for all elements, or one each.
    - scale: what full scale of sound is in a data port: 1, or 32768 for 16-bit integers.
    - time_axis: of a data port, along which several hops may be given at once (the long form), if any.
    - labels: what the numbers of a classifier's data output stand for, in their order, if told.
    """

    name: str
    role: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    batch_axis: int | None = None
    values: tuple[float, ...] = (0.0,)
    source: str = ""
    scale: float = 1.0
    time_axis: int | None = None
    labels: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def filled(self) -> NDArray[Any]:
        """A new array of the port's shape, holding `values`."""
        values = self.values if len(self.values) > 1 else self.values * self.size
        return np.array(values, self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class Net:
    """One ONNX file and its ports, in the file's order."""

    file: str
    sha256: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def states(self) -> tuple[Port, ...]:
        return tuple(port for port in self.inputs if port.role == "state")

    @property
    def constants(self) -> tuple[Port, ...]:
        return tuple(port for port in self.inputs if port.role == "constant")

    @property
    def data(self) -> tuple[Port, Port]:
        """Where the hop goes in and comes out."""
        (into,), (out,) = ([p for p in ports if p.role == "data"] for ports in (self.inputs, self.outputs))
        return into, out


@dataclass(frozen=True)
class FrontEnd:
    """What is done to samples before and after the net.

    - `samples`: the net takes the hop, after the `context` samples before it, and gives a hop.
    - `stft`: it takes rfft(window * latest n_fft samples), unnormalised, and gives a spectrum, whose irfft
      times the window is overlap-added. Windows are periodic; `layout` orders the last two axes (of those
      longer than 1): frequency bins, and real and imaginary parts.
    - `dtln`: two nets. The first takes the magnitude of rfft(latest n_fft samples) and gives a mask; the
      irfft of spectrum times mask goes through the second, n_fft samples in and out, and is overlap-added,
      all without a window (Westhausen and Meyer 2020, "Dual-signal transformation LSTM network for
      real-time noise suppression").

    What a classifier gives is numbers, and nothing is done to them.
    """

    kind: str
    n_fft: int = 0
    window: str = "sqrt_hann"
    layout: str = LAYOUTS[0]
    context: int = 0

    @property
    def n_bins(self) -> int:
        return self.n_fft // 2 + 1

    def delay(self, hop_length: int) -> int:
        """Samples from input to output where the nets have no look-ahead."""
        if self.kind == "samples":
            return 0
        return pair_latency(self.window if self.kind == "stft" else "rect", self.n_fft, hop_length)

    def data_sizes(self, hop_length: int) -> list[tuple[int, int]]:
        """Numbers in and out of each net, a step."""
        if self.kind == "samples":
            return [(self.context + hop_length, hop_length)]
        if self.kind == "stft":
            return [(2 * self.n_bins, 2 * self.n_bins)]
        return [(self.n_bins, self.n_bins), (self.n_fft, self.n_fft)]


@dataclass(frozen=True)
class Manifest:
    """All there is to know of a model; sizes in samples of its own rate."""

    name: str
    task: str
    licence: str
    source: str
    sample_rate: int
    hop_length: int
    look_ahead: int
    delay: int
    front_end: FrontEnd
    nets: tuple[Net, ...]
    folder: Path = field(default=Path(), compare=False)
    """Where the nets' files lie; not written."""

    def check(self) -> None:
        """Raise ModelError where the manifest contradicts itself. Whether it is true, `prove` tells."""
        self._check_numbers()
        if (self.front_end.kind, self.task) == ("dtln", "classify"):
            raise ModelError("the front end 'dtln' gives sound: the task must be 'denoise'")
        if self.front_end.kind != "samples" and not 1 <= self.hop_length <= self.front_end.n_fft:
            raise ModelError(f"hop_length={self.hop_length} must be from 1 to n_fft={self.front_end.n_fft}")
        sizes = self.front_end.data_sizes(self.hop_length)
        if len(self.nets) != len(sizes):
            wanted = f"the front end {self.front_end.kind!r} is for {len(sizes)}"
            raise ModelError(f"there are {len(self.nets)} nets, and {wanted}")
        for net, (size_in, size_out) in zip(self.nets, sizes, strict=True):
            check_net(net)
            for port, size in zip(net.data, (size_in, size_out), strict=True):
                if port.size != size and (port in net.inputs or self.task == "denoise"):
                    raise ModelError(
                        f"{net.file}: {port.name} of shape {list(port.shape)} must hold {size} "
                        f"numbers, for the front end {self.front_end.kind!r}"
                    )
            self._check_layout(net)
        if not any(net.states for net in self.nets):
            raise ModelError("no net has a state: this is not a streaming model")

    def _check_layout(self, net: Net) -> None:
        """A flat port is read in the order that `layout` says; any other says it by its shape, too."""
        if self.front_end.kind != "stft":
            return
        spectra = net.data if self.task == "denoise" else net.data[:1]
        for port in spectra:
            long_axes = [n for n in port.shape if n > 1]
            ends = long_axes[:1] if self.front_end.layout == "parts, bins" else long_axes[-1:]
            if len(long_axes) > 1 and ends != [2]:
                raise ModelError(
                    f"{net.file}: {port.name} of shape {list(port.shape)} does not hold "
                    f"{self.front_end.layout!r}, which is its layout"
                )

    def _check_numbers(self) -> None:
        least = {"sample_rate": 1000, "hop_length": 1, "look_ahead": 0, "delay": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ModelError(f"{name}={getattr(self, name)} must be {value} or more")
        if self.front_end.context < 0:
            raise ModelError(f"context={self.front_end.context} must be 0 or more")
        if self.delay > MOST_DELAY_S * self.sample_rate:
            raise ModelError(f"delay={self.delay} must be {MOST_DELAY_S} s at most")
        true_delay = self.front_end.delay(self.hop_length) + self.look_ahead
        if self.task == "denoise" and self.delay != true_delay:
            raise ModelError(
                f"delay={self.delay}, but its front end and look_ahead={self.look_ahead} make {true_delay}"
            )


def check_net(net: Net) -> None:
    """Raise ModelError where the ports of a net can't be right, whatever is in the file."""
    for side in ("inputs", "outputs"):
        n_data = sum(port.role == "data" for port in getattr(net, side))
        if n_data != 1:
            raise ModelError(f"{net.file}: {n_data} of the {side} have the role data; it must be one")
    taken = [port.name for port in net.outputs]
    for port in (*net.inputs, *net.outputs):
        where = f"{net.file}: {port.name}"
        if any(n < 1 for n in port.shape):
            raise ModelError(f"{where} has the shape {list(port.shape)}; every axis must be 1 or more")
        if len(port.values) not in (1, port.size):
            raise ModelError(f"{where} has {len(port.values)} values; it must be 1 or {port.size}")
        if len(port.labels) not in (0, port.size):
            raise ModelError(f"{where} has {len(port.labels)} labels; it must be none or {port.size}")
        for name in ("batch_axis", "time_axis"):
            axis = getattr(port, name)
            if axis is not None and not 0 <= axis < len(port.shape):
                raise ModelError(f"{where} has no axis {name}={axis} in the shape {list(port.shape)}")
        if port.batch_axis is not None and port.shape[port.batch_axis] != 1:
            raise ModelError(f"{where}: batch_axis={port.batch_axis} of {list(port.shape)} must be 1 long")
        if port.role == "state":
            if port.source in taken:
                raise ModelError(f"{where}: the output {port.source} is used already")
            taken.append(port.source)
