"""A dilated convolution over frames, channel by channel, for clips with their channels last.

Shifted products summed in place, and a slope written out: with each product an operation of its own, torch
copies and pads whole clips six times on the way back, which took a quarter of a training step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def depthwise(frames: Tensor, taps: Tensor, bias: Tensor, dilation: int) -> Tensor:
    """Sum of `taps` `(channels, 1, kernel_size)`, oldest first, times frames `dilation` apart, and `bias`.

    Frames `(B, past + T, channels)`, of which the first (kernel_size - 1) * dilation only serve as past, to
    `(B, T, channels)`, both in the dtype of `frames`.
    """
    run: Any = _Depthwise.apply
    sums: Tensor = run(frames, taps, bias, dilation)
    return sums


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, frames: Tensor, taps: Tensor, bias: Tensor, dilation: int) -> Tensor:
        rows = taps[:, 0].T.to(frames.dtype).contiguous()
        spans = _spans(frames, len(rows), dilation)
        sums = torch.addcmul(bias.to(frames.dtype), rows[0], spans[0])
        for row, span in zip(rows[1:], spans[1:], strict=True):
            sums.addcmul_(row, span)
        ctx.save_for_backward(frames, rows)
        ctx.dilation = dilation
        return sums

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        frames, rows = ctx.saved_tensors
        to_frames = torch.zeros_like(frames)
        for row, span in zip(rows, _spans(to_frames, len(rows), ctx.dilation), strict=True):
            span.addcmul_(row, slope)
        to_taps = [_total(slope * span) for span in _spans(frames, len(rows), ctx.dilation)]
        return to_frames, torch.stack(to_taps, 1).unsqueeze(1), _total(slope), None


def _spans(frames: Tensor, count: int, dilation: int) -> list[Tensor]:
    """Views of the frames each tap is multiplied with."""
    length = frames.shape[1] - (count - 1) * dilation
    return [frames[:, j * dilation : j * dilation + length] for j in range(count)]


def _total(x: Tensor) -> Tensor:
    """Sum `(channels,)` over all frames, in float32."""
    return x.sum((0, 1), dtype=torch.float32)
