"""Addresses: how compiled code on the audio path shares memory without sharing Python objects.

An array passed between jitted functions carries a reference count, and counting is a
lock-prefixed instruction (89 ns against 22-24 ns for a ring push and pull of 480 floats). An
address is an integer. The functions here turn one back into a view, read and write the words
two threads share, and call compiled code by address.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

JIT = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": False}
"""Options of every function on the audio path: no GIL, no exception, cached on disk.

fastmath is named although it is off: a function without a signature, first compiled for a caller
that has it, would otherwise inherit it, and keep it in the cache for every other caller."""

INLINE: dict[str, Any] = {**JIT, "forceinline": True}
"""`JIT` for what is short beside the call of it, or passes many vectors, which a call puts on the stack."""

FAST = {**JIT, "fastmath": True}
"""`JIT` for inner loops of networks, where summation order may change to use wide vectors.
Not for code that must tell NaN from numbers: fastmath assumes there are none."""


@intrinsic
def _pointer(typingctx: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


@numba.njit(**JIT)
def f32(address: int, size: int) -> np.ndarray:
    """View `size` float32 at `address`."""
    return numba.carray(_pointer(address), size, np.float32)


@numba.njit(**JIT)
def f64(address: int, size: int) -> np.ndarray:
    """View `size` float64 at `address`."""
    return numba.carray(_pointer(address), size, np.float64)


@numba.njit(**JIT)
def i64(address: int, size: int) -> np.ndarray:
    """View `size` int64 at `address`."""
    return numba.carray(_pointer(address), size, np.int64)


@numba.njit(**JIT)
def i8(address: int, size: int) -> np.ndarray:
    """View `size` int8 at `address`."""
    return numba.carray(_pointer(address), size, np.int8)


def _word(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, ir.IntType(64).as_pointer())


@intrinsic
def load_acquire(typingctx: Any, address: Any) -> Any:
    """Read the int64 at `address`; what its writer wrote before `store_release` is visible."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_word(builder, args[0]), "acquire", 8, typ=ir.IntType(64))

    return types.int64(types.int64), codegen


@intrinsic
def store_release(typingctx: Any, address: Any, value: Any) -> Any:
    """Write int64 `value` to `address`; everything written before it is visible to its reader."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _word(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def exchange_acquire(typingctx: Any, address: Any, value: Any) -> Any:
    """Write int64 `value` to `address` and return what was there; sees what its writer wrote before."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("xchg", _word(builder, args[0]), args[1], "acquire")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def copy_bytes(typingctx: Any, target: Any, source: Any, size: Any) -> Any:
    """Copy `size` bytes between addresses that do not overlap (LLVM's memcpy)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, word = ir.IntType(8).as_pointer(), ir.IntType(64)
        memcpy = builder.module.declare_intrinsic("llvm.memcpy", [pointer, pointer, word])
        target, source, size = args
        places = [builder.inttoptr(place, pointer) for place in (target, source)]
        builder.call(memcpy, [*places, size, ir.Constant(ir.IntType(1), 0)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def call_step(typingctx: Any, entry: Any, state: Any, x: Any, out: Any) -> Any:
    """Call the compiled `step(state, x, out)` at address `entry`; all arguments are addresses."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        step = ir.FunctionType(ir.VoidType(), [word, word, word])
        builder.call(builder.inttoptr(args[0], step.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), codegen


STEP = types.void(types.int64, types.int64, types.int64)
"""Signature of a native stage's entry point: `step(state, x, out)`, three addresses."""
