"""What fixes the word embedding: the features and convolutions of `SpeechConfig`, and its size."""

from __future__ import annotations

from dataclasses import dataclass

from rtaudio.errors import ConfigError
from rtaudio.nn.speech_config import SpeechConfig


@dataclass(frozen=True)
class EmbeddingConfig(SpeechConfig):
    """Sizes of the embedding net; size: numbers in an embedding."""

    channels: int = 256
    dilations: tuple[int, ...] = (1, 1, 2, 2, 4, 4, 4)
    size: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 2:
            raise ConfigError(f"size={self.size} must be at least 2")

    @property
    def n_outputs(self) -> int:
        return self.size
