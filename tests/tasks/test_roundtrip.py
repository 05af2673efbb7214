"""What a round trip through the engine tells."""

from types import SimpleNamespace

import pytest

from rtaudio.dsp.delay import Delay
from rtaudio.engine.budget import LatencyBudget
from rtaudio.errors import DeviceError
from rtaudio.stream.stats import StreamStats
from rtaudio.tasks import roundtrip
from rtaudio.tasks.roundtrip import Passage, together


def passage(hops, misses, late, *delays):
    stats = StreamStats(hops=hops, deadline_misses=misses, late_worker_hops=late)
    return Passage(list(delays), {"ring": 1.0}, stats, LatencyBudget(48000, 240, 480, 0), "too short")


def test_a_hop_that_a_worker_was_late_with_is_a_miss():
    passages = [passage(250, 1, 20, 1000, 1100), passage(300, 0, 2, 900)]
    assert [one.missed for one in passages] == [21, 2]
    told = together("blocks of", [400, 500], passages, burst=2).as_dict()
    assert (told["hops"], told["deadline_misses"], told["runs"], told["own_samples"]) == (550, 23, 3, 450)
    assert told["samples"] == {"least": 400, "median": 600, "most": 700}
    assert (told["path"], told["through_engine"], told["declared_ms"]) == (
        "blocks of 240",
        True,
        {"ring": 1.0},
    )
    assert (told["block"], told["burst"], told["refused"]) == (240, 2, "too short")


def test_a_probe_that_stumbled_measures_nothing():
    with pytest.raises(DeviceError, match="the probe alone took 400 samples, and through the engine 400"):
        together("here", [400], [passage(1, 0, 0, 1000, 400)])


class Card:
    """A sound card that holds a block at capture and two at playback."""

    def __init__(self, source, sink, block, duplex):
        self.block, self.capture_latency_s, self.playback_latency_s = block, block / 48000, 2 * block / 48000

    def close(self):
        pass


@pytest.mark.parametrize(
    ("budget_ms", "duplex", "block", "refused"),
    [
        (50.0, True, 480, False),  # 10 of algorithm, 10 for a hop, 30 in the card
        (40.0, True, 240, False),  # 10 + 5 of ring + 5 + 15; with 256 a hop waits for up to 9.3
        (12.0, True, 480, True),
        (40.0, False, 480, False),  # Pulse
    ],
)
def test_a_cable_has_the_block_that_live_audio_would_choose(monkeypatch, budget_ms, duplex, block, refused):
    microphone = SimpleNamespace(host_api="ALSA", node=None, name="card")
    monkeypatch.setattr(roundtrip, "find_device", lambda *_: microphone)
    monkeypatch.setattr(roundtrip, "PortAudioDevice", Card)
    monkeypatch.setattr(roundtrip, "open_probe", lambda device, probe: None)
    options = {"burst": 1, "duplex": duplex}
    chosen, why = roundtrip._block_between("in", "out", Delay(480, 480), budget_ms, options)
    assert chosen == block
    assert bool(why) is refused
