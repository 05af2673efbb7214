"""Start a run from nets that were trained before, also such as hear or remember otherwise."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rtaudio.errors import ConfigError, WeightsError
from rtaudio.nn.denoise import NET_NAME
from rtaudio.nn.denoise_config import DenoiseConfig, band_centres
from rtaudio.nn.torch.denoise import DenoiseNet
from rtaudio.nn.torch.speech import SpeechNet
from rtaudio.nn.weights import load_weights

MAY_DIFFER = ("n_bands", "channels", "hop_length", "window", "dilations", "mingru_every")
"""Sizes that a net and the one it starts from need not share."""


def start_from(net: DenoiseNet, *paths: Path) -> None:
    """Give `net` the weights of a net that may hear and remember otherwise; or the mean of several.

    The mean of nets that were tuned from one start is often better than each (Wortsman et al. 2022, "Model
    soups").

    Other bands: what its first layer hears is carried over to them. Shorter hops: with dilations longer by
    as much, its blocks reach back as far. minGRUs that the start has none of, and channels beyond its own,
    change nothing to begin with.
    Raises WeightsError for another kind of net, ConfigError for one whose other sizes differ.
    """
    loaded = [_load(path) for path in paths]
    for path, (config, _) in zip(paths, loaded, strict=True):
        _check_sizes(net, config, path)
        if config != loaded[0][0]:
            raise ConfigError(f"{path}: a net of other sizes than {paths[0]}, which has no mean with it")
    old = loaded[0][0]
    tensors = {name: torch.stack([other[name] for _, other in loaded]).mean(0) for name in loaded[0][1]}
    tensors["inp.weight"] = tensors["inp.weight"] @ torch.from_numpy(band_map(old, net.config))
    if not old.n_mingrus:
        tensors |= silent_mingrus(net)
    net.load_state_dict({name: widened(p, tensors[name], name) for name, p in net.state_dict().items()})


def start_speech_from(net: SpeechNet, kind: str, *paths: Path) -> None:
    """Give a net over speech the weights of a net of its kind and sizes; or the mean of several.

    Raises WeightsError for another kind of net, ConfigError for one of other sizes.
    """
    loaded = [load_tensors(path, kind) for path in paths]
    for path, (config, _) in zip(paths, loaded, strict=True):
        if (old := type(net.config)(**config)) != net.config:
            raise ConfigError(f"{path}: a net of other sizes, {old}, not {net.config}")
    names = loaded[0][1]
    net.load_state_dict({name: torch.stack([old[name] for _, old in loaded]).mean(0) for name in names})


def _load(path: Path) -> tuple[DenoiseConfig, dict[str, Tensor]]:
    config, tensors = load_tensors(path, NET_NAME)
    return DenoiseConfig(**config), tensors


def load_tensors(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Sizes and weights of a net of some kind. Raises WeightsError for another kind."""
    weights = load_weights(path)
    if weights.net != kind:
        raise WeightsError(f"{path}: weights of the net {weights.net!r}, not of {kind!r}")
    return weights.config, {name: torch.from_numpy(tensor) for name, tensor in weights.tensors.items()}


def _check_sizes(net: DenoiseNet, old: DenoiseConfig, path: Path) -> None:
    shared = {name: getattr(net.config, name) for name in MAY_DIFFER}
    grows = len(old.dilations) == len(net.config.dilations) and old.channels <= net.config.channels
    recurs = old.mingru_every in (0, net.config.mingru_every)
    if dataclasses.replace(old, **shared) != net.config or not grows or not recurs:
        raise ConfigError(f"{path}: a net of other sizes, {old}, not {net.config}")


def silent_mingrus(net: DenoiseNet) -> dict[str, Tensor]:
    """Weights of the minGRUs of `net`, whose states stay 0 until training moves them: tanh(n) is 0."""
    silent = {name: p.detach().clone() for name, p in net.state_dict().items() if name.startswith("mingrus.")}
    for p in silent.values():
        p[net.config.channels :] = 0
    return silent


def widened(new: Tensor, old: Tensor, name: str) -> Tensor:
    """`old` as the first rows and columns of a tensor of `new`'s shape; its rows hear no further column.

    Further rows are those of `new`: channels that hear everything, and that nothing listens to yet.
    """
    wide, halves = new.detach().clone(), 2 if name.startswith("mingrus.") else 1
    for part, was in zip(wide.chunk(halves), old.chunk(halves), strict=True):
        if was.ndim > 1:
            part[: was.shape[0]] = 0
            part[: was.shape[0], : was.shape[1]] = was
        else:
            part[: was.shape[0]] = was
    return wide


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
