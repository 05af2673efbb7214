"""What a running stream counted and measured: late audio is data, not an exception."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class StreamStats:
    """A snapshot of a live stream; every count is since the start.

    Three kinds of trouble are counted apart, because they have different cures:

    - device xruns: `input_overflows`, `output_underflows`, as PortAudio's flags report them;
    - `deadline_misses`: hops that were finished more than one hop after they had come in;
    - ring trouble: `ring_overflows` (blocks dropped because the engine was far behind) and
      `ring_underflows` (blocks in which dry sound stood in for hops that were not there yet).
    """

    hops: int = 0
    seconds: float = 0.0
    input_overflows: int = 0
    output_underflows: int = 0
    deadline_misses: int = 0
    ring_overflows: int = 0
    ring_underflows: int = 0
    substituted_samples: int = 0
    late_samples_dropped: int = 0
    jumps: int = 0
    nan_hops: int = 0
    restarts: int = 0
    late_worker_hops: int = 0
    """Hops that a Python stage's worker did not finish in time; dry sound stood in for them, or the spare."""
    spare_worker_hops: int = 0
    """Those of them that a native spare stood in for."""
    overload_level: int = 0
    """0 full net, 1 cheaper kernels, 2 hold the last gains, 3 bypass."""
    compute_us_p50: float = 0.0
    compute_us_p99: float = 0.0
    compute_us_p999: float = 0.0
    compute_us_max: float = 0.0
    deadline_us: float = 0.0
    input_db: float = -120.0
    output_db: float = -120.0
    """Levels in dBFS: root mean square with a 300 ms fall."""
    drift_ppm: float = 0.0
    """How much faster the output device's clock runs than the input's; 0 with one clock."""
    ring_latency_s: float = 0.0
    bypass: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
