"""Small streaming ONNX models made on the spot: every convention of real ones, and every way to fail.

Sound comes through all of them nearly as it is, with a little of their states added.
"""

import dataclasses
import hashlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rtaudio.nn.onnx.manifest import FrontEnd, Manifest
from rtaudio.nn.onnx.manifest_toml import write_manifest
from rtaudio.nn.onnx.propose import propose

HOP, WIDTH = 160, 8
FLOAT, HALF, INT32, INT64, BOOL = (
    getattr(TensorProto, n) for n in ("FLOAT", "FLOAT16", "INT32", "INT64", "BOOL")
)
FOREVER = 2**62


class Twin:
    """Collects a graph; `save` writes it and returns its path."""

    def __init__(self):
        self.nodes, self.inputs, self.outputs, self.constants = [], [], [], []

    def port(self, where, name, kind, shape):
        where.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def const(self, value, dtype=np.float32):
        name = f"const_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def node(self, kind, *inputs, out=None, **attributes):
        out = out or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def save(self, path, **metadata):
        graph = helper.make_graph(self.nodes, "twin", self.inputs, self.outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())
        return path


def _sound(twin, kind=FLOAT, shape=(1, HOP)):
    return twin.port(twin.inputs, "audio", kind, shape), twin.port(twin.outputs, "audio_out", kind, shape)


def _leak(twin, old, new, samples):
    """new = 0.5 old + 0.5 samples; returns what of it is added to the sound."""
    half = twin.const(0.5)
    twin.node("Add", twin.node("Mul", old, half), twin.node("Mul", samples, half), out=new)
    return twin.node("ReduceMean", new, axes=[1], keepdims=1)


def many_states(path, n=98, kind=FLOAT, **metadata):
    """`n` states of their own, of 8 numbers each, `cached_i` and `new_cached_i`; float16 on request."""
    twin = Twin()
    x, y = _sound(twin)
    total = x
    for i in range(n):
        old = twin.port(twin.inputs, f"cached_{i}", kind, (1, WIDTH))
        new = twin.port(twin.outputs, f"new_cached_{i}", kind, (1, WIDTH))
        first = i * WIDTH % HOP
        part = twin.node("Slice", x, *(twin.const([k], np.int64) for k in (first, first + WIDTH, 1)))
        if kind == FLOAT:
            mean = _leak(twin, old, new, part)
        else:
            inner = f"float_{i}"
            mean = _leak(twin, twin.node("Cast", old, to=FLOAT), inner, part)
            twin.node("Cast", inner, to=kind, out=new)
        total = twin.node("Add", total, twin.node("Mul", mean, twin.const(0.1 / n)))
    twin.node("Identity", total, out=y)
    return twin.save(path, **metadata)


def half_state(path):
    return many_states(path, 1, HALF)


def flat_state(path):
    """One long state that begins at ones, as the file itself says."""
    twin, size = Twin(), 98 * WIDTH
    x, y = _sound(twin)
    old = twin.port(twin.inputs, "states", FLOAT, (1, size))
    twin.constants.append(numpy_helper.from_array(np.ones((1, size), np.float32), "states"))
    new = twin.port(twin.outputs, "new_states", FLOAT, (1, size))
    wide = twin.node("Tile", x, twin.const([1, -(-size // HOP)], np.int64))
    cut = twin.node("Slice", wide, *(twin.const([k], np.int64) for k in (0, size, 1)))
    mean = _leak(twin, old, new, cut)
    twin.node("Add", x, twin.node("Mul", mean, twin.const(0.1)), out=y)
    return twin.save(path)


def integer_audio(path):
    """Sound as int32 of 16 bits; a state and a scalar rate."""
    twin = Twin()
    x, y = _sound(twin, INT32)
    twin.port(twin.inputs, "sr", INT64, ())
    old = twin.port(twin.inputs, "h", FLOAT, (1, HOP))
    new = twin.port(twin.outputs, "hn", FLOAT, (1, HOP))
    sound = twin.node("Cast", x, to=FLOAT)
    mean = _leak(twin, old, new, sound)
    total = twin.node("Add", sound, twin.node("Mul", mean, twin.const(0.1)))
    rate = twin.node("Cast", "sr", to=FLOAT)
    total = twin.node("Mul", total, twin.node("Div", rate, twin.const(16000.0)))
    twin.node("Cast", total, to=INT32, out=y)
    return twin.save(path)


def spectral(path, parts_first=False):
    """A spectrum of 161 bins; the state is the last one, heard a little."""
    shape = (1, 2, 1, 161) if parts_first else (1, 161, 1, 2)
    twin = Twin()
    x = twin.port(twin.inputs, "spec", FLOAT, shape)
    y = twin.port(twin.outputs, "spec_out", FLOAT, shape)
    old = twin.port(twin.inputs, "cache_in", FLOAT, shape)
    new = twin.port(twin.outputs, "cache_out", FLOAT, shape)
    twin.node("Identity", x, out=new)
    twin.node("Add", twin.node("Mul", x, twin.const(0.9)), twin.node("Mul", old, twin.const(0.1)), out=y)
    return twin.save(path)


def long_form(path):
    """Any number of hops a call, along the first axis: a GRU over them, added to the sound."""
    twin, rng = Twin(), np.random.default_rng(0)
    x = twin.port(twin.inputs, "audio", FLOAT, ("time", 1, HOP))
    y = twin.port(twin.outputs, "audio_out", FLOAT, ("time", 1, HOP))
    old = twin.port(twin.inputs, "h", FLOAT, (1, 1, HOP))
    new = twin.port(twin.outputs, "hn", FLOAT, (1, 1, HOP))
    w, r = (twin.const(0.1 * rng.standard_normal((1, 3 * HOP, HOP))) for _ in range(2))
    twin.nodes.append(helper.make_node("GRU", [x, w, r, "", "", old], ["all", new], hidden_size=HOP))
    hidden = twin.node("Squeeze", "all", twin.const([1], np.int64))
    twin.node("Add", x, twin.node("Mul", hidden, twin.const(0.01)), out=y)
    return twin.save(path)


def late(path):
    """Gives each hop one hop later: its state is the sound."""
    twin = Twin()
    x, y = _sound(twin)
    old = twin.port(twin.inputs, "past", FLOAT, (1, HOP))
    new = twin.port(twin.outputs, "past_out", FLOAT, (1, HOP))
    twin.node("Identity", old, out=y)
    twin.node("Identity", x, out=new)
    return twin.save(path)


def stateless(path):
    twin = Twin()
    x, y = _sound(twin)
    twin.node("Mul", x, twin.const(0.5), out=y)
    return twin.save(path)


def failing(path, how, at=20):
    """Counts hops in a state, and at hop `at` does what `how` says: crash, hang, nan or shape."""
    twin = Twin()
    x = twin.port(twin.inputs, "audio", FLOAT, (1, HOP))
    y = twin.port(twin.outputs, "audio_out", FLOAT, (1, "n") if how == "shape" else (1, HOP))
    old = twin.port(twin.inputs, "count", INT64, (1,))
    new = twin.port(twin.outputs, "count_out", INT64, (1,))
    twin.node("Add", old, twin.const([1], np.int64), out=new)
    now = twin.node("Equal", old, twin.const([at], np.int64))

    def choose(then, otherwise):
        return twin.node("Where", now, then, otherwise)

    if how == "nan":
        twin.node("Where", now, twin.const(np.nan), x, out=y)
    elif how == "shape":
        end = choose(*(twin.const([n], np.int64) for n in (HOP // 2, HOP)))
        twin.node("Slice", x, twin.const([0], np.int64), end, twin.const([1], np.int64), out=y)
    elif how == "crash":
        index = choose(*(twin.const([n], np.int64) for n in (7, 0)))
        twin.node("Gather", x, index, axis=0, out=y)
    else:
        times = twin.node("Squeeze", choose(*(twin.const([n], np.int64) for n in (FOREVER, 1))))
        body = Twin()
        body.port(body.inputs, "i", INT64, ())
        body.port(body.inputs, "go", BOOL, ())
        body.port(body.inputs, "a", FLOAT, (1, HOP))
        body.node("Identity", "go", out=body.port(body.outputs, "go_on", BOOL, ()))
        body.node("Abs", body.node("Neg", "a"), out=body.port(body.outputs, "b", FLOAT, (1, HOP)))
        graph = helper.make_graph(body.nodes, "body", body.inputs, body.outputs)
        looped = twin.node("Loop", times, twin.const(True, np.bool_), x, body=graph)
        twin.node("Add", x, twin.node("Mul", looped, twin.const(0.0)), out=y)
    return twin.save(path)


def failing_manifest(folder, how, at=20):
    """A manifest beside such a model, written by hand as a person would."""
    model = failing(folder / f"{how}.onnx", how, at)
    told = model.with_suffix(".toml")
    net = propose(failing(folder / "whole.onnx", "nan", at)).manifest.nets[0]
    net = dataclasses.replace(net, file=model.name, sha256=hashlib.sha256(model.read_bytes()).hexdigest())
    (folder / "whole.onnx").unlink()
    manifest = Manifest(how, "denoise", "", "", 16000, HOP, 0, 0, FrontEnd("samples"), (net,))
    told.write_text(write_manifest(manifest))
    return told


def manifest_of(model, **changes):
    """Write the proposal for a model beside it, with `changes` to its text: old -> new."""
    text = write_manifest(propose(model).manifest)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = model.with_suffix(".toml")
    path.write_text(text)
    return path
