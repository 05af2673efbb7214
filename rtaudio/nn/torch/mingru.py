"""The minimal gated recurrent unit in torch: whole clips without a loop in Python."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rtaudio.kernels.scan import scan, scan_back

SLOWEST = -4.0
"""Least bias of a new gate: sigmoid(-4) lets a state change over about 50 frames."""


class MinGru(nn.Module):
    """Residual minGRU: z, n = weight @ x + bias; h = h + σ(z) (tanh(n) - h); y = x + h."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Linear(channels, 2 * channels)
        nn.init.uniform_(self.mix.bias[:channels], SLOWEST, 0.0)

    def forward(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """`(B, T, channels)` and the states before them `(B, channels)`, to outputs and the last states."""
        z, n = self.mix(x).float().chunk(2, dim=-1)
        h = scanned(torch.sigmoid(z), torch.tanh(n), before)
        return x + h.to(x.dtype), h[:, -1]


def scanned(z: Tensor, n: Tensor, before: Tensor) -> Tensor:
    """All states h = h + z (n - h) `(B, T, channels)`, from constants `before` `(B, channels)`."""
    if z.device.type == "cpu":
        run: Any = _Scan.apply
        states: Tensor = run(z.contiguous(), n.contiguous(), before.contiguous())
        return states
    return doubled(z, n, before)


class _Scan(torch.autograd.Function):
    """One pass over the clip in compiled code, and one back."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, n: Tensor, before: Tensor) -> Tensor:
        h = torch.empty_like(z)
        scan(*(t.detach().numpy() for t in (z, n, before, h)))
        ctx.save_for_backward(z, n, before, h)
        return h

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, None]:
        z, n, before, h = ctx.saved_tensors
        slopes = torch.empty_like(z), torch.empty_like(n)
        scan_back(*(t.detach().numpy() for t in (z, n, before, h, slope.contiguous(), *slopes)))
        return *slopes, None


def doubled(z: Tensor, n: Tensor, before: Tensor) -> Tensor:
    """`scanned` in log2(T) steps on whole tensors, for a GPU: each joins spans twice as long.

    A span is h_end = keep h_start + add (Hillis and Steele 1986, "Data parallel algorithms").
    """
    keep, add = 1 - z, z * n
    reach = 1
    while reach < z.shape[1]:
        add = torch.cat([add[:, :reach], add[:, reach:] + keep[:, reach:] * add[:, :-reach]], 1)
        keep = torch.cat([keep[:, :reach], keep[:, reach:] * keep[:, :-reach]], 1)
        reach *= 2
    return add + keep * before[:, None]
