import re

import numba
import numpy as np
import pytest

from rtaudio.kernels.activations import (
    LINEAR,
    RELU,
    SIGMOID,
    TANH,
    activate,
    exp_f32,
    sigmoid_f32,
    tanh_f32,
)
from rtaudio.kernels.memory import FAST, JIT

X = np.concatenate([np.linspace(-100, 100, 200001), np.linspace(-1e-3, 1e-3, 2001), [-1e30, 1e30]])
X = X.astype(np.float32)


def apply(function, x):
    return np.array([function(v) for v in x])


@pytest.mark.parametrize(
    ("function", "exact"), [(tanh_f32, np.tanh), (sigmoid_f32, lambda x: 1 / (1 + np.exp(-x)))]
)
def test_bounded_functions_are_exact_to_a_millionth(function, exact):
    with np.errstate(over="ignore"):
        expected = exact(X.astype(np.float64))
    np.testing.assert_allclose(apply(function, X), expected, rtol=0, atol=3e-7)


def test_exp_is_exact_to_float32():
    x = X[np.abs(X) < 87]
    np.testing.assert_allclose(apply(exp_f32, x), np.exp(x.astype(np.float64)), rtol=2e-7)
    assert np.isfinite(apply(exp_f32, X)).all()


def test_a_gate_that_hardly_forgets_is_exact_in_what_it_forgets():
    """1 - f decides how long a cell remembers: its relative error counts, not that of f."""
    x = np.linspace(-40, -1, 4001).astype(np.float32)
    np.testing.assert_allclose(apply(sigmoid_f32, x), 1 / (1 + np.exp(-x.astype(np.float64))), rtol=3e-7)
    np.testing.assert_allclose(apply(sigmoid_f32, -x), 1 / (1 + np.exp(x.astype(np.float64))), rtol=1e-7)


@pytest.mark.parametrize(
    ("kind", "exact"),
    [
        (LINEAR, lambda x: x),
        (RELU, lambda x: np.maximum(x, 0)),
        (TANH, np.tanh),
        (SIGMOID, lambda x: (1 + np.tanh(x / 2)) / 2),
    ],
)
def test_activate_in_place(kind, exact):
    x = np.linspace(-9, 9, 67, dtype=np.float32)
    out = x.copy()
    activate(out.ctypes.data, out.ctypes.data, out.size, kind)
    np.testing.assert_allclose(out, exact(x), atol=5e-7)


def test_loops_are_vectorised():
    fresh = numba.njit("void(int64, int64, int64, int64)", **{**FAST, "cache": False})(activate.py_func)
    code = next(iter(fresh.inspect_llvm().values()))
    assert re.search(r"fdiv fast <\d+ x float>", code)


def test_exactness_does_not_depend_on_who_calls_first():
    exact = numba.njit(**{**JIT, "cache": False})(exp_f32.py_func)
    first = numba.njit("float32(float32)", fastmath=True)(lambda x: exact(x))
    assert first(-40.0) == pytest.approx(np.exp(-40.0), rel=2e-7)
    assert "fadd fast" not in next(iter(exact.inspect_llvm().values()))
