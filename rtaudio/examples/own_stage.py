"""A stage of your own in the audio path: a tremolo, in plain Python, with no GIL while it runs.

python -m rtaudio.examples.own_stage            on a simulated sound card, 3 s
python -m rtaudio.examples.own_stage --live     microphone to speakers, until Ctrl-C
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rtaudio.devices.base import Device
from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.live import LiveEngine
from rtaudio.stream.native import native_stage
from rtaudio.stream.stage import Samples

SAMPLE_RATE = 48000
HOP_LENGTH = 480


@native_stage(params={"depth": 0.8, "speed_hz": 5.0}, state={"phase": 0.0})
def tremolo(state: Any, x: Samples, out: Samples) -> None:
    """Swell and fade the sound `speed_hz` times a second, by `depth` (0..1)."""
    step = 2.0 * math.pi * state.speed_hz / 48000.0
    for i in range(x.size):
        out[i] = x[i] * (1.0 - state.depth * (0.5 + 0.5 * math.cos(state.phase)))
        state.phase += step
    state.phase = state.phase % (2.0 * math.pi)


def tone(seconds: float, hz: float = 440.0) -> npt.NDArray[np.float32]:
    """A sine at half of full scale, float32."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def main() -> None:
    """Run the stage live and print what the engine counted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--live", action="store_true")
    device: Device = SimulatedDevice(tone(3.0), SAMPLE_RATE, HOP_LENGTH, clock="real")
    live = parser.parse_args().live
    if live:
        from rtaudio.devices.portaudio import PortAudioDevice

        device = PortAudioDevice(sample_rate=SAMPLE_RATE, block=HOP_LENGTH)
    stage = tremolo(HOP_LENGTH)
    engine = LiveEngine(stage, device)
    try:
        with engine:
            stage.set_param("speed_hz", 6.0)  # while it runs; heard from the next hop on
            if live:
                input("you hear yourself, trembling; Enter stops ")
            else:
                engine.wait()
    except KeyboardInterrupt:
        pass
    stats = engine.stats()
    print(
        f"{stats.hops} hops of {stats.deadline_us:.0f} µs, p99 {stats.compute_us_p99:.0f} µs, "
        f"{stats.deadline_misses} late"
    )


if __name__ == "__main__":
    main()
