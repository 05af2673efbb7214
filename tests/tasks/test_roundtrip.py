"""What a round trip through the engine tells."""

import pytest

from rtaudio.errors import DeviceError
from rtaudio.stream.stats import StreamStats
from rtaudio.tasks.roundtrip import Passage, together


def passage(hops, misses, late, *delays):
    stats = StreamStats(hops=hops, deadline_misses=misses, late_worker_hops=late)
    return Passage(list(delays), {"ring": 1.0}, stats)


def test_a_hop_that_a_worker_was_late_with_is_a_miss():
    passages = [passage(250, 1, 20, 1000, 1100), passage(300, 0, 2, 900)]
    assert [one.missed for one in passages] == [21, 2]
    told = together("here", [400, 500], passages, 480, burst=2).as_dict()
    assert (told["hops"], told["deadline_misses"], told["runs"], told["own_samples"]) == (550, 23, 3, 450)
    assert told["samples"] == {"least": 400, "median": 600, "most": 700}
    assert (told["path"], told["through_engine"], told["declared_ms"]) == ("here", True, {"ring": 1.0})
    assert (told["block"], told["burst"]) == (480, 2)


def test_a_probe_that_stumbled_measures_nothing():
    with pytest.raises(DeviceError, match="the probe alone took 400 samples, and through the engine 400"):
        together("here", [400], [passage(1, 0, 0, 1000, 400)], 480)
