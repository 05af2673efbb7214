"""Sums of products of bytes: exact by every way, and matrices of them against plain numpy."""

import numba
import numpy as np
import pytest
from numba.core.registry import cpu_target

from rtaudio.kernels.memory import JIT, f32
from rtaudio.kernels.quantised import (
    GROUP,
    MOST,
    int8_step,
    pack_codes,
    pack_codes_by_four,
    quantise_rows,
)
from rtaudio.kernels.simd import store
from rtaudio.kernels.simd_int8 import (
    _FEATURES,
    DOT4_KIND,
    dot4_kinds,
    load_codes16,
    load_i32,
    make_dot4,
    peak64,
    splat_i32,
    store_codes64,
    to_f32,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("kind", dot4_kinds(_FEATURES))
@pytest.mark.parametrize("extreme", [None, (255, -128), (255, 127), (0, -128)])
def test_dot4_is_exact(kind, extreme):
    dot4 = make_dot4(kind)

    @numba.njit("void(int64, int64, int64, int64)", **{**JIT, "cache": False})
    def total(weights, x, out, n):
        sums = splat_i32(np.int32(-7))
        for k in range(n):
            sums = dot4(sums, weights + 64 * k, load_i32(x + 4 * k))
        store(out, to_f32(sums))

    weights = RNG.integers(0, 256, (60, 16, 4)).astype(np.uint8)
    x = RNG.integers(-128, 128, (60, 4)).astype(np.int8)
    if extreme:
        weights[:], x[:] = extreme
    out = np.zeros(16, np.float32)  # holds integers below 2^24 exactly
    total(weights.ctypes.data, x.ctypes.data, out.ctypes.data, len(x))
    expected = np.einsum("kri,ki->r", weights.astype(np.int64), x.astype(np.int64)) - 7
    np.testing.assert_array_equal(out, expected)


def test_the_way_follows_from_the_features():
    assert dot4_kinds("+avx512bw,+avx512vl,+avx512vnni,-avxvnni") == ["AVX-512 VNNI", "AVX VNNI", "generic"]
    assert dot4_kinds("+avx2,+avxvnni,-avx512vnni") == ["AVX VNNI", "generic"]
    assert dot4_kinds("+avx2,-avxvnni,+avx512vnni") == ["generic"]
    assert dot4_kinds("") == ["generic"]
    assert dot4_kinds(_FEATURES)[0] == DOT4_KIND


def test_a_cpu_is_not_handed_anothers_code():
    key = int8_step._cache._index_key(int8_step._sig, cpu_target.target_context.codegen())
    assert _FEATURES in key[1]


def test_the_fastest_way_is_one_instruction_where_there_is_one():
    assembly = numba.cfunc("void(int64, int64, int64)", error_model="numpy")(
        int8_step.__wrapped__
    )._library.get_asm_str()
    assert ("vpdpbusd" in assembly) == (DOT4_KIND != "generic")
    if DOT4_KIND == "AVX-512 VNNI":
        assert any("vpdpbusd" in line and "zmm" in line for line in assembly.splitlines())


@numba.njit("void(int64, int64, int64, float32)", **JIT)
def _round_64(values, codes, out, factor):
    told = f32(out, 2)
    told[0] = peak64(values)
    told[1] = store_codes64(codes, values, factor)


@numba.njit("void(int64, int64)", **JIT)
def _widen(codes, out):
    store(out, load_codes16(codes))


def rounded(values, factor):
    codes, out = np.zeros(65, np.int8), np.zeros(2, np.float32)
    _round_64(values.ctypes.data, codes.ctypes.data, out.ctypes.data, np.float32(factor))
    assert codes[64] == 0  # nothing is written beyond
    return out[0], out[1], codes[:64]


def test_peak_rounding_and_sum():
    values = np.append(RNG.uniform(-1, 1, 60), [0.5, -1.5, 2.5, -9.0]).astype(np.float32)
    peak, total, codes = rounded(values, 10)
    assert peak == 9
    np.testing.assert_array_equal(codes, np.rint(values * np.float32(10)))  # halves to even
    assert total == codes.sum(dtype=np.int64)
    wide = np.zeros(16, np.float32)
    _widen(codes[48:].ctypes.data, wide.ctypes.data)
    np.testing.assert_array_equal(wide, codes[48:])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_peak_keeps_what_is_no_number(bad):
    values = RNG.uniform(-1, 1, 64).astype(np.float32)
    values[13] = bad
    peak = rounded(values, 1)[0]
    assert np.isnan(peak) if np.isnan(bad) else peak == np.inf


def test_rows_are_rounded_to_within_half_a_scale():
    weight = RNG.standard_normal((20, 30)).astype(np.float32)
    weight[3] = 0
    codes, scales = quantise_rows(weight)
    assert codes.min() >= -MOST
    assert np.all(np.abs(codes).max(1)[[0, 1, 2]] == MOST)
    assert not codes[3].any()
    off = np.abs(codes * scales[:, None] - weight)
    assert np.all(off <= scales[:, None] / 2 * (1 + 1e-5))


def test_packing_keeps_every_code_and_adds_zeros():
    codes = RNG.integers(-MOST, MOST + 1, (70, 10)).astype(np.int8)
    packed = pack_codes(codes)
    assert packed.shape == (2, 10, 64)
    np.testing.assert_array_equal(packed[1, :, 5], codes[69])
    assert not packed[1, :, 6:].any()
    by_four = pack_codes_by_four(codes).astype(int) - 128
    assert by_four.shape == (2, 3, 64, GROUP)
    np.testing.assert_array_equal(by_four[1, :, 5].ravel(), [*codes[69], 0, 0])
    assert not by_four[1, :, 6:].any()
