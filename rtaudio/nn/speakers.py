"""A recorded word as other people might say it: faster or slower, from a shorter or longer throat.

Both are done to power spectra, apart from one another, as people differ in both apart. Played at another
speed, a recording has both at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Powers = NDArray[np.float64]


def at_pace(powers: Powers, start: int, end: int, pace: float) -> tuple[Powers, int]:
    """The word in frames `start` to `end` said `pace` times as fast, and where it then ends.

    - powers: `(frames, bins)`; what is before and after the word stays as it is.

    Between two frames their powers are mixed: a net that hears powers needs no phases, which changing the
    pace of a wave is all about.
    """
    places = np.arange(start, end, pace)
    places = places[places < len(powers) - 1]
    before = places.astype(int)
    share = (places - before)[:, None]
    word = powers[before] * (1 - share) + powers[before + 1] * share
    return np.vstack([powers[:start], word, powers[end:]]), start + len(word)


def from_throat(powers: Powers, factor: float) -> Powers:
    """`(frames, bins)` with frequencies `factor` times as high (Jaitly & Hinton 2013, VTLP), pitch and all.

    What that leaves empty at the top is filled with the highest bin.
    """
    places = np.minimum(np.arange(powers.shape[1]) / factor, powers.shape[1] - 1)
    below = np.minimum(places.astype(int), powers.shape[1] - 2)
    share = places - below
    return powers[:, below] * (1 - share) + powers[:, below + 1] * share
