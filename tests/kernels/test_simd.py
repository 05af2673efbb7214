"""Each vector operation against the same thing in numpy."""

import numba
import numpy as np
import pytest

from rtaudio.kernels import simd
from rtaudio.kernels.memory import JIT
from rtaudio.kernels.simd import (
    load,
    load_once,
    relu,
    reverse8,
    splat4,
    splat8,
    store,
    store_quads,
    sum8,
    unzip8,
    zip8,
)

A, B, C, D = np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)


def through(function, *arrays, size):
    out = np.zeros(size + 1, np.float32)
    function(*(a.ctypes.data for a in arrays), out.ctypes.data)
    assert out[size] == 0  # nothing written beyond
    return out[:size]


@numba.njit("void(int64, int64, int64)", **JIT)
def arithmetic8(a, b, out):
    x, y = load(a, splat8(np.float32(0))), load(b, splat8(np.float32(0)))
    store(out, (x + y) * (x - np.float32(2)) - np.float32(0.5) * y)


@numba.njit("void(int64, int64, int64)", **JIT)
def arithmetic4(a, b, out):
    x, y = load(a, splat4(np.float32(0))), load(b, splat4(np.float32(0)))
    store(out, (x + y) * (x - np.float32(2)) - np.float32(0.5) * y)


@numba.njit("void(int64, int64, int64)", **JIT)
def arithmetic1(a, b, out):
    x, y = load(a, np.float32(0)), load(b, np.float32(0))
    store(out, (x + y) * (x - np.float32(2)) - np.float32(0.5) * y)


@numba.njit("void(int64, int64, int64)", **JIT)
def zipped(a, b, out):
    like = splat8(np.float32(0))
    low, high = zip8(load(a, like), load(b, like))
    store(out, low)
    store(out + 32, high)


@numba.njit("void(int64, int64, int64)", **JIT)
def unzipped(a, b, out):
    like = splat8(np.float32(0))
    even, odd = unzip8(load(a, like), load(b, like))
    store(out, even)
    store(out + 32, odd)


@numba.njit("void(int64, int64)", **JIT)
def reversed_and_summed(a, out):
    x = load(a, splat8(np.float32(0)))
    store(out, reverse8(x))
    store(out + 32, sum8(x))


@numba.njit("void(int64, int64, int64, int64, int64)", **JIT)
def quads(a, b, c, d, out):
    like = splat8(np.float32(0))
    store_quads(out, load(a, like), load(b, like), load(c, like), load(d, like))


@numba.njit("void(int64, int64)", **JIT)
def relu_of_each(a, out):
    store(out, relu(load(a, splat8(np.float32(0)))))
    store(out + 32, relu(load(a, np.float32(0))))


@numba.njit("void(int64, int64)", **JIT)
def loaded_once(a, out):
    store(out, load_once(a, splat4(np.float32(0))))


@pytest.mark.parametrize(("function", "lanes"), [(arithmetic8, 8), (arithmetic4, 4), (arithmetic1, 1)])
def test_arithmetic(function, lanes):
    expected = (A + B) * (A - 2) - B / 2
    np.testing.assert_allclose(through(function, A, B, size=lanes), expected[:lanes], atol=1e-6)


def test_shuffles():
    np.testing.assert_array_equal(through(zipped, A, B, size=16), np.stack([A, B], 1).ravel())
    both = np.concatenate([A, B])
    np.testing.assert_array_equal(through(unzipped, A, B, size=16), np.concatenate([both[::2], both[1::2]]))
    np.testing.assert_array_equal(through(quads, A, B, C, D, size=32), np.stack([A, B, C, D], 1).ravel())


def test_reverse_and_sum():
    out = through(reversed_and_summed, A, size=9)
    np.testing.assert_array_equal(out[:8], A[::-1])
    halves = A[:4] + A[4:]
    assert out[8] == (halves[0] + halves[2]) + (halves[1] + halves[3])


def test_vectors_of_different_widths_do_not_mix():
    with pytest.raises(numba.core.errors.TypingError):
        numba.njit("void()")(lambda: simd.splat4(np.float32(1)) + simd.splat8(np.float32(1)))


def test_relu_keeps_what_is_no_number():
    values = np.array([np.nan, -1, 0, 2, -np.inf, np.inf, -3, 4], np.float32)
    expected = np.array([np.nan, 0, 0, 2, 0, np.inf, 0, 4, np.nan], np.float32)
    np.testing.assert_array_equal(through(relu_of_each, values, size=9), expected)


def test_a_vector_loaded_once_is_the_vector():
    np.testing.assert_array_equal(through(loaded_once, A, size=4), A[:4])
