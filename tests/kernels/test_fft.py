import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.kernels.fft import fft_plan, fft_work, irfft_add, rfft

SIZES = (32, 48, 64, 90, 120, 150, 160, 240, 320, 400, 480, 512, 750, 960, 1024, 1440, 2048)
BOUND = 5e-7  # largest error over the largest true value; float32 resolves 6e-8


def forward(x, window):
    spectrum = np.full((x.size // 2 + 1, 2), np.nan, np.float32)
    plan, work = fft_plan(x.size), fft_work(x.size)
    rfft(*(a.ctypes.data for a in (plan, work, x, window, spectrum)))
    return spectrum


def inverse(spectrum, window):
    out = np.zeros(window.size, np.float32)
    plan, work = fft_plan(window.size), fft_work(window.size)
    irfft_add(*(a.ctypes.data for a in (plan, work, spectrum, window, out)))
    return out


def worst(got, true):
    return np.max(np.abs(got - true)) / np.max(np.abs(true))


def oracle(x):
    """The definition, in float64."""
    n = np.arange(x.size)
    return np.exp(-2j * np.pi * (np.outer(n[: x.size // 2 + 1], n) % x.size) / x.size) @ x.astype(np.float64)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SIZES), st.integers(0, 2**32 - 1))
def test_forward_is_the_definition(n_fft, seed):
    rng = np.random.default_rng(seed)
    x, window = rng.standard_normal((2, n_fft)).astype(np.float32)
    got = forward(x, window)
    true = oracle(x.astype(np.float64) * window)
    assert worst(got[:, 0] + 1j * got[:, 1], true) <= BOUND
    assert got[0, 1] == got[-1, 1] == 0


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SIZES), st.integers(0, 2**32 - 1))
def test_inverse_is_numpys_in_float64(n_fft, seed):
    rng = np.random.default_rng(seed)
    spectrum = rng.standard_normal((n_fft // 2 + 1, 2)).astype(np.float32)
    window = rng.uniform(0.5, 1.0, n_fft).astype(np.float32)
    true = np.fft.irfft(spectrum.astype(np.float64) @ [1, 1j]) * n_fft * window
    assert worst(inverse(spectrum, window), true) <= BOUND


@pytest.mark.parametrize("n_fft", SIZES)
def test_each_bin_alone(n_fft):
    """A pure tone lands in its bin and nowhere else: no two outputs are exchanged."""
    for k in {0, 1, n_fft // 4, n_fft // 2 - 1, n_fft // 2}:
        x = np.cos(2 * np.pi * k * np.arange(n_fft) / n_fft).astype(np.float32)
        got = forward(x, np.ones(n_fft, np.float32))
        expected = np.zeros_like(got)
        expected[k, 0] = n_fft if k in (0, n_fft // 2) else n_fft / 2
        np.testing.assert_allclose(got, expected, atol=1e-6 * n_fft)


def test_inverse_adds():
    spectrum = np.zeros((161, 2), np.float32)
    plan, work, window = fft_plan(320), fft_work(320), np.ones(320, np.float32)
    out = np.arange(320, dtype=np.float32)
    irfft_add(*(a.ctypes.data for a in (plan, work, spectrum, window, out)))
    np.testing.assert_array_equal(out, np.arange(320))


@pytest.mark.parametrize("n_fft", [0, 16, 30, 33, 481, 14 * 32, -64])
def test_sizes_that_have_no_plan_are_named(n_fft):
    with pytest.raises(ValueError, match=f"n_fft={n_fft} "):
        fft_plan(n_fft)
