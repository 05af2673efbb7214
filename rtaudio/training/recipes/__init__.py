"""What denoisers are trained as today: a TOML file a net, with `[net]` sizes, `[mix]` mixes and `[loss]`."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rtaudio.dsp.stft import Synthesis
from rtaudio.errors import ConfigError
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.training.data import SAMPLE_RATE
from rtaudio.training.losses import LossConfig
from rtaudio.training.mixing import MixConfig

FOLDER = Path(__file__).parent
SECTIONS = {"net", "mix", "loss"}


@dataclass(frozen=True)
class Recipe:
    """A net, the mixes it is trained on, and what of its errors costs how much."""

    net: DenoiseConfig
    mix: MixConfig
    loss: LossConfig = field(default_factory=LossConfig)


def names() -> list[str]:
    """Recipes that come with rtaudio."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_recipe(name: str | Path) -> Recipe:
    """The recipe of a net by name, or in a TOML file. Raises ConfigError where it can't be used.

    Keys are those of `DenoiseConfig`, `MixConfig` and `LossConfig`; what isn't said is theirs. The
    STFT of the mixes is the net's.
    """
    path = Path(name) if Path(name).suffix == ".toml" else FOLDER / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(names())
        raise ConfigError(f"model={name}: no such recipe; there are {known}, or the path of a .toml file")
    try:
        with path.open("rb") as file:
            said = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a recipe: {error}") from None
    if unknown := said.keys() - SECTIONS:
        raise ConfigError(f"{path}: [{min(unknown)}] must be one of {', '.join(sorted(SECTIONS))}")
    net = _made(DenoiseConfig, said.get("net", {}), path)
    _check_stft(net, path)
    mix = mix_for(net, _made(MixConfig, said.get("mix", {}), path))
    return Recipe(net, mix, _made(LossConfig, said.get("loss", {}), path))


def mix_for(net: DenoiseConfig, mix: MixConfig) -> MixConfig:
    """`mix` with the STFT of `net`."""
    return dataclasses.replace(mix, n_fft=net.n_fft, hop_length=net.hop_length, window=net.window)


def _check_stft(net: DenoiseConfig, path: Path) -> None:
    """Before hours are spent on a net that could never run live."""
    if net.sample_rate != SAMPLE_RATE:
        raise ConfigError(f"{path}: sample_rate={net.sample_rate} must be {SAMPLE_RATE}, that of the mixes")
    try:
        Synthesis(net.n_fft, net.hop_length, net.window)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _made(kind: type[Any], values: Any, path: Path) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: net, mix and loss must be tables")
    lists = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    try:
        return kind(**lists)
    except (TypeError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from None
