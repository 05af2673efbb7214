"""What the processor takes from the socket, where Linux tells it (Intel's and AMD's RAPL counters)."""

from __future__ import annotations

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class EnergyMeter:
    """Joules that all processor packages have taken since it was made.

    They are for the whole machine: whatever else runs is in them. Most systems let root alone read.
    """

    def __init__(self, folder: Path = POWERCAP) -> None:
        zones = sorted(folder.glob("intel-rapl:?"))
        self._zones = [zone for zone in zones if _is_package(zone) and _microjoules(zone) is not None]
        self._last = [_microjoules(zone) or 0 for zone in self._zones]
        self._spent = 0

    def joules(self) -> float | None:
        """None where this machine doesn't tell."""
        if not self._zones:
            return None
        for i, zone in enumerate(self._zones):
            now = _microjoules(zone)
            if now is None:
                return None
            step = now - self._last[i]
            self._spent += step if step >= 0 else step + _whole_range(zone)
            self._last[i] = now
        return self._spent / 1e6


def _is_package(zone: Path) -> bool:
    """Not "psys", the whole computer, whose counter has the packages in it."""
    try:
        return (zone / "name").read_text().startswith("package")
    except OSError:
        return False


def _microjoules(zone: Path, file: str = "energy_uj") -> int | None:
    try:
        return int((zone / file).read_text())
    except (OSError, ValueError):
        return None


def _whole_range(zone: Path) -> int:
    """Where the counter starts again at 0."""
    return _microjoules(zone, "max_energy_range_uj") or 0
