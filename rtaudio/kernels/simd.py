"""Four, eight or sixteen float32 at once, by address: `F32x4`, `F32x8`, `F32x16` in jitted code.

LLVM vectorises plain loops over addresses only behind run-time overlap checks, which cost more
than the work where rows are short, as in an FFT pass. Here the vectors are written down: `+`,
`-` and `*` between vectors or with a float32, loads, stores and a few shuffles. On a machine
with narrower registers LLVM splits each operation. A product that feeds a sum may become one
fused instruction.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

_FLAGS = ("contract",)


class VectorType(types.Type):  # type: ignore[misc]
    """Numba type of `lanes` float32 in one register."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"F32x{lanes}")


F32x4, F32x8, F32x16 = VectorType(4), VectorType(8), VectorType(16)


def _vector(lanes: int) -> Any:
    return ir.VectorType(ir.FloatType(), lanes)


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: VectorType) -> None:
        super().__init__(dmm, fe_type, _vector(fe_type.lanes))


def _shuffle(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    return builder.shuffle_vector(a, b, mask)


def _spread(builder: Any, value: Any, lanes: int) -> Any:
    """A scalar in all lanes; a vector as it is."""
    if isinstance(value.type, ir.VectorType):
        return value
    empty = ir.Constant(_vector(lanes), ir.Undefined)
    one = builder.insert_element(empty, value, ir.Constant(ir.IntType(32), 0))
    return _shuffle(builder, one, empty, [0] * lanes)


def _define(operation: Any, method: str) -> None:
    """Arithmetic between two vectors, or a vector and a float32 in either place."""

    class Template(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            vectors = {a for a in args if isinstance(a, VectorType)}
            if len(args) == 2 and len(vectors) == 1 and {*args} <= {*vectors, types.float32}:
                return signature(vectors.pop(), *args)
            return None

    infer_global(operation)(Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = (_spread(builder, value, sig.return_type.lanes) for value in args)
        return getattr(builder, method)(a, b, flags=_FLAGS)

    for left, right in ((VectorType, VectorType), (VectorType, types.Float), (types.Float, VectorType)):
        lower_builtin(operation, left, right)(lower)


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")


def _load(builder: Any, address: Any, kind: Any) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=4)


@intrinsic
def load(typingctx: Any, address: Any, like: Any) -> Any:
    """What lies at `address`, as the type of `like`: float32 or a vector. Any alignment."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load(builder, args[0], args[1].type)

    return like(types.int64, like), codegen


@intrinsic
def load_once(typingctx: Any, address: Any, like: Any) -> Any:
    """`load` of a vector, for spreading its lanes: LLVM would read each of them from memory again."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = args[1].type
        name = f"llvm.arithmetic.fence.v{kind.count}f32"  # no instruction: LLVM just doesn't look behind it
        fence = builder.module.declare_intrinsic(name, fnty=ir.FunctionType(kind, [kind]))
        return builder.call(fence, [_load(builder, args[0], kind)])

    return like(types.int64, like), codegen


@intrinsic
def relu(typingctx: Any, value: Any) -> Any:
    """0 where a float32, or a lane of a vector, is less; NaN stays."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zero = ir.Constant(args[0].type, None)
        return builder.select(builder.fcmp_ordered("<", args[0], zero), zero, args[0])

    return value(value), codegen


@intrinsic
def store(typingctx: Any, address: Any, value: Any) -> Any:
    """Write a float32 or a vector to `address`. Any alignment."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], args[1].type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, value), codegen


def _splat(lanes: VectorType) -> Any:
    def typer(typingctx: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return _spread(builder, args[0], lanes.lanes)

        return lanes(types.float32), codegen

    return typer


splat4 = intrinsic(_splat(F32x4))
splat8 = intrinsic(_splat(F32x8))
splat16 = intrinsic(_splat(F32x16))


@intrinsic
def reverse8(typingctx: Any, value: Any) -> Any:
    """Lanes in the opposite order."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _shuffle(builder, args[0], args[0], list(range(8))[::-1])

    return F32x8(F32x8), codegen


def _two(lanes: list[int]) -> Any:
    """A shuffle of two vectors into two, given the sixteen lanes of the result."""

    def typer(typingctx: Any, a: Any, b: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            parts = [_shuffle(builder, args[0], args[1], lanes[half : half + 8]) for half in (0, 8)]
            return context.make_tuple(builder, sig.return_type, parts)

        return types.UniTuple(F32x8, 2)(F32x8, F32x8), codegen

    return typer


zip8 = intrinsic(_two([i // 2 + 8 * (i % 2) for i in range(16)]))
"""(a0 b0 a1 b1 a2 b2 a3 b3), (a4 b4 ... b7)"""
unzip8 = intrinsic(_two([*range(0, 16, 2), *range(1, 16, 2)]))
"""The inverse of `zip8`: even places, odd places."""


@intrinsic
def store_quads(typingctx: Any, address: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Write 32 float32: lane 0 of a, b, c, d, then lane 1 of each and so on."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        ac = _shuffle(builder, args[1], args[3], list(range(16)))
        bd = _shuffle(builder, args[2], args[4], list(range(16)))
        quads = _shuffle(builder, ac, bd, [8 * (i % 4 // 2) + i // 4 + 16 * (i % 2) for i in range(32)])
        builder.store(quads, builder.inttoptr(args[0], quads.type.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(types.int64, F32x8, F32x8, F32x8, F32x8), codegen


@intrinsic
def sum8(typingctx: Any, value: Any) -> Any:
    """Sum of the lanes, by halves: one order, so one result."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        total = args[0]
        for width in (4, 2, 1):
            low = _shuffle(builder, total, total, list(range(width)))
            total = builder.fadd(low, _shuffle(builder, total, total, list(range(width, 2 * width))))
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.float32(F32x8), codegen
