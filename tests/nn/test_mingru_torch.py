"""The minGRU over whole clips: compiled, by doubling, and frame by frame, states and slopes."""

import pytest

torch = pytest.importorskip("torch")

from rtaudio.nn.torch.mingru import MinGru, doubled, scanned  # noqa: E402


def loop(z, n, before):
    states, h = [], before
    for t in range(z.shape[1]):
        h = h + z[:, t] * (n[:, t] - h)
        states.append(h)
    return torch.stack(states, 1)


def made(frames, seed=0):
    torch.manual_seed(seed)
    z, n, before = torch.rand(3, frames, 5), torch.randn(3, frames, 5).tanh(), torch.randn(3, 5).tanh()
    return z.requires_grad_(), n.requires_grad_(), before


@pytest.mark.parametrize("frames", [1, 2, 7, 64, 201])
@pytest.mark.parametrize("whole", [scanned, doubled])
def test_states_and_slopes_are_those_of_a_loop(whole, frames):
    results = []
    for method in (whole, loop):
        z, n, before = made(frames)
        h = method(z, n, before)
        (h * torch.arange(h.numel()).reshape(h.shape).sin()).sum().backward()
        results.append((h, z.grad, n.grad))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-5)


def test_a_clip_in_parts_is_the_clip():
    layer, x = MinGru(6), torch.randn(2, 30, 6)
    whole, last = layer(x, torch.zeros(2, 6))
    first, state = layer(x[:, :11], torch.zeros(2, 6))
    second, state = layer(x[:, 11:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(state, last)
