"""One stream's hop in our kernels equals the native net; by Triton's interpreter where there is no GPU."""

import dataclasses
import subprocess

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from rtaudio.nn.denoise import NET_NAME, Denoiser  # noqa: E402
from rtaudio.nn.torch.denoise_stream import DenoiseStream, live_stream  # noqa: E402
from rtaudio.nn.torch.one_stream import has_kernels, pad, padded  # noqa: E402
from rtaudio.nn.weights import find_weights, list_models, load_weights  # noqa: E402
from tests.nn.test_denoise_stream import SMALL, copies, make, native, noise, run  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HOPS = 300 if torch.cuda.is_available() else 8  # the interpreter takes 0.3 s a hop
NO_LSTM = dataclasses.replace(SMALL, hidden=0)


def ours(config=NO_LSTM):
    return make(config=config, device=DEVICE, own_kernels=True)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kernel_size": 1},
        {"kernel_size": 4, "dilations": (5, 1)},
        {"n_fft": 60, "hop_length": 14, "window": "asymmetric"},
        {"mingru_every": 0},
        {"mingru_every": 1},
    ],
)
def test_it_equals_the_native_net(changes):
    config = dataclasses.replace(NO_LSTM, **changes)
    x = noise(HOPS, 1, config)
    stream = ours(config)
    stream.strength[:], stream.floor[:] = 0.8, 0.1
    np.testing.assert_allclose(run(stream, x), run(native(config, 0.8, 0.1), x), atol=1e-5)


@pytest.mark.parametrize("model", list_models(NET_NAME))
def test_it_equals_the_native_net_for_what_ships(model):
    weights = load_weights(find_weights(model))
    config = Denoiser.from_weights(weights).config
    assert has_kernels(config)
    hops = HOPS if DEVICE == "cuda" else 2
    x = noise(hops, 1, config) * np.float32(10)
    plain = DenoiseStream.from_weights(weights)
    stream = DenoiseStream.from_weights(weights, device=DEVICE, own_kernels=True)
    np.testing.assert_allclose(run(stream, x), run(plain, x), atol=1e-5)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
def test_a_hop_that_is_not_finite_is_silent_and_forgotten(bad):
    x = noise(8, 1)
    stream = ours()
    run(stream, x[:4])
    before = copies(stream)
    assert not run(stream, np.full_like(x[:1], bad)).any()
    for name, tensor in copies(stream).items():
        assert torch.equal(tensor, before[name]) or name == "position", name
    assert run(stream, x[4:]).any()


def test_an_inactive_stream_is_silent_and_remembers():
    x = noise(6, 1)
    stream = ours()
    run(stream, x)
    before = copies(stream)
    stream.deactivate(0)
    assert not run(stream, x).any()
    assert all(torch.equal(t, before[name]) for name, t in copies(stream).items() if name != "position")


def test_every_buffer_stays_where_it_is():
    stream, x = ours(), noise(4, 1)
    addresses = {name: tensor.data_ptr() for name, tensor in stream.buffers().items()}
    assert {"block_past", "scratch_layers", "past", "host_x"} < addresses.keys()
    before = {name: tensor.clone() for name, tensor in stream.buffers().items()}
    run(stream, x)
    assert {name: tensor.data_ptr() for name, tensor in stream.buffers().items()} == addresses
    changed = {name for name, tensor in stream.buffers().items() if not torch.equal(tensor, before[name])}
    assert "scratch_layers" in changed
    assert not changed & stream._own.constants.keys()


def test_a_net_with_an_lstm_has_none():
    assert not has_kernels(SMALL)
    assert has_kernels(NO_LSTM)


def test_without_a_compiler_torch_does_it(monkeypatch):
    built, init = [], DenoiseStream.__init__

    def fail(self, *arguments, own_kernels=None, **options):
        built.append(own_kernels)
        if own_kernels is None:
            raise subprocess.CalledProcessError(1, "gcc")
        init(self, *arguments, own_kernels=own_kernels, **options)

    monkeypatch.setattr(DenoiseStream, "__init__", fail)
    weights = load_weights(find_weights("cnn"))
    assert live_stream(weights, torch.device("cpu"))._own is None
    assert built == [None, False]


def test_padding():
    assert [padded(n) for n in (1, 4, 5, 20, 256, 257)] == [4, 4, 8, 32, 256, 512]
    np.testing.assert_array_equal(pad(np.ones((2, 1, 3)), 2, 4), [[[1, 1, 1, 0], [0] * 4]] * 2)
