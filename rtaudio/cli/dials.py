"""What keys change of a denoiser while it runs: how much it takes away, and by how much at most."""

from __future__ import annotations

import math

from rtaudio.nn.denoise import Denoiser
from rtaudio.stream.stage import NativeStage
from rtaudio.tasks.denoise import set_atten_limit, set_strength

STRENGTH_STEPS = {"+": 0.1, "=": 0.1, "-": -0.1}
"""= is + without shift on many keyboards."""
LIMIT_STEPS_DB = {"]": 3.0, "[": -3.0}
MOST_DB = 100.0
"""As good as no limit."""


class Dials:
    """Strength and attenuation limit of the denoiser in `stage`; a model that has none says so when asked.

    - keys: what they do, for the line of help. told: where the dials stand, or why there are none.
    """

    def __init__(self, stage: NativeStage) -> None:
        self.keys, self.told = "", ""
        self._denoiser = next((part for part in stage.walk() if isinstance(part, Denoiser)), None)
        if self._denoiser is not None:
            self.keys, self.told = "+- strength · [] limit", _told(self._denoiser)

    def turn(self, key: str) -> bool:
        """Turn what `key` turns; whether it is a key of the dials, and `told` is worth a look."""
        if key not in STRENGTH_STEPS and key not in LIMIT_STEPS_DB:
            return False
        if self._denoiser is None:
            self.told = "this model has no strength and no limit to change"
            return True
        strength, limit_db = _values(self._denoiser)
        if key in STRENGTH_STEPS:
            set_strength(self._denoiser, min(1.0, max(0.0, round(strength + STRENGTH_STEPS[key], 2))))
        else:
            set_atten_limit(self._denoiser, min(MOST_DB, max(0.0, limit_db + LIMIT_STEPS_DB[key])))
        self.told = _told(self._denoiser)
        return True


def _values(denoiser: Denoiser) -> tuple[float, float]:
    """Strength, and the limit in dB, to the digits that people set."""
    strength, floor = float(denoiser.params["strength"]), float(denoiser.params["floor"])
    limit_db = -20 * math.log10(floor) if floor > 0 else MOST_DB
    return round(strength, 2), round(limit_db, 1)


def _told(denoiser: Denoiser) -> str:
    strength, limit_db = _values(denoiser)
    return f"strength {strength:g} · limit {limit_db:g} dB"
