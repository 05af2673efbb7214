"""What the engine asks of a device, whatever it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Callbacks:
    """Addresses of the compiled callbacks, with PortAudio's signature, and their memory.

    `duplex(input, output, frames, time, flags, memory)` serves a device whose input and output
    share a clock. Where they don't, `capture` is given to the input stream (no output) and
    `playback` to the output stream (no input). All audio is interleaved float32.
    """

    duplex: int
    capture: int
    playback: int
    memory: int


class Device(Protocol):
    """A source and a sink of blocks that calls compiled callbacks from threads of its own.

    `open` fixes the format and may raise DeviceError, RateError where only the rate doesn't fit;
    after it the latencies are known.
    `start` begins to call back, `stop` returns once no callback runs any more, and `close`
    gives everything back; a closed device can be opened again.
    """

    sample_rate: int
    block: int
    """Frames in each callback."""
    in_channels: int
    out_channels: int
    """0 where it is a microphone alone; `capture` is then called for every block."""
    duplex: bool
    """Whether input and output come in one callback; otherwise each has its own."""
    one_clock: bool
    """Whether input and output run on the same clock; a duplex device's do."""
    capture_latency_s: float
    playback_latency_s: float

    def open(self, callbacks: Callbacks) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...

    def change_rate(self, sample_rate: int) -> None:
        """Run at another rate from the next `open` on, in blocks that may differ too."""
        ...

    @property
    def active(self) -> bool:
        """Whether the device still runs: False once it was lost."""
        ...
