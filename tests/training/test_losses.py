import numpy as np
import pytest
import torch

from rtaudio.training.losses import LOUDNESS, SNR_FLOOR, LossConfig, denoise_loss, loss_planes


def spectra(seed=0, shape=(2, 5, 33, 2)):
    generator = torch.Generator().manual_seed(seed)
    target, noise = torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)
    return target + 0.7 * noise, target, torch.rand(shape[:-1], generator=generator)


def loss(gains, noisy, target, mask, weights=None):
    weights = weights or LossConfig()
    return denoise_loss(gains, loss_planes(noisy, target, mask, weights), weights)


def plain_loss(gains, noisy, target, mask, w):
    """The docstring's formula, in complex numpy and float64."""
    g = gains.double().numpy()
    s, t = (np.ascontiguousarray(x.double().numpy()).view(np.complex128)[..., 0] for x in (noisy, target))
    scale = np.sqrt(LOUDNESS / np.square(np.abs(s)).mean((1, 2), keepdims=True))
    s, t, m = s * scale, t * scale, np.broadcast_to(mask.numpy(), g.shape)

    def compressed(x):
        return x * np.abs(x) ** -0.7

    y = g * s
    more = np.abs(y) ** 0.3 - np.abs(t) ** 0.3
    apart = np.abs(compressed(y) - compressed(t))
    distance = w.magnitude * more**2 + w.complex * apart**2 + w.missing * np.minimum(more, 0) ** 2
    ratio = (np.abs(y - t) ** 2 * m).sum((1, 2)) / (np.abs(t) ** 2 * m).sum((1, 2))
    return (distance * m).sum() / m.sum() + w.snr * (10 * np.log10(ratio + SNR_FLOOR)).mean()


@pytest.mark.parametrize("weights", [LossConfig(), LossConfig(0.7, 0.4, 0.3, 0.02), LossConfig(1, 0, 0, 0)])
def test_loss_is_its_formula(weights):
    noisy, target, gains = spectra()
    mask = torch.ones(2, 1, 33)
    mask[1, :, 20:] = 0
    got = loss(gains, noisy, target, mask, weights)
    assert float(got) == pytest.approx(plain_loss(gains, noisy, target, mask, weights), rel=1e-4)


def test_loss_does_not_depend_on_level():
    noisy, target, gains = spectra()
    mask = torch.ones(2, 1, 33)
    loud, quiet = (loss(gains, noisy * a, target * a, mask) for a in (1.0, 0.01))
    assert float(loud) == pytest.approx(float(quiet), rel=1e-4)


def test_masked_bins_have_no_say():
    noisy, target, gains = spectra()
    mask = torch.ones(2, 1, 33)
    mask[:, :, 16:] = 0
    gains.requires_grad_()
    loss(gains, noisy, target, mask).backward()
    assert not gains.grad[:, :, 16:].any()
    assert gains.grad[:, :, :16].all()


def test_items_without_speech_pull_gains_down_and_stay_finite():
    noisy, _, gains = spectra()
    gains[0, 0] = 0
    gains.requires_grad_()
    cost = loss(gains, noisy, torch.zeros_like(noisy), torch.ones(2, 1, 33))
    cost.backward()
    assert torch.isfinite(gains.grad).all()
    assert (gains.grad[1] > 0).all()


def test_the_right_gain_is_better_than_a_cautious_one():
    _noisy, target, _ = spectra()
    mask = torch.ones(2, 1, 33)
    losses = [float(loss(torch.full((2, 5, 33), g), 2 * target, target, mask)) for g in (0.25, 0.5, 1.0)]
    assert losses[1] < min(losses[0], losses[2])
