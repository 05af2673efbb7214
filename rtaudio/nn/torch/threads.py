"""How many threads torch computes with: it is told thread by thread, so by each that calls a net."""

from __future__ import annotations


def use_one_thread() -> None:
    """Have torch compute on the calling thread alone. A live hop is too short to be shared out."""
    import torch

    torch.set_num_threads(1)
