"""Voice activity as a native stage: spectrum in, probability of speech out."""

from __future__ import annotations

from rtaudio.nn.speech import SpeechNet
from rtaudio.nn.vad_config import VadConfig


class VadNet(SpeechNet):
    """Spectrum `(n_bins, 2)` at 16 kHz in, probability of speech `(1,)` out, once a hop. No delay."""

    net_name = "vad"
    config_type = VadConfig
    config: VadConfig
