import numpy as np
import pytest
import torch
from toy_recordings import SMALL_NET

from rtaudio.nn.denoise import NET_NAME
from rtaudio.nn.torch.denoise import DenoiseNet
from rtaudio.nn.weights import save_weights
from rtaudio.stream.offline import run_offline
from rtaudio.tasks.denoise import build_denoiser
from rtaudio.training.evaluate import enhance, score, si_sdr_db, validation_pairs

RNG = np.random.default_rng(0)
CLEAN, NOISE = RNG.standard_normal((2, 30000)).astype(np.float32)


def test_si_sdr_is_the_snr_of_independent_noise_at_any_scale():
    noise = NOISE - CLEAN * (NOISE @ CLEAN) / (CLEAN @ CLEAN)
    noise *= np.sqrt((CLEAN @ CLEAN) / (noise @ noise)) * 10 ** (-7 / 20)
    for scale in (1.0, 0.1, 3.0):
        assert si_sdr_db(CLEAN, scale * (CLEAN + noise)) == pytest.approx(7.0, abs=0.01)


def test_pairs_are_the_same_for_a_seed_and_have_their_snr(store):
    first, again = (validation_pairs(store, 3, seconds=1.0, seed=1) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.noisy, b.noisy)
        assert -5 <= a.snr_db <= 15
        assert a.noise == a.speaker == "made-here/g3"
    assert not np.array_equal(first[0].noisy, validation_pairs(store, 1, seconds=1.0, seed=2)[0].noisy)


def open_net():
    """A net whose gains are 1 whatever it hears."""
    net = DenoiseNet(SMALL_NET)
    torch.nn.init.constant_(net.out.bias, 40.0)
    torch.nn.init.zeros_(net.out.weight)
    return net


@pytest.mark.parametrize("size", [1, 480, 12345])
def test_a_net_that_passes_everything_gives_the_input_back(size):
    np.testing.assert_allclose(enhance(open_net(), CLEAN[:size]), CLEAN[:size], atol=2e-6)


def test_whole_clips_in_torch_are_what_the_live_path_gives(tmp_path):
    torch.manual_seed(0)
    net = DenoiseNet(SMALL_NET).eval()
    tensors = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    pipeline = build_denoiser(
        save_weights(tmp_path / "n.npz", NET_NAME, SMALL_NET, tensors), atten_limit_db=20
    )
    live = run_offline(pipeline, CLEAN)[pipeline.latency :]
    np.testing.assert_allclose(live, enhance(net, CLEAN, floor_db=-20), atol=1e-4)


def test_scores_are_gains_over_the_input(store):
    pairs = validation_pairs(store, 2, seconds=1.0)
    same, perfect = (score(pairs, [getattr(p, name) for p in pairs]) for name in ("noisy", "clean"))
    assert same.improvement_db == pytest.approx([0, 0])
    assert (perfect.improvement_db > 50).all()
    assert same.pesq is None
