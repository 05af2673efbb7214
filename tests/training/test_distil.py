"""What several embeddings say together, in as many numbers as one has."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from rtaudio.errors import ConfigError, WeightsError
from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.torch.speech import SpeechNet
from rtaudio.nn.weights import save_weights
from rtaudio.training.distil import Teachers

CONFIG = EmbeddingConfig(channels=12, dilations=(1,), size=6)
CPU = torch.device("cpu")


def saved(folder, seed, config=CONFIG, kind="embedding"):
    """Random weights of a net, in a file."""
    torch.manual_seed(seed)
    tensors = {name: tensor.numpy() for name, tensor in SpeechNet(config).state_dict().items()}
    return save_weights(folder / f"{seed}.npz", kind, dataclasses.asdict(config), tensors)


def two(folder, size):
    """Teachers of other sizes than one another, for a net of `size`."""
    paths = [saved(folder, 1), saved(folder, 2, dataclasses.replace(CONFIG, size=4, channels=8))]
    return Teachers(paths, dataclasses.replace(CONFIG, size=size), CPU)


def features(seed, batch=3):
    return torch.randn(batch, 40, CONFIG.n_bands, generator=torch.Generator().manual_seed(seed))


def test_in_as_many_numbers_as_the_teachers_have_angles_are_the_mean_of_theirs(tmp_path):
    teachers = two(tmp_path, 10)
    teachers.fit([features(0)])
    wanted = teachers.wanted(features(1)).flatten(0, 1)
    torch.testing.assert_close(wanted.norm(dim=-1), torch.ones(len(wanted)))
    said = [net.logits(features(1), net.initial_state(3).past)[0].flatten(0, 1) for net in teachers.nets]
    units = [functional.normalize(each, dim=-1) for each in said]
    expected = sum(unit @ unit.T for unit in units) / 2
    assert expected.std() > 0.05
    torch.testing.assert_close(wanted @ wanted.T, expected, atol=1e-5, rtol=0)


def test_in_fewer_numbers_what_is_kept_is_what_teachers_say_most(tmp_path):
    teachers = two(tmp_path, 4)

    def kept():
        said = teachers.side_by_side(features(1))
        return float((said @ teachers.basis).square().sum() / said.square().sum())

    before = kept()
    teachers.fit([features(0), features(2)])
    assert kept() > 1.1 * before
    assert teachers.wanted(features(1)).shape == (3, 20, 4)


@pytest.mark.parametrize(
    ("config", "kind", "error"),
    [
        (dataclasses.replace(CONFIG, stride=4), "embedding", "hears otherwise"),
        (dataclasses.replace(CONFIG, n_bands=20), "embedding", "hears otherwise"),
        (CONFIG, "vad", "not of 'embedding'"),
        (dataclasses.replace(CONFIG, size=3), "embedding", "3 numbers can't teach a net that says 6"),
    ],
)
def test_who_cant_teach_is_refused(tmp_path, config, kind, error):
    with pytest.raises((ConfigError, WeightsError), match=error):
        Teachers([saved(tmp_path, 1, config, kind)], CONFIG, CPU)


def test_teachers_do_not_learn(tmp_path):
    teachers = two(tmp_path, 6)
    assert not any(p.requires_grad for net in teachers.nets for p in net.parameters())
    assert not teachers.wanted(features(1).requires_grad_()).requires_grad
    assert np.isfinite(teachers.wanted(torch.zeros(1, 8, CONFIG.n_bands)).numpy()).all()
