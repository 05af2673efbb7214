"""The keyword net as a native stage: spectrum in, one score a word out."""

from __future__ import annotations

from rtaudio.nn.keywords_config import KeywordConfig
from rtaudio.nn.speech import SpeechNet


class KeywordNet(SpeechNet):
    """Spectrum `(n_bins, 2)` at 16 kHz in, scores `(len(words),)` of 0..1 out, once a hop. No delay.

    Scores are independent: each says how sure the net is that its word has just ended. A word's
    score peaks about 100 ms after its end and falls within 300 ms. Words are `config.words`.
    """

    net_name = "keywords"
    config_type = KeywordConfig
    config: KeywordConfig

    @property
    def words(self) -> tuple[str, ...]:
        return self.config.words
