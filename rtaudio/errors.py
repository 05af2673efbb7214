"""Every error rtaudio raises on purpose.

::

    RtaudioError                 exit code
    ├── ConfigError              2   a value that cannot work, named with the rule it breaks
    │   └── BudgetError          4   the latency budget cannot be met; says by how much
    ├── AudioFileError           2   not audio, empty, truncated, or not writable
    ├── WeightsError             2   weights that are missing, corrupt or not ours
    ├── ModelError               2   somebody's model: not what its manifest says, or failing as it runs
    └── DeviceError              3   no such device, busy, gone
        ├── RateError            3   it doesn't run at the rate asked for, but at others
        └── MissingLibraryError  3   PortAudio or an optional package is not installed

They are raised while something is being built, never while audio flows: late or lost audio is
counted in `StreamStats` instead. The command line prints `str(error)` as one line and exits
with `exit_code`.
"""

from __future__ import annotations

from collections.abc import Sequence


class RtaudioError(Exception):
    """Base of the tree; catch it to catch all of them."""

    exit_code = 1


class ConfigError(RtaudioError, ValueError):
    """A parameter that cannot work; the message gives the value and the rule."""

    exit_code = 2


class BudgetError(ConfigError):
    """The stated latency budget cannot be met; the message gives the parts and the shortfall."""

    exit_code = 4


class AudioFileError(RtaudioError):
    """A file that is not audio, is empty or truncated, or cannot be written."""

    exit_code = 2


class WeightsError(RtaudioError):
    """Weights that are missing, corrupt, or were made for another net."""

    exit_code = 2


class ModelError(RtaudioError):
    """A model that can't be used, isn't what its manifest says, or fails while it runs."""

    exit_code = 2


class DeviceError(RtaudioError):
    """An audio device that does not exist, is busy, refused the format, or went away."""

    exit_code = 3


class RateError(DeviceError):
    """A device that does not run at the sample rate; `rates` are some it does run at, best first."""

    def __init__(self, message: str, rates: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.rates = tuple(rates)


class MissingLibraryError(DeviceError):
    """A system library or optional package is missing; the message says how to install it."""
