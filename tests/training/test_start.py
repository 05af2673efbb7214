import dataclasses

import numpy as np
import pytest
import torch
from toy_recordings import SMALL_NET

from rtaudio.errors import ConfigError, WeightsError
from rtaudio.nn.denoise import NET_NAME
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.keywords_config import KeywordConfig
from rtaudio.nn.torch.denoise import DenoiseNet
from rtaudio.nn.torch.speech import SpeechNet
from rtaudio.nn.weights import save_weights
from rtaudio.training.start import band_map, start_from, start_speech_from


def saved(folder, config=SMALL_NET, kind=NET_NAME):
    torch.manual_seed(1)
    net = DenoiseNet(config)
    tensors = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    return net, save_weights(folder / "net.npz", kind, config, tensors)


def spectra():
    return torch.randn(1, 6, SMALL_NET.n_bins, 2, generator=torch.Generator().manual_seed(0))


def test_a_net_of_the_same_sizes_starts_as_the_one_that_was_saved(tmp_path):
    old, path = saved(tmp_path)
    new = DenoiseNet(SMALL_NET)
    assert not torch.equal(new(spectra()), old(spectra()))
    start_from(new, path)
    torch.testing.assert_close(new(spectra()), old(spectra()), atol=1e-6, rtol=0)


def test_more_bands_start_near_where_fewer_ended(tmp_path):
    old, path = saved(tmp_path)
    new = DenoiseNet(dataclasses.replace(SMALL_NET, n_bands=32))
    apart = (new(spectra()) - old(spectra())).abs().mean()
    start_from(new, path)
    assert (new(spectra()) - old(spectra())).abs().mean() < 0.3 * apart


def test_an_old_band_hears_a_mean_of_new_ones_and_of_the_same_ones_itself():
    few, many = DenoiseConfig(n_bands=64), DenoiseConfig(n_bands=128)
    weights = band_map(few, many)
    assert weights.shape == (64, 128)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(band_map(many, many), np.eye(128, dtype=np.float32))


def test_mingrus_that_the_start_has_none_of_change_nothing_and_can_learn(tmp_path):
    old, path = saved(tmp_path)
    new = DenoiseNet(dataclasses.replace(SMALL_NET, mingru_every=1))
    start_from(new, path)
    torch.testing.assert_close(new(spectra()), old(spectra()), atol=1e-6, rtol=0)
    new(spectra()).sum().backward()
    assert all(mingru.mix.weight.grad.abs().sum() > 0 for mingru in new.mingrus)


@pytest.mark.parametrize("mingru_every", [0, 1])
def test_channels_beyond_those_of_the_start_change_nothing_and_can_learn(tmp_path, mingru_every):
    config = dataclasses.replace(SMALL_NET, mingru_every=mingru_every)
    old, path = saved(tmp_path, config)
    new = DenoiseNet(dataclasses.replace(config, channels=SMALL_NET.channels + 7))
    start_from(new, path)
    torch.testing.assert_close(new(spectra()), old(spectra()), atol=1e-6, rtol=0)
    new(spectra()).sum().backward()
    assert new.out.weight.grad[:, -7:].abs().min() > 0


def test_at_half_the_hop_dilations_twice_as_long_reach_back_as_far(tmp_path):
    old, path = saved(tmp_path)
    longer = tuple(2 * dilation for dilation in SMALL_NET.dilations)
    new = DenoiseNet(
        dataclasses.replace(
            SMALL_NET, hop_length=SMALL_NET.hop_length // 2, dilations=longer, window="asymmetric"
        )
    )
    start_from(new, path)
    frames = spectra()
    twice = frames.repeat_interleave(2, dim=1)
    torch.testing.assert_close(new(twice)[:, 1::2], old(frames), atol=0.02, rtol=0)


def test_other_nets_and_other_sizes_are_refused(tmp_path):
    recurrent = dataclasses.replace(SMALL_NET, mingru_every=1)
    for start, other in (
        (SMALL_NET, {"hidden": SMALL_NET.hidden + 1}),
        (SMALL_NET, {"channels": SMALL_NET.channels - 1}),
        (SMALL_NET, {"dilations": (1, 2, 4)}),
        (recurrent, {"mingru_every": 2}),
        (recurrent, {"mingru_every": 0}),
    ):
        with pytest.raises(ConfigError, match="other sizes"):
            start_from(DenoiseNet(dataclasses.replace(start, **other)), saved(tmp_path, start)[1])
    with pytest.raises(WeightsError, match="'keywords'"):
        start_from(DenoiseNet(SMALL_NET), saved(tmp_path, kind="keywords")[1])


def test_a_start_from_several_is_their_mean_and_they_must_be_alike(tmp_path):
    (tmp_path / "b").mkdir()
    a, first = saved(tmp_path)
    weights = {name: (3 * tensor).numpy() for name, tensor in a.state_dict().items()}
    second = save_weights(tmp_path / "b" / "net.npz", NET_NAME, SMALL_NET, weights)
    new = DenoiseNet(SMALL_NET)
    start_from(new, first, second)
    for name, tensor in new.state_dict().items():
        torch.testing.assert_close(tensor, 2 * a.state_dict()[name])
    _, wider = saved(tmp_path / "b", dataclasses.replace(SMALL_NET, n_bands=20))
    with pytest.raises(ConfigError, match="mean"):
        start_from(new, first, wider)


def test_a_net_over_speech_starts_from_the_mean_of_nets_of_its_kind_and_sizes(tmp_path):
    config = KeywordConfig(words=("yes",), channels=24, dilations=(1, 2))
    net, paths = SpeechNet(config), []
    tensors = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for k in (1, 3):
        paths.append(tmp_path / f"{k}.npz")
        scaled = {name: (k * tensor).numpy() for name, tensor in tensors.items()}
        save_weights(paths[-1], "keywords", dataclasses.asdict(config), scaled)
    start_speech_from(net, "keywords", *paths)
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, 2 * tensors[name])
    with pytest.raises(WeightsError, match="'vad'"):
        start_speech_from(net, "vad", *paths)
    other = SpeechNet(dataclasses.replace(config, words=("no",)))
    with pytest.raises(ConfigError, match="other sizes"):
        start_speech_from(other, "keywords", *paths)
