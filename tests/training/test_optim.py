import itertools

import numpy as np
import pytest
import torch
from toy_recordings import SMALL_NET

from rtaudio.nn.torch.denoise import DenoiseNet
from rtaudio.training.optim import Muon, make_optimisers, orthogonalised, rate_share, set_rate


@pytest.mark.parametrize("shape", [(1, 32, 32), (4, 16, 48), (2, 64, 8)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalised(x))
    assert (values > 0.3).all()  # four steps lift the smallest; the rest lie in 0.7-1.2
    assert (values < 1.3).all()
    assert values.median() == pytest.approx(0.95, abs=0.25)


def test_gates_of_an_lstm_are_matrices_of_their_own():
    p = torch.nn.Parameter(torch.zeros(8, 4))
    p.grad = torch.cat(
        [torch.randn(2, 4, generator=torch.Generator().manual_seed(0)) * 10**i for i in range(4)]
    )
    Muon([{"params": [p], "gates": 4}], lr=1.0).step()
    norms = p.detach().reshape(4, -1).norm(dim=1)
    assert norms.max() / norms.min() < 1.7  # a gate with a thousand times the gradient moves no further


def test_every_parameter_has_one_optimiser():
    net = DenoiseNet(SMALL_NET)
    held = [id(p) for o in make_optimisers(net) for group in o.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in net.parameters())


def test_rate_warms_up_and_falls_to_two_percent():
    shares = [rate_share(x) for x in np.linspace(0, 1, 201)]
    assert shares[2] == pytest.approx(1.0)
    assert all(a >= b for a, b in itertools.pairwise(shares[2:]))
    assert shares[-1] == pytest.approx(0.02)
    optimisers = make_optimisers(DenoiseNet(SMALL_NET))
    set_rate(optimisers, 1.0)
    set_rate(optimisers, 1.0)
    assert [o.param_groups[0]["lr"] for o in optimisers] == pytest.approx([0.0004, 4e-5])
