"""ONNX Runtime running a streaming net one step at a time, on one thread, with nothing allocated.

All inputs and outputs lie in buffers made once. Each state has two that take turns: what one step
writes into the one, the next step reads there. A net of 98 states then takes 58 µs a step, and 202 by
dictionaries of arrays (`python -m benchmarks.onnx_models`).
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any, Self

import numpy as np

# Its builds report on their user unless told not to, before they are imported, and complain in
# colour on stderr where they can't keep an identifier for that.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime
from numpy.typing import NDArray

from rtaudio.errors import ModelError
from rtaudio.nn.onnx.hang_guard import GUARD
from rtaudio.nn.onnx.manifest import Net, Port

if TYPE_CHECKING:
    from rtaudio.nn.onnx.graph import Graph

FATAL = 4  # of ONNX Runtime's log levels: what goes wrong is raised, and need not be printed too

LONGEST = 160  # characters of its message that are told

_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64"}


def open_session(model: bytes, name: str) -> onnxruntime.InferenceSession:
    """A session on one thread of the CPU. Raises ModelError for what is not a whole ONNX model."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = FATAL
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's have no common base
        raise ModelError(f"{name}: not an ONNX model, or corrupt ({reason(error)})") from None


def reason(error: Exception) -> str:
    """The part of ONNX Runtime's message that a person can use."""
    text = " ".join(str(error).split())
    text = re.sub(r"^.*Status Message: (?:\S+\.(?:cc|h):\d+ .*?\) )?", "", text)
    text = re.sub(r"^(?:\[ONNXRuntimeError\] : \d+ : )?[A-Z_]+ : ", "", text)
    if len(text) > LONGEST:
        first = text[:LONGEST].rpartition(". ")[0]  # advice to programmers comes last
        text = first or text[:LONGEST]
    return text.rstrip(". ")


def dtype_of(port: Any) -> str:
    """A session port's dtype by numpy's name."""
    return _DTYPES.get(port.type, port.type.removeprefix("tensor(").removesuffix(")"))


def check_ports(session: onnxruntime.InferenceSession, net: Net) -> None:
    """Raise ModelError unless names, shapes and dtypes in the manifest are those in the file."""
    states = [Port(port.source, "side", port.shape, port.dtype) for port in net.states]
    optional = {port.name for port in session.get_overridable_initializers()}
    for found, declared, side in (
        ([*session.get_inputs(), *session.get_overridable_initializers()], net.inputs, "input"),
        (session.get_outputs(), (*net.outputs, *states), "output"),
    ):
        ports = {port.name: port for port in found}
        for port in declared:
            if port.name not in ports:
                known = ", ".join(ports)
                raise ModelError(f"{net.file} has no {side} {port.name!r}; it has: {known}")
            _check_port(net.file, ports[port.name], port)
        if side == "input":
            for name in ports.keys() - optional - {port.name for port in declared}:
                raise ModelError(f"{net.file} has an input {name!r} that the manifest doesn't tell")


def _check_port(file: str, found: Any, port: Port) -> None:
    fits = len(found.shape) == len(port.shape) and all(
        not isinstance(n, int) or n == m for n, m in zip(found.shape, port.shape, strict=True)
    )
    if not fits:
        shape = [n if isinstance(n, int) else "any" for n in found.shape]
        raise ModelError(f"{port.name} has the shape {shape} in {file}, not {list(port.shape)}")
    if dtype_of(found) != port.dtype:
        raise ModelError(f"{port.name} is {dtype_of(found)} in {file}, not {port.dtype}")


class OnnxStep:
    """Runs a net step by step: call it with a hop, `read` what came out.

    Raises ModelError while it is built where the file isn't what `net` says, and at a step that
    fails, takes longer than the hang guard allows, or gives outputs of another shape.
    """

    def __init__(self, model: bytes, net: Net) -> None:
        session = open_session(model, net.file)
        check_ports(session, net)
        self._allocate(session, net)

    @classmethod
    def of(cls, graph: Graph) -> Self:
        """Run a graph made here."""
        model = graph.model()
        return cls(model, graph.net("graph", model))

    def _allocate(self, session: onnxruntime.InferenceSession, net: Net) -> None:
        self.net, self._session, self.hops, self.busy_since = net, session, 0, 0.0
        self._options = onnxruntime.RunOptions()
        self._options.log_severity_level = FATAL
        fixed = [port for port in net.inputs if port.role != "state"]
        self._buffers = {port.name: port.filled() for port in (*fixed, *net.outputs)}
        self._states = {port.name: (port.filled(), port.filled()) for port in net.states}
        self._bindings = [self._bind(turn) for turn in range(2)]
        self._turn = 0
        self._in, self._out = net.data
        self.data_in, self.data_out = self._buffers[self._in.name], self._buffers[self._out.name]
        GUARD.watch(self)

    def _bind(self, turn: int) -> Any:
        binding = self._session.io_binding()
        places = [(binding.bind_input, port.name, self._buffers[port.name])
                  for port in self.net.inputs if port.role != "state"]  # fmt: skip
        places += [(binding.bind_output, port.name, self._buffers[port.name]) for port in self.net.outputs]
        for port in self.net.states:
            pair = self._states[port.name]
            places.append((binding.bind_input, port.name, pair[turn]))
            places.append((binding.bind_output, port.source, pair[1 - turn]))
        for bind, name, array in places:
            bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return binding

    def __call__(self, x: NDArray[Any]) -> None:
        """One step from sound or spectra `x` of full scale 1, of the data input's size."""
        self._write(x)
        self._options.terminate = False
        self.busy_since = time.monotonic()
        try:
            self._session.run_with_iobinding(self._bindings[self._turn], self._options)
        except Exception as error:
            why = reason(error)
            if self._options.terminate:
                why = f"not done after {time.monotonic() - self.busy_since:.1f} s"
            raise ModelError(f"{self.net.file} failed at hop {self.hops}: {why}") from None
        finally:
            self.busy_since = 0.0
        self._turn ^= 1
        self.hops += 1

    def _write(self, x: NDArray[Any]) -> None:
        target = self.data_in if x.ndim == self.data_in.ndim else self.data_in.reshape(x.shape)
        if self._in.scale == 1:
            target[...] = x
        elif target.dtype.kind == "f":
            target[...] = x * self._in.scale
        else:
            scaled = np.nan_to_num(x) * self._in.scale  # integers have no NaN
            target[...] = np.rint(np.clip(scaled, -self._in.scale, self._in.scale - 1))

    def read(self, out: NDArray[Any]) -> None:
        """Copy the data output, brought back to full scale 1, to an array of its size."""
        out[...] = self.data_out.reshape(out.shape)
        if self._out.scale != 1:
            out /= self._out.scale

    def out(self, name: str) -> NDArray[Any]:
        """A copy of what the last step gave at an output that is no state."""
        return np.array(self._buffers[name])

    def state(self, name: str) -> NDArray[Any]:
        """What the next step will read at a state input; writing into it changes the state."""
        return self._states[name][self._turn]

    def remembered(self) -> list[NDArray[np.uint8]]:
        """Views, in bytes, of all states as they are before the next step."""
        return [self.state(port.name).reshape(-1).view(np.uint8) for port in self.net.states]

    def reset(self) -> None:
        """Put every state back to its initial value."""
        for port in self.net.states:
            self.state(port.name)[...] = port.filled()
        self.hops = 0

    def abort(self) -> None:
        """Make a step that is running in another thread fail soon."""
        self._options.terminate = True

    def clone(self) -> Self:
        """An independent stream of the same session that goes on from this one's state."""
        other = object.__new__(type(self))
        other._allocate(self._session, self.net)
        for name in self._states:
            other.state(name)[...] = self.state(name)
        other.hops = self.hops
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.clone()
