"""What fixes the keyword net: the features and convolutions of `SpeechConfig`, and its words."""

from __future__ import annotations

from dataclasses import dataclass

from rtaudio.errors import ConfigError
from rtaudio.nn.speech_config import SpeechConfig


@dataclass(frozen=True)
class KeywordConfig(SpeechConfig):
    """Sizes of the keyword net; words: what it knows, one score each, in this order."""

    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "words", tuple(self.words))
        if not self.words or len(set(self.words)) != len(self.words):
            raise ConfigError(f"words={self.words} must be one or more, each once")

    @property
    def n_outputs(self) -> int:
        return len(self.words)
