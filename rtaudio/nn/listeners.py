"""The nets that listen, by what their weights say they are for: spectra in, numbers out."""

from __future__ import annotations

from rtaudio.nn.embedding import EmbeddingNet
from rtaudio.nn.keywords import KeywordNet
from rtaudio.nn.speech import SpeechNet
from rtaudio.nn.vad import VadNet

LISTENERS: dict[str, type[SpeechNet]] = {net.net_name: net for net in (VadNet, KeywordNet, EmbeddingNet)}
