"""Bytes, and the sums of their products sixteen at a time: what int8 layers are made of.

`dot4` is one instruction where the CPU multiplies bytes itself (VNNI) and a few elsewhere. All ways
are exact, so every CPU comes to the same integers. Which one it is follows from the CPU that Numba
compiles for, and that is in the key of Numba's cache: no CPU is handed another's code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic, models, register_model

from rtaudio.kernels.simd import F32x16

LANES = 16
WIDE = 64  # what `peak64` and `store_codes64` take at once
_I8, _I16, _I32, _F32 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.FloatType()
_MAGNITUDE = 0x7FFFFFFF  # all bits of a float32 but its sign
_ROUND = 1.5 * 2**23  # added to a float32 below 2^22, it leaves the nearest integer in the low bits
_ROUND_BITS = 0x4B400000


class _I32x16(types.Type):  # type: ignore[misc]
    """Numba type of sixteen int32 in one register."""

    def __init__(self) -> None:
        super().__init__(name="I32x16")


I32x16 = _I32x16()


@register_model(_I32x16)
class _I32x16Model(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _vector(_I32, LANES))


def _vector(element: Any, lanes: int) -> Any:
    return ir.VectorType(element, lanes)


def _all(element: Any, value: float, lanes: int) -> Any:
    return ir.Constant(_vector(element, lanes), [value] * lanes)


def _pick(builder: Any, value: Any, lanes: Sequence[int], other: Any = None) -> Any:
    """The given lanes of a vector, or of two, those of `other` counted on."""
    mask = ir.Constant(_vector(_I32, len(lanes)), list(lanes))
    return builder.shuffle_vector(value, other or ir.Constant(value.type, ir.Undefined), mask)


def _splat(builder: Any, value: Any, lanes: int) -> Any:
    empty = ir.Constant(_vector(value.type, lanes), ir.Undefined)
    return _pick(builder, builder.insert_element(empty, value, ir.Constant(_I32, 0)), [0] * lanes)


def _load(builder: Any, address: Any, kind: Any) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)


def _call(builder: Any, name: str, result: Any, *values: Any) -> Any:
    """Call an LLVM intrinsic."""
    kind = ir.FunctionType(result, [value.type for value in values])
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    return builder.call(function, values)


@intrinsic
def splat_i32(typingctx: Any, value: Any) -> Any:
    """An int32 in all lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _splat(builder, args[0], LANES)

    return I32x16(types.int32), codegen


@intrinsic
def to_f32(typingctx: Any, value: Any) -> Any:
    """Each lane as a float32."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.sitofp(args[0], _vector(_F32, LANES))

    return F32x16(I32x16), codegen


@intrinsic
def load_i32(typingctx: Any, address: Any) -> Any:
    """The int32 at `address`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load(builder, args[0], _I32)

    return types.int32(types.int64), codegen


@intrinsic
def load_codes16(typingctx: Any, address: Any) -> Any:
    """The sixteen int8 at `address`, as float32."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.sitofp(_load(builder, args[0], _vector(_I8, LANES)), _vector(_F32, LANES))

    return F32x16(types.int64), codegen


@intrinsic
def peak64(typingctx: Any, address: Any) -> Any:
    """The largest magnitude of 64 float32.

    Compared as integers, where infinity comes after every number and NaN after that: neither is lost.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = _load(builder, args[0], _vector(_I32, WIDE))
        magnitudes = builder.and_(bits, _all(_I32, _MAGNITUDE, WIDE))
        return builder.bitcast(_call(builder, f"llvm.vector.reduce.umax.v{WIDE}i32", _I32, magnitudes), _F32)

    return types.float32(types.int64), codegen


@intrinsic
def store_codes64(typingctx: Any, codes: Any, values: Any, factor: Any) -> Any:
    """64 int8 at `codes` = the float32 at `values` times factor, rounded to even; returns their sum.

    Two roundings on every CPU: with a fused multiply-add some codes would differ.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        scaled = builder.fmul(_load(builder, args[1], _vector(_F32, WIDE)), _splat(builder, args[2], WIDE))
        bits = builder.bitcast(builder.fadd(scaled, _all(_F32, _ROUND, WIDE)), _vector(_I32, WIDE))
        rounded = builder.sub(bits, _all(_I32, _ROUND_BITS, WIDE))
        stored = builder.trunc(rounded, _vector(_I8, WIDE))
        builder.store(stored, builder.inttoptr(args[0], stored.type.as_pointer()), align=1)
        return _call(builder, f"llvm.vector.reduce.add.v{WIDE}i32", _I32, rounded)

    return types.int32(types.int64, types.int64, types.float32), codegen


def _dot4_generic(builder: Any, total: Any, weights: Any, x: Any) -> Any:
    """By products of int16, of even bytes and of odd ones: LLVM knows instructions for two and their sum."""
    pairs = builder.bitcast(weights, _vector(_I16, 2 * LANES))
    even, odd = (
        builder.and_(pairs, _all(_I16, 0xFF, 2 * LANES)),
        builder.lshr(pairs, _all(_I16, 8, 2 * LANES)),
    )
    values = builder.sext(builder.bitcast(x, _vector(_I8, 4)), _vector(_I32, 4))
    for first, codes in enumerate((even, odd)):
        value = _pick(builder, values, [first, first + 2] * LANES)
        products = builder.mul(builder.sext(codes, value.type), value, flags=("nsw",))
        sums = (_pick(builder, products, range(k, 2 * LANES, 2)) for k in (0, 1))
        total = builder.add(total, builder.add(*sums))
    return total


def _dot4_vnni(bits: int) -> Any:
    """By vpdpbusd, in registers of so many bits."""

    def emit(builder: Any, total: Any, weights: Any, x: Any) -> Any:
        lanes = bits // 32
        values = builder.bitcast(_splat(builder, x, lanes), _vector(_I8, 4 * lanes))
        parts = []
        for k in range(0, LANES, lanes):
            sums = _pick(builder, total, range(k, k + lanes))
            codes = _pick(builder, weights, range(4 * k, 4 * (k + lanes)))
            parts.append(_call(builder, f"llvm.x86.avx512.vpdpbusd.{bits}", sums.type, sums, codes, values))
        return _pick(builder, parts[0], range(LANES), parts[-1])

    return emit


DOT4 = {"AVX-512 VNNI": _dot4_vnni(512), "AVX VNNI": _dot4_vnni(256), "generic": _dot4_generic}
"""How four products of bytes are summed, best first."""


def dot4_kinds(features: str) -> list[str]:
    """The keys of DOT4 that work on a CPU with these features, given as LLVM's `+name,-name`."""
    there = {name[1:] for name in features.split(",") if name.startswith("+")}
    wide = {"avx512vnni", "avx512bw"} <= there
    narrow = "avxvnni" in there or (wide and "avx512vl" in there)
    return [kind for kind, works in zip(DOT4, (wide, narrow, True), strict=True) if works]


_FEATURES = cpu_target.target_context.codegen().magic_tuple()[-1]  # as NUMBA_CPU_FEATURES says, where set
DOT4_KIND = dot4_kinds(_FEATURES)[0]
"""The one that kernels are compiled with here."""


def make_dot4(kind: str) -> Any:
    """`dot4` by one of DOT4."""
    emit = DOT4[kind]

    @intrinsic
    def dot4(typingctx: Any, total: Any, weights: Any, x: Any) -> Any:
        """total + in each lane its four weights (0..255, of the 64 at `weights`) times x (four int8)."""

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return emit(builder, args[0], _load(builder, args[1], _vector(_I8, 4 * LANES)), args[2])

        return I32x16(I32x16, types.int64, types.int32), codegen

    return dot4


dot4 = make_dot4(DOT4_KIND)
