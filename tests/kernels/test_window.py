import numpy as np
import pytest
from scipy.signal import get_window

from rtaudio.kernels.window import NAMES, dual_window, make_window, overlap_weight


@pytest.mark.parametrize(
    ("name", "scipys"),
    [("hann", "hann"), ("hamming", "hamming"), ("blackman", "blackman"), ("rect", "boxcar")],
)
def test_windows_are_scipys_periodic_ones(name, scipys):
    np.testing.assert_allclose(make_window(name, 480), get_window(scipys, 480), atol=1e-15)


@pytest.mark.parametrize("name", ["sqrt_hann", "sine", "vorbis"])
def test_power_complementary_at_half_overlap(name):
    window = make_window(name, 960)
    np.testing.assert_allclose(overlap_weight(window, window, 480), 1, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hop_length", [1, 7, 80, 100, 160])
def test_dual_windows_add_up_to_one(name, hop_length):
    window = make_window(name, 320)
    dual = dual_window(window, window, hop_length)
    np.testing.assert_allclose(overlap_weight(window, dual, hop_length), 1, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "hop_length"), [("hann", 320), ("sqrt_hann", 320), ("rect", 321), ("rect", 0), ("blackman", 300)]
)
def test_hops_that_cannot_be_inverted_are_named(name, hop_length):
    window = make_window(name, 320)
    with pytest.raises(ValueError, match=f"hop_length={hop_length} "):
        dual_window(window, window, hop_length)


def test_unknown_window_is_named():
    with pytest.raises(ValueError, match=r"kaiser.*sqrt_hann"):
        make_window("kaiser", 64)
