"""Layers against plain numpy and against torch, frame by frame."""

import numpy as np
import pytest

from rtaudio.errors import ConfigError
from rtaudio.nn.layers import ACTIVATIONS, Beside, CausalConv, Dense, Gru, Lstm, MinGru
from rtaudio.stream.offline import run_frames

FRAMES = 50


def normal(*shape, scale=1.0, seed=0):
    return (np.random.default_rng(seed + sum(shape)).standard_normal(shape) * scale).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def recurrent_weights(gates, inputs, hidden):
    sizes = [(gates * hidden, inputs), (gates * hidden, hidden), (gates * hidden,), (gates * hidden,)]
    return [normal(*size, scale=hidden**-0.5, seed=i) for i, size in enumerate(sizes)]


def conv_weights(channels, kernel_size=3):
    scale = channels**-0.5
    return (
        normal(channels, 1, kernel_size),
        normal(channels),
        normal(channels, channels, scale=scale),
        normal(channels),
    )


def numpy_lstm(x, weight_ih, weight_hh, bias_ih, bias_hh):
    hidden = weight_hh.shape[1]
    h = c = np.zeros(hidden)
    for frame in x.astype(np.float64):
        i, f, g, o = (weight_ih @ frame + weight_hh @ h + bias_ih + bias_hh).reshape(4, hidden)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        yield h


def numpy_gru(x, weight_ih, weight_hh, bias_ih, bias_hh):
    hidden = weight_hh.shape[1]
    h = np.zeros(hidden)
    for frame in x.astype(np.float64):
        xr, xz, xn = (weight_ih @ frame + bias_ih).reshape(3, hidden)
        hr, hz, hn = (weight_hh @ h + bias_hh).reshape(3, hidden)
        z = sigmoid(xz + hz)
        h = (1 - z) * np.tanh(xn + sigmoid(xr + hr) * hn) + z * h
        yield h


def numpy_mingru(x, weight, bias):
    h = 0.0
    for frame in x.astype(np.float64):
        z, n = (weight @ frame + bias).reshape(2, -1)
        h = h + sigmoid(z) * (np.tanh(n) - h)
        yield frame + h


def numpy_conv(x, taps, taps_bias, weight, bias, dilation):
    reach = (taps.shape[2] - 1) * dilation
    past = np.vstack([np.zeros((reach, x.shape[1])), x])
    for t in range(len(x)):
        filtered = taps_bias + sum(taps[:, 0, k] * past[t + k * dilation] for k in range(taps.shape[2]))
        yield x[t] + np.maximum(weight @ filtered + bias, 0)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (7, 5), (64, 256), (300, 65)])
def test_dense(inputs, outputs, activation):
    weight, bias = normal(outputs, inputs, scale=inputs**-0.5), normal(outputs)
    x = normal(FRAMES, inputs)
    exact = {"linear": lambda v: v, "relu": lambda v: np.maximum(v, 0), "tanh": np.tanh, "sigmoid": sigmoid}
    expected = exact[activation](x.astype(np.float64) @ weight.T + bias)
    np.testing.assert_allclose(run_frames(Dense(weight, bias, activation), x), expected, atol=1e-5)


@pytest.mark.parametrize(("inputs", "hidden"), [(3, 1), (16, 24), (256, 192)])
@pytest.mark.parametrize(("layer", "gates", "twin"), [(Lstm, 4, numpy_lstm), (Gru, 3, numpy_gru)])
def test_recurrent(layer, gates, twin, inputs, hidden):
    weights, x = recurrent_weights(gates, inputs, hidden), normal(FRAMES, inputs)
    expected = np.array(list(twin(x, *weights)))
    assert np.ptp(expected) > 0.5  # the layer is alive
    np.testing.assert_allclose(run_frames(layer(*weights), x), expected, atol=5e-6)


@pytest.mark.parametrize("channels", [1, 12, 256])
def test_mingru(channels):
    weights = normal(2 * channels, channels, scale=channels**-0.5), normal(2 * channels)
    x = normal(FRAMES, channels)
    expected = np.array(list(numpy_mingru(x, *weights)))
    np.testing.assert_allclose(run_frames(MinGru(*weights), x), expected, atol=5e-6)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2, 8])
@pytest.mark.parametrize("channels", [1, 12, 24, 256])
def test_causal_conv(channels, dilation, kernel_size):
    weights, x = conv_weights(channels, kernel_size), normal(FRAMES, channels)
    expected = np.array(list(numpy_conv(x, *weights, dilation)))
    np.testing.assert_allclose(run_frames(CausalConv(*weights, dilation), x), expected, atol=3e-5)


def test_torch_agrees_frame_by_frame():
    torch = pytest.importorskip("torch")
    x = normal(FRAMES, 40)
    for kind, layer in (("LSTM", Lstm), ("GRU", Gru)):
        torch.manual_seed(0)
        net = getattr(torch.nn, kind)(40, 32)
        with torch.no_grad():
            expected = net(torch.from_numpy(x))[0].numpy()
        weights = [p.detach().numpy() for p in net.parameters()]
        np.testing.assert_allclose(run_frames(layer(*weights), x), expected, atol=2e-6)


def test_torch_conv_agrees_frame_by_frame():
    torch = pytest.importorskip("torch")
    taps, taps_bias, weight, bias = conv_weights(40)
    x = normal(FRAMES, 40)
    with torch.no_grad():
        columns = torch.from_numpy(x.T.copy())[None]
        past = torch.nn.functional.pad(columns, (8, 0))
        tensors = [torch.from_numpy(a) for a in (taps, taps_bias, weight[:, :, None], bias)]
        y = torch.nn.functional.conv1d(past, tensors[0], tensors[1], dilation=4, groups=40)
        y = columns + torch.relu(torch.nn.functional.conv1d(y, tensors[2], tensors[3]))
    np.testing.assert_allclose(
        run_frames(CausalConv(taps, taps_bias, weight, bias, 4), x), y[0].T.numpy(), atol=2e-5
    )


def all_layers():
    return [
        Dense(normal(9, 6), normal(9), "relu"),
        CausalConv(*conv_weights(6), 2),
        Lstm(*recurrent_weights(4, 6, 5)),
        Gru(*recurrent_weights(3, 6, 5)),
        MinGru(normal(12, 6), normal(12)),
        Beside(Lstm(*recurrent_weights(4, 6, 5))),
    ]


@pytest.mark.parametrize("layer", all_layers(), ids=lambda layer: type(layer).__name__)
def test_reset_clone_and_saved_state_go_on_bit_exactly(layer):
    x = normal(FRAMES, 6)
    layer.reset()
    whole = run_frames(layer, x)
    layer.reset()
    np.testing.assert_array_equal(run_frames(layer, x[:20]), whole[:20])
    saved, twin = layer.save_state(), layer.clone()
    np.testing.assert_array_equal(run_frames(layer, x[20:]), whole[20:])
    np.testing.assert_array_equal(run_frames(twin, x[20:]), whole[20:])
    layer.load_state(saved)
    np.testing.assert_array_equal(run_frames(layer, x[20:]), whole[20:])


def test_beside_is_output_then_input():
    x, weights = normal(FRAMES, 6), recurrent_weights(4, 6, 5)
    out = run_frames(Beside(Lstm(*weights)), x)
    np.testing.assert_array_equal(out, np.hstack([run_frames(Lstm(*weights), x), x]))


def test_forward_takes_a_frame():
    layer = Dense(normal(3, 2), normal(3))
    assert (layer.in_size, layer.out_size) == (2, 3)
    np.testing.assert_array_equal(layer.forward(normal(2)), run_frames(layer, normal(2)[None])[0])


def test_shapes_that_disagree_are_named():
    with pytest.raises(ConfigError, match=r"bias has shape \(4,\)"):
        Dense(normal(3, 2), normal(4))
    with pytest.raises(ConfigError, match="swish"):
        Dense(normal(3, 2), normal(3), "swish")
    with pytest.raises(ConfigError, match=r"weight_ih has shape \(15, 6\)"):
        Lstm(*recurrent_weights(3, 6, 5))
    with pytest.raises(ConfigError, match="dilation=0"):
        CausalConv(*conv_weights(6), 0)
