"""What fixes the voice activity net: the features and convolutions of `SpeechConfig`, smaller."""

from __future__ import annotations

from dataclasses import dataclass

from rtaudio.nn.speech_config import SpeechConfig


@dataclass(frozen=True)
class VadConfig(SpeechConfig):
    """Sizes of the voice activity net."""

    channels: int = 64
    dilations: tuple[int, ...] = (1, 1, 2, 2, 4, 4)

    @property
    def n_outputs(self) -> int:
        return 1
