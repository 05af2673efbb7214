"""The depthwise convolution written out: sums and slopes are those of torch's own."""

import pytest

torch = pytest.importorskip("torch")

from rtaudio.nn.torch.depthwise import depthwise  # noqa: E402


def plain(frames, taps, bias, dilation):
    return torch.nn.functional.conv1d(frames.mT, taps, bias, dilation=dilation, groups=len(taps)).mT


def through(method, dilation, kernel_size, dtype):
    """Sums, and the slopes of frames, taps and bias."""
    torch.manual_seed(0)
    frames = torch.randn(3, 20 + (kernel_size - 1) * dilation, 5).to(dtype)
    taps, bias = torch.randn(5, 1, kernel_size), torch.randn(5)
    inputs = [tensor.requires_grad_() for tensor in (frames, taps, bias)]
    sums = method(*inputs, dilation)
    (sums.float() * torch.arange(sums.numel()).reshape(sums.shape).sin()).sum().backward()
    return [sums, *(tensor.grad for tensor in inputs)]


@pytest.mark.parametrize(("dilation", "kernel_size"), [(1, 1), (1, 3), (4, 3), (7, 2)])
def test_sums_and_slopes_are_those_of_conv1d(dilation, kernel_size):
    results = (through(method, dilation, kernel_size, torch.float32) for method in (depthwise, plain))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_frames_in_bfloat16_give_slopes_of_taps_in_float32():
    half, full = (through(depthwise, 2, 3, dtype) for dtype in (torch.bfloat16, torch.float32))
    assert [tensor.dtype for tensor in half] == [torch.bfloat16] * 2 + [torch.float32] * 2
    for got, expected in zip(half, full, strict=True):
        torch.testing.assert_close(got.float(), expected, atol=0.1, rtol=0.05)
