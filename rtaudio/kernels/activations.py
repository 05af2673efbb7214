"""Exponential functions for networks: float32, no table, no branch, so loops over them vectorise.

libm's `tanhf` and `expf` are calls that keep a loop scalar. These are polynomials and quotients
of polynomials which LLVM inlines and runs 16 lanes at a time. Errors below are the largest over
every range tested (tests/kernels/test_activations.py).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from rtaudio.kernels.memory import FAST, JIT, f32

LINEAR, RELU, TANH, SIGMOID = range(4)
"""Activations by the number `activate` knows them by."""


@intrinsic
def _from_bits(typingctx: Any, bits: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


_F = np.float32  # a bare literal is a float64 to Numba, and would widen every sum to double
_ONE, _HALF = _F(1), _F(0.5)

# tanh(x) = x P(x²) / Q(x²): Eigen's generic_fast_tanh_float (Eigen/src/Core/MathFunctionsImpl.h).
# Beyond the clamp float32 tanh is ±1.
_TANH_CLAMP = _F(7.90531110763549805)
_P1, _P3, _P5 = _F(4.89352455891786e-03), _F(6.37261928875436e-04), _F(1.48572235717979e-05)
_P7, _P9, _P11 = _F(5.12229709037114e-08), _F(-8.60467152213735e-11), _F(2.00018790482477e-13)
_P13 = _F(-2.76076847742355e-16)
_Q0, _Q2 = _F(4.89352518554385e-03), _F(2.26843463243900e-03)
_Q4, _Q6 = _F(1.18534705686654e-04), _F(1.19825839466702e-06)


@numba.njit(**FAST)
def tanh_f32(x: Any) -> Any:
    """Hyperbolic tangent; error at most 3e-7."""
    x = max(min(x, _TANH_CLAMP), -_TANH_CLAMP)
    s = x * x
    p = _P1 + s * (_P3 + s * (_P5 + s * (_P7 + s * (_P9 + s * (_P11 + s * _P13)))))
    return x * p / (_Q0 + s * (_Q2 + s * (_Q4 + s * _Q6)))


# exp(x) = 2^n exp(r), |r| <= ln(2) / 2: Cephes expf (Moshier), with ln(2) in two parts so that
# n ln(2) is subtracted without rounding. The clamp keeps 2^n a normal number.
_EXP_LOW, _EXP_HIGH = _F(-87.3), _F(88.3)
_LOG2E, _LN2_HIGH, _LN2_LOW = _F(1.44269504088896341), _F(0.693359375), _F(-2.12194440e-4)
_E0, _E1, _E2 = _F(1.9875691500e-4), _F(1.3981999507e-3), _F(8.3334519073e-3)
_E3, _E4, _E5 = _F(4.1665795894e-2), _F(1.6666665459e-1), _F(5.0000001201e-1)


@numba.njit(**JIT)
def exp_f32(x: Any) -> Any:
    """e to the x, for x of -87.3 to 88.3 (clamped outside); relative error at most 2e-7."""
    x = max(min(x, _EXP_HIGH), _EXP_LOW)
    n = np.floor(x * _LOG2E + _HALF)
    r = x - n * _LN2_HIGH - n * _LN2_LOW
    p = _E5 + r * (_E4 + r * (_E3 + r * (_E2 + r * (_E1 + r * _E0))))
    scale = _from_bits(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))
    return (_ONE + r + r * r * p) * scale


@numba.njit(**JIT)
def sigmoid_f32(x: Any) -> Any:
    """Logistic function 1 / (1 + exp(-x)); error at most 2e-7 of the value, and 6e-8 near 1.

    By exp and not by tanh, whose error is as large near 0 and near 1 as in the middle: a forget
    gate of 1 - 1e-5 remembers a minute, and an error of 2e-7 in it changes the cell by 2 %.
    """
    return _ONE / (_ONE + exp_f32(-x))


@numba.njit(**FAST)
def activate(x: int, out: int, size: int, kind: int) -> None:
    """out = activation(x), `size` float32 each; `x` and `out` may be the same address."""
    source, target = f32(x, size), f32(out, size)
    if kind == RELU:
        for i in range(size):
            target[i] = max(source[i], _F(0))
    elif kind == TANH:
        for i in range(size):
            target[i] = tanh_f32(source[i])
    elif kind == SIGMOID:
        for i in range(size):
            target[i] = sigmoid_f32(source[i])
    else:
        for i in range(size):
            target[i] = source[i]
