"""What the compiler made of the audio thread's code: nothing there may wait, count or ask."""

import re

import numba
import pytest

from rtaudio.kernels import callback, dense, engine_loop, ring, spot
from rtaudio.kernels.memory import JIT, STEP

CALLBACKS = ["duplex_callback", "capture_callback", "playback_callback"]
ALLOWED_CALLS = {"clock_gettime", "memcpy", "memset", "memmove"}


def compiled_afresh(cfunc):
    """The same callback compiled now: code that comes from the cache can't be inspected."""
    return numba.cfunc(callback.PORTAUDIO, error_model="numpy")(cfunc.__wrapped__)


def llvm_of(function):
    """Optimised IR of a jitted function, compiled now."""
    fresh = numba.njit(function.signatures[0], **{**JIT, "cache": False})(function.py_func)
    (llvm,) = fresh.inspect_llvm().values()
    return llvm[llvm.index("define ") :]


def functions(cfunc):
    """Body of each function in the callback's assembly, by name."""
    text = cfunc._library.get_asm_str()
    starts = [(m.start(), m[1]) for m in re.finditer(r"^(?!\.L)([\w.$]+):", text, re.M)]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return {name: text[start:end] for (start, name), end in zip(starts, ends, strict=True)}


def reached(cfunc):
    """Assembly of all that runs for a block: the callback and what it calls in its own module.

    Numba's wrapper around a cfunc holds a path that reports an exception; a nopython function
    with error_model="numpy" that raises nothing returns 0 and never takes it. So the walk begins
    at the function inside the wrapper.
    """
    bodies = functions(cfunc)
    pending = [name for name in bodies if name.startswith("_ZN") and cfunc.__name__ in name]
    seen = {}
    while pending:
        name = pending.pop()
        if name in seen or name not in bodies:
            continue
        seen[name] = bodies[name]
        pending += called(bodies[name])
    return seen


def called(body):
    """Names of functions that a body calls or takes the address of to call."""
    names = re.findall(r"(?:call[q]?|movabsq)\s+\$?\"?([A-Za-z_][\w.$]*)", body)
    return {name for name in names if not name.startswith(".L")}


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_locks_nothing_and_calls_only_the_clock(name):
    bodies = reached(compiled_afresh(getattr(callback, name)))
    assert bodies, "the callback was not found in its own assembly"
    text = "\n".join(bodies.values())
    assert not re.search(r"^\s+lock\b", text, re.M)
    assert not re.search(r"^\s+(syscall|sysenter|int\s)", text, re.M)
    outside = {c for body in bodies.values() for c in called(body)} - set(bodies)
    assert outside <= ALLOWED_CALLS, outside
    assert "clock_gettime" in outside


def test_spotting_locks_nothing_and_calls_nothing_outside():
    """Its events leave by the ring's plain loads and stores."""
    fresh = numba.cfunc(STEP, error_model="numpy")(spot.spot_step.__wrapped__)
    bodies = reached(fresh)
    assert bodies, "the step was not found in its own assembly"
    assert not re.search(r"^\s+lock\b", "\n".join(bodies.values()), re.M)
    outside = {c for body in bodies.values() for c in called(body)} - set(bodies)
    assert outside <= {"memcpy", "memset", "memmove"}, outside


def test_a_matrix_product_is_one_piece():
    """A call within it passes sums through memory."""
    (body,) = reached(numba.cfunc(STEP, error_model="numpy")(dense.matvec_step.__wrapped__)).values()
    assert not called(body)


def test_the_reader_of_assembly_sees_locks_and_calls():
    body = "f:\n\tmovabsq\t$NRT_Allocate, %rax\n\tcallq\t*%rax\n\tlock\t\tincq\t(%rdi)\n"
    assert called(body) == {"NRT_Allocate"}
    assert re.search(r"^\s+lock\b", body, re.M)


@pytest.mark.parametrize(
    ("function", "loads", "stores"),
    [(ring.ring_push, 1, 1), (ring.ring_pull, 1, 1), (ring.ring_skip, 1, 1), (ring.ring_fill, 2, 0)],
)
def test_ring_cursors_are_loaded_with_acquire_and_stored_with_release(function, loads, stores):
    main = llvm_of(function)
    assert len(re.findall(r"load atomic i64, .* acquire, align 8", main)) >= loads
    assert len(re.findall(r"store atomic i64 .* release, align 8", main)) >= stores
    assert "seq_cst" not in main
    assert "monotonic" not in main


def test_the_engine_asks_for_its_stop_with_acquire():
    assert re.search(r"load atomic i64, .* acquire", llvm_of(engine_loop.engine_run))
