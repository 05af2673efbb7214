"""Products in each precision: within the stated bound of the exact one, whatever goes in."""

import numpy as np
import pytest

from rtaudio.errors import ConfigError
from rtaudio.kernels.chain import step_arrays
from rtaudio.kernels.dense import padded
from rtaudio.nn.layers import CausalConv, Dense, Gru, Lstm, MinGru
from rtaudio.nn.product import PRECISIONS, Product, error_bound
from rtaudio.stream.offline import run_frames
from rtaudio.stream.stage import CHEAPER

INT8 = ["int8-weights", "int8"]


def normal(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape).astype(np.float32)


def multiply(weight, bias, precision, x):
    return run_frames(Product(weight, bias, (precision,)), x[None])[0]


def exact(weight, bias, x):
    return weight.astype(np.float64) @ x + bias


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 5), (64, 64), (65, 67), (200, 300)])
def test_error_stays_within_its_bound(precision, rows, columns):
    weight, bias, frames = normal(rows, columns), normal(rows), normal(20, columns)
    frames[10:] *= np.float32(10) ** np.arange(-5, 5)[:, None]
    product = Product(weight, bias, (precision,))
    for x, got in zip(frames, run_frames(product, frames), strict=True):
        rounding = 2e-6 * (np.abs(weight) @ np.abs(x) + np.abs(bias))
        off = np.abs(got[:rows] - exact(weight, bias, x))
        assert np.all(off <= error_bound(weight, x, precision) + rounding)
        assert got.size == padded(rows)
        assert not got[rows:].any()


@pytest.mark.parametrize(("precision", "share"), [("int8-weights", 0.9), ("int8", 0.5)])
def test_the_bound_is_not_idle(precision, share):
    """Where everything lies half-way between two codes the error comes near it."""
    row, ones = np.full(64, 60.5 / 127, np.float32), np.ones(64, np.float32)
    row[0] = 1
    weight, x = (row[None], ones) if precision == "int8-weights" else (ones[None], row)
    off = np.abs(multiply(weight, np.zeros(1, np.float32), precision, x)[:1] - exact(weight, 0, x))
    assert off > share * error_bound(weight, x, precision)


def test_int8_is_exact_where_nothing_is_rounded():
    """Integers up to 127 with 127 among them: the scales are 1, and sums below 2^24 exact."""
    rng = np.random.default_rng(0)
    weight, x = (rng.integers(-127, 128, size).astype(np.float32) for size in ((130, 200), (200,)))
    weight[:, 7], x[::64] = 127, -127
    got = multiply(weight, np.zeros(130, np.float32), "int8", x)
    np.testing.assert_array_equal(got[:130], exact(weight, 0, x))


def test_soft_values_beside_loud_ones_keep_their_precision():
    """The two lie in different spans: each has a scale of its own."""
    weight = np.zeros((2, 128), np.float32)
    weight[0, :64], weight[1, 64:] = 1, 1
    x = np.append(np.full(64, 1000), normal(64)).astype(np.float32)
    got = multiply(weight, np.zeros(2, np.float32), "int8", x)
    np.testing.assert_allclose(got[:2], exact(weight, 0, x), atol=64 * np.abs(x[64:]).max() / 127 / 2)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_not_hidden(precision, bad):
    x = normal(100)
    x[99] = bad
    assert not np.isfinite(multiply(normal(70, 100), normal(70), precision, x)[:70]).any()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("level", [0.0, 1e-40, 1e-35, 1e30])
def test_silence_and_extremes_stay_finite(precision, level):
    weight, bias = normal(70, 100), normal(70)
    x = np.full(100, level, np.float32)
    got = multiply(weight, bias, precision, x)[:70]
    np.testing.assert_allclose(got, exact(weight, bias, x), rtol=0.05, atol=1e-6 + 10 * level)


def layers(precisions):
    rng = np.random.default_rng(0)

    def weights(*shapes):
        return [(rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32) for shape in shapes]

    conv = weights((33, 1, 3), (33,), (33, 33), (33,))
    return {
        "dense": Dense(*weights((70, 33), (70,)), "tanh", precisions),
        "conv": CausalConv(*conv, 2, precisions),
        "lstm": Lstm(*weights((80, 33), (80, 20), (80,), (80,)), precisions),
        "mingru": MinGru(*weights((66, 33), (66,)), precisions),
        "gru": Gru(*weights((60, 33), (60, 20), (60,), (60,)), precisions),
    }


def run_cheaper(layer, frames):
    out = np.empty((len(frames), layer.out_size), np.float32)
    for x, y in zip(frames, out, strict=True):
        assert step_arrays(*layer.step_at(CHEAPER), layer.in_size, layer.out_size, x, y)
    return out


@pytest.mark.parametrize("name", layers(["float32"]))
@pytest.mark.parametrize("precision", INT8)
def test_the_cheaper_step_goes_on_from_the_same_state(name, precision):
    x = normal(30, 33)
    both, cheap = layers(["float32", precision])[name], layers([precision])[name]
    np.testing.assert_array_equal(run_cheaper(both, x), run_frames(cheap, x))
    for layer in (both, cheap):
        layer.reset()
    full = run_frames(layers(["float32"])[name], x)
    # Full, cheaper, full again: at each change from the very state the other left.
    changing = np.concatenate([run_frames(both, x[:10]), run_cheaper(both, x[10:20])])
    np.testing.assert_array_equal(changing[:10], full[:10])
    assert 0 < np.abs(changing[10:] - full[10:20]).max() < 0.05
    # and only by the rounding of the frames since
    np.testing.assert_allclose(run_frames(both, x[20:]), full[20:], atol=0.05)


def test_what_there_is_not_is_refused():
    weight, bias = normal(3, 2), normal(3)
    with pytest.raises(ConfigError, match="float16"):
        Product(weight, bias, ("float16",))
    with pytest.raises(ConfigError, match="one or two"):
        Dense(weight, bias, "relu", ())
    assert Dense(weight, bias).cheaper_entry == 0
