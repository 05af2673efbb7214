"""Optimisers: Muon on the matrices, AdamW on the rest, and the schedule both follow.

Muon: K. Jordan et al. 2024: momentum whose update is made orthogonal by Newton-Schulz steps.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn

MUON_RATE, ADAM_RATE = 0.02, 2e-3
FINAL_SHARE = 0.02  # of the rate, at the end of the cosine
GATES = {"lstm.": 4, "mingrus.": 2}
"""Matrices that are stored as one, by what their names begin with."""
WARM_UP = 0.01  # share of the run: momentum needs some steps before its direction means anything
NEWTON_SCHULZ_STEPS = 4
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan's quintic: steepest at 0, holds singular values in 0.7-1.2


def orthogonalised(gradient: Tensor) -> Tensor:
    """Matrices `(n, rows, columns)`, singular values of each pushed towards 1; bfloat16 is fine for that."""
    a, b, c = NEWTON_SCHULZ
    x: Tensor = gradient.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(gradient.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum 0.95 with look-ahead, orthogonalised per matrix; each group says in how many gate blocks
    its matrices are cut (an LSTM's four gates are four matrices that happen to be stored as one)."""

    MOMENTUM = 0.95

    def __init__(self, groups: list[dict[str, Any]], lr: float = MUON_RATE) -> None:
        super().__init__(groups, {"lr": lr, "gates": 1})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, group["lr"], group["gates"])

    def _update(self, p: Tensor, rate: float, gates: int) -> None:
        momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
        momentum.mul_(self.MOMENTUM).add_(p.grad)
        ahead = p.grad.add(momentum, alpha=self.MOMENTUM)  # type: ignore[union-attr]
        blocks = ahead.reshape(gates, p.shape[0] // gates, -1)
        scale = math.sqrt(max(1.0, blocks.shape[1] / blocks.shape[2]))
        p.add_(orthogonalised(blocks).reshape(p.shape), alpha=-rate * scale)


def make_optimisers(net: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for matrices that mix channels (pointwise convolutions too), AdamW for all the rest."""
    matrices: dict[int, list[Tensor]] = defaultdict(list)
    rest: list[Tensor] = []
    for name, p in net.named_parameters():
        mixes = p.ndim == 2 or (p.ndim == 3 and p.shape[1] > 1)
        gates = next((n for start, n in GATES.items() if name.startswith(start)), 1)
        (matrices[gates] if mixes else rest).append(p)
    muon = Muon([{"params": params, "gates": gates} for gates, params in matrices.items()])
    return [muon, torch.optim.AdamW(rest, lr=ADAM_RATE, weight_decay=0.01)]


def rate_share(progress: float) -> float:
    """Share of the full rate at `progress` 0..1: short warm-up, then a cosine down to 2 %."""
    if progress < WARM_UP:
        return max(progress, 1e-4) / WARM_UP
    x = min((progress - WARM_UP) / (1 - WARM_UP), 1.0)
    return FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * x))


def set_rate(optimisers: list[torch.optim.Optimizer], progress: float, scale: float = 1.0) -> None:
    """Set every group's rate for this point of the run, `scale` times the usual one."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = scale * group.setdefault("initial_lr", group["lr"]) * rate_share(progress)
