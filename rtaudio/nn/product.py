"""The matrix-vector products of layers, in three precisions: the one place where that is chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import ConfigError
from rtaudio.kernels import quantised
from rtaudio.kernels.batch import int8_batch_step, matvec_batch_step
from rtaudio.kernels.dense import matvec_step, pack_bias, pack_weight, padded
from rtaudio.kernels.quantised import MOST, SPAN, pack_codes, pack_codes_by_four, quantise_rows
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import FULL, NativeStage, Spec

Floats = NDArray[np.float32]


FLOAT32 = ("float32",)


class Product(NativeStage):
    """weight @ x + bias, weight `(rows, columns)`: `(columns,)` in, `(padded(rows),)` out, zeros at its end.

    `precisions` are one or two of PRECISIONS, the second for the cheaper step. Weights are float32 in
    any case, and rounded here:

    - float32: the product to a relative 1e-6 or so.
    - int8-weights: weights as integers of ±127, a scale a row.
    - int8: those, and the values of x as integers of ±127, a scale for every 64 of them, each frame.

    `error_bound` says by how much the last two may be off.
    """

    def __init__(self, weight: Floats, bias: Floats, precisions: Sequence[str] = FLOAT32) -> None:
        if not 1 <= len(precisions) <= 2 or not PRECISIONS.keys() >= {*precisions}:
            raise ConfigError(f"precisions={precisions} must be one or two of: {', '.join(PRECISIONS)}")
        rows, columns = weight.shape
        entry, arena = PRECISIONS[precisions[0]](weight, bias)
        super().__init__(entry, arena, Spec((columns,)), Spec((padded(rows),)))
        self.batch_entry = BATCH_ENTRIES.get(precisions[0], 0)
        self.children = tuple(Product(weight, bias, (cheaper,)) for cheaper in precisions[1:])
        if self.children:
            self.cheaper_entry = self.children[0].entry

    @property
    def parts(self) -> tuple[NativeStage, ...]:
        return ()

    def step_at(self, rung: str) -> tuple[int, int]:
        if rung != FULL and self.children:
            return self.children[0].step_at(FULL)
        return super().step_at(rung)


def _float32(weight: Floats, bias: Floats) -> tuple[int, Arena]:
    constants = {"weight": pack_weight(weight), "bias": pack_bias(bias)}
    return matvec_step.address, Arena(weight.shape, constants=constants)


def _int8_weights(weight: Floats, bias: Floats) -> tuple[int, Arena]:
    codes, scales = quantise_rows(weight)
    constants = {"codes": pack_codes(codes), "scales": pack_bias(scales), "bias": pack_bias(bias)}
    return quantised.int8_weights_step.address, Arena(weight.shape, constants=constants)


def _int8(weight: Floats, bias: Floats) -> tuple[int, Arena]:
    codes, scales = quantise_rows(weight)
    spans = -(-weight.shape[1] // SPAN)
    arena = Arena(
        weight.shape,
        constants={"codes": pack_codes_by_four(codes), "scales": pack_bias(scales), "bias": pack_bias(bias)},
        state={
            "values": np.zeros(spans * SPAN, np.float32),
            "value_codes": np.zeros(spans * SPAN, np.int8),
            "spans": np.zeros((spans, 2), np.float32),
        },
    )
    return quantised.int8_step.address, arena


PRECISIONS: dict[str, Callable[[Floats, Floats], tuple[int, Arena]]] = {
    "float32": _float32,
    "int8-weights": _int8_weights,
    "int8": _int8,
}


BATCH_ENTRIES = {"float32": matvec_batch_step.address, "int8": int8_batch_step.address}
"""Steps for many streams at once, of the precisions that have one."""


def error_bound(weight: Floats, x: Floats, precision: str) -> NDArray[np.float64]:
    """Largest error `(rows,)` of a `Product` with these weights for `x`, but for float32 rounding.

    A weight is off by half of its row's scale at most and a value by half of its span's, and what is
    off in a product is the sum of |weight| off(x) + off(weight) (|x| + off(x)).
    """
    off_weight = np.abs(weight).max(1, keepdims=True) / MOST / 2
    spans = np.pad(np.abs(x), (0, -x.size % SPAN)).reshape(-1, SPAN).max(1)
    off_x = np.repeat(spans / MOST / 2, SPAN)[: x.size] * (precision == "int8")
    off: NDArray[np.float64] = np.abs(weight) @ off_x + (off_weight * (np.abs(x) + off_x)).sum(1)
    return off if precision != "float32" else 0 * off
