"""Time and sleep without the interpreter: libc by symbol name, so the code caches on disk."""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rtaudio.kernels.memory import JIT, _pointer, i64

CLOCK_MONOTONIC = 1
_clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.voidptr))
_usleep = types.ExternalFunction("usleep", types.int32(types.uint32))


@numba.njit("int64(int64)", **JIT)
def now_ns(scratch: int) -> int:
    """Monotonic time in ns. `scratch`: address of two int64 words of the calling thread's own."""
    _clock_gettime(CLOCK_MONOTONIC, _pointer(scratch))
    words = i64(scratch, 2)
    return words[0] * 1_000_000_000 + words[1]


@numba.njit("void(int64)", **JIT)
def sleep_us(us: int) -> None:
    """Give the processor away for about `us` microseconds; returns at once for 0 or less."""
    if us > 0:
        _usleep(types.uint32(us))


@numba.njit("void(int64, int64)", **JIT)
def wait_until(due: int, scratch: int) -> None:
    """Sleep until `due`, monotonic ns; rounded up to a whole µs, so that it is never early."""
    left = due - now_ns(scratch)
    while left > 0:
        sleep_us((left + 999) // 1000)
        left = due - now_ns(scratch)


FLUSH = 0x8040  # MXCSR bits 15 (flush to zero) and 6 (denormals are zero), Intel SDM vol. 1, 10.2.3
X86 = llvm.get_process_triple().startswith(("x86_64", "i686"))


def _control(builder: Any, name: str, slot: Any) -> None:
    """Call the load or store of the control register, whose operand is an untyped pointer."""
    pointer = ir.IntType(8).as_pointer()
    function = builder.module.declare_intrinsic(name, fnty=ir.FunctionType(ir.VoidType(), [pointer]))
    builder.call(function, [builder.bitcast(slot, pointer)])


@intrinsic
def flush_denormals(typingctx: Any) -> Any:
    """Make this thread treat denormal numbers as zero; returns what `restore_denormals` takes.

    A decaying filter or net state reaches denormals within seconds of silence, where each
    operation costs ~100 times more. x86 only; elsewhere this does nothing.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(32)
        if not X86:
            return ir.Constant(word, 0)
        slot = builder.alloca(word)
        _control(builder, "llvm.x86.sse.stmxcsr", slot)
        before = builder.load(slot)
        builder.store(builder.or_(before, ir.Constant(word, FLUSH)), slot)
        _control(builder, "llvm.x86.sse.ldmxcsr", slot)
        return before

    return types.int32(), codegen


@intrinsic
def restore_denormals(typingctx: Any, before: Any) -> Any:
    """Undo `flush_denormals`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if X86:
            slot = builder.alloca(ir.IntType(32))
            builder.store(args[0], slot)
            _control(builder, "llvm.x86.sse.ldmxcsr", slot)
        return context.get_dummy_value()

    return types.void(types.int32), codegen
