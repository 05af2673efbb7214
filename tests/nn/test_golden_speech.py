"""Shipped nets over speech: what they say today is what they said when their weights were added.

`python -m tests.nn.test_golden_speech` writes the golden outputs anew, after new weights.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from rtaudio.nn.embedding import EmbeddingNet
from rtaudio.nn.keywords import KeywordNet
from rtaudio.nn.speech import LIVE
from rtaudio.nn.vad import VadNet
from rtaudio.nn.weights import find_weights, list_models, load_weights
from rtaudio.stream.offline import run_frames

GOLDEN = Path(__file__).with_name("golden_speech.json")
NETS = {"keywords": KeywordNet, "vad": VadNet, "embedding": EmbeddingNet}
SHIPPED = [name for name in NETS if name in list_models()]


def spectra(frames):
    """Buzzing syllables that come and go over noise, as spectra: speech enough to move every output."""
    rng, t, k = np.random.default_rng(11), np.arange(frames)[:, None], np.arange(161)
    voiced = 1 + np.cos(2 * np.pi * k / (2.4 + np.sin(t / 31)))
    low = np.exp(-((k - 12 - 8 * np.sin(t / 17)) ** 2) / 60)
    high = 0.4 * np.exp(-((k - 45 - 20 * np.sin(t / 23)) ** 2) / 200)
    level = np.maximum(np.sin(t / 9), 0) ** 2 * (t % 300 > 80)
    magnitude = level * voiced * (low + high) + 1e-3
    phases = rng.uniform(0, 2 * np.pi, magnitude.shape)
    return np.stack([magnitude * np.cos(phases), magnitude * np.sin(phases)], -1).astype(np.float32)


def outputs(name):
    net = NETS[name].from_weights(load_weights(find_weights(name)))
    return run_frames(net, spectra(600))


@pytest.mark.parametrize("name", SHIPPED)
def test_outputs_are_the_golden_ones(name):
    golden = np.array(json.loads(GOLDEN.read_text())[name])
    got = outputs(name)[49::50, :8]
    assert (np.ptp(golden, axis=0) > 0).all()
    # Nobody says a keyword here: their scores are small, and held to three digits each.
    np.testing.assert_allclose(got, golden, rtol=5e-3, atol=1e-9 if name == "keywords" else 1e-5)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_equal_torch_over_60_s(name):
    torch = pytest.importorskip("torch")
    from rtaudio.nn.torch.speech import SpeechNet

    weights = load_weights(find_weights(name))
    native = NETS[name].from_weights(weights)
    net = SpeechNet(native.config).eval()
    net.load_state_dict({key: torch.from_numpy(value) for key, value in weights.tensors.items()})
    x = spectra(6000)
    with torch.no_grad():
        expected = net(torch.from_numpy(x)[None])[0].numpy()
    np.testing.assert_allclose(run_frames(native, x), expected, atol=1e-5)


@pytest.mark.parametrize("name", SHIPPED)
def test_live_in_int8_shipped_nets_say_nearly_the_same(name):
    weights, x = load_weights(find_weights(name)), spectra(1500)
    exact, live = (run_frames(NETS[name].from_weights(weights, precision=p), x) for p in ("float32", LIVE))
    apart = np.abs(live - exact)
    assert 0 < apart.mean() < 0.006
    assert apart.max() < 0.1


if __name__ == "__main__":
    rows = {name: outputs(name)[49::50, :8].tolist() for name in SHIPPED}
    golden = {name: [[float(f"{x:.6g}") for x in row] for row in table] for name, table in rows.items()}
    GOLDEN.write_text(json.dumps(golden) + "\n")
