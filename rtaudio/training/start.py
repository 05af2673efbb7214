"""Start a run from a net that was trained before, with other bands if need be."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rtaudio.errors import ConfigError, WeightsError
from rtaudio.nn.denoise import NET_NAME
from rtaudio.nn.denoise_config import DenoiseConfig, band_centres
from rtaudio.nn.torch.denoise import DenoiseNet
from rtaudio.nn.weights import load_weights


def start_from(net: DenoiseNet, path: Path) -> None:
    """Give `net` the weights of a weights file; what its first layer hears is carried over to other bands.

    Raises WeightsError for another kind of net, ConfigError for one whose other sizes differ.
    """
    weights = load_weights(path)
    if weights.net != NET_NAME:
        raise WeightsError(f"{path}: weights of the net {weights.net!r}, not of {NET_NAME!r}")
    old = DenoiseConfig(**weights.config)
    if dataclasses.replace(old, n_bands=net.config.n_bands) != net.config:
        raise ConfigError(f"{path}: a net of other sizes, {old}, not {net.config}")
    tensors = dict(weights.tensors)
    tensors["inp.weight"] = tensors["inp.weight"] @ band_map(old, net.config)
    net.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})


def band_map(old: DenoiseConfig, new: DenoiseConfig) -> NDArray[np.float32]:
    """Weights `(old.n_bands, new.n_bands)`, rows summing to 1: an old band's level from the new ones'.

    A triangle over the new bands' centres, up to the old bands beside it; where it holds none, the nearest.
    """
    there, here = band_centres(old), band_centres(new)
    rows = np.stack([np.interp(here, there, row, left=0, right=0) for row in np.eye(old.n_bands)])
    nearest = np.abs(here[None] - there[:, None]).argmin(1)
    rows[np.arange(old.n_bands), nearest] += rows.sum(1) == 0
    weights: NDArray[np.float32] = (rows / rows.sum(1, keepdims=True)).astype(np.float32)
    return weights
