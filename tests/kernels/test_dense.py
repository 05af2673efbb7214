import platform
import re

import numba
import numpy as np
import pytest

from rtaudio.kernels.dense import HALF, TILE, matvec, pack_bias, pack_weight, padded
from rtaudio.kernels.memory import JIT
from rtaudio.kernels.simd import load_once, splat4, splat16
from rtaudio.kernels.sums import add_four_columns, store_sums


@pytest.mark.parametrize(
    ("rows", "columns"), [(1, 1), (3, 5), (64, 64), (65, 17), (97, 33), (128, 40), (200, 300), (225, 8)]
)
def test_matvec_is_the_product(rows, columns):
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((rows, columns)).astype(np.float32)
    bias, x = rng.standard_normal(rows).astype(np.float32), rng.standard_normal(columns).astype(np.float32)
    packed, start, out = pack_weight(weight), pack_bias(bias), np.full(padded(rows) + 1, 7, np.float32)
    matvec(packed.ctypes.data, start.ctypes.data, x.ctypes.data, out.ctypes.data, rows, columns)
    np.testing.assert_allclose(out[:rows], weight.astype(np.float64) @ x + bias, atol=1e-4)
    assert not out[rows:-1].any()
    assert out[-1] == 7  # nothing is written beyond the padding


def test_room_is_whole_tiles_and_weights_half_ones():
    assert [padded(n) for n in (1, TILE, TILE + 1)] == [TILE, TILE, 2 * TILE]
    sizes = [pack_weight(np.ones((rows, 3), np.float32)).size // 3 for rows in (1, HALF + 1, TILE + 1)]
    assert sizes == [HALF, TILE, TILE + HALF]


def test_values_of_four_columns_are_loaded_at_once():
    @numba.njit("void(int64, int64, int64)", **{**JIT, "cache": False})
    def four_columns(weight, x, out):
        zero, values = splat16(np.float32(0)), load_once(x, splat4(np.float32(0)))
        store_sums(add_four_columns((zero, zero), weight, 0, 0, values), out)

    weight = np.random.default_rng(0).standard_normal((4, HALF)).astype(np.float32)
    x, out = np.array([1, -2, 3, 0.5], np.float32), np.zeros(HALF, np.float32)
    four_columns(weight.ctypes.data, x.ctypes.data, out.ctypes.data)
    np.testing.assert_allclose(out, x @ weight, atol=1e-6)
    if platform.machine() == "x86_64":
        (assembly,) = four_columns.inspect_asm().values()
        assert not re.search(r"vbroadcastss\s+-?\d*\(", assembly)


def test_a_tile_is_wide_and_fused():
    fresh = numba.njit("void(int64, int64, int64, int64, int64, int64)", **{**JIT, "cache": False})(
        matvec.py_func
    )
    assembly = next(iter(fresh.inspect_asm().values()))
    assert "fmadd" in assembly or "fmla" in assembly
    if platform.machine() == "x86_64":
        assert "ymm" in assembly or "zmm" in assembly
