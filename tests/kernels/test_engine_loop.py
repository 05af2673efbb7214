"""The engine's half of the time-line, with the test as device: cursors set as a race would leave them."""

import numpy as np
import pytest

from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.dsp.delay import Delay
from rtaudio.dsp.gains import Gain
from rtaudio.engine.live import LiveEngine
from rtaudio.kernels import live as w
from rtaudio.kernels.callback import duplex_callback
from rtaudio.kernels.engine_loop import engine_begin, engine_finish

HOP = 480
HOPS = np.arange(1, 100, dtype=np.float32).repeat(HOP).reshape(-1, HOP)  # hop n holds n + 1


class Engine:
    """A live engine that is run by hand; `capture` and `playback` are its rings."""

    def __init__(self, latency=0, stage=None):
        self._live = LiveEngine(stage or Delay(HOP, latency), SimulatedDevice(HOPS[0]))
        self.stats = self._live.stats
        memory = self._live._memory
        self.words, self.address = memory.words, int(memory.words.ctypes.data)
        self.capture, self.playback = memory.capture_ring, memory.playback_ring
        self.prefill = self._live.plan.prefill

    def hop(self):
        """Run the engine once; whether it had a hop."""
        began = engine_begin(self.address)
        if began:
            engine_finish(self.address)
        return bool(began)

    def restart(self):
        self._live._memory.start_afresh()
        self._live.stage.reset()

    def play(self, hops):
        """Hand over blocks of a hop, the engine in time; returns what is played."""
        out, played = np.empty(HOP, np.float32), []
        for x in hops:
            duplex_callback.ctypes(x.ctypes.data, out.ctypes.data, HOP, 0, 0, self.address)
            while self.hop():
                pass
            played.append(out.copy())
        return np.concatenate(played)[self.prefill :]

    def fall_behind(self):
        """A backlog, and the jump over it; returns the number of samples jumped over."""
        jumped = 0
        while jumped <= self.words[w.BACKLOG]:
            assert self.capture.push(HOPS[0])
            jumped += HOP
        assert not self.hop()
        assert self.words[w.JUMPS] == 1
        assert self.capture.fill == 0
        return jumped


@pytest.fixture
def engine():
    return Engine()


def test_a_block_that_was_being_dropped_during_the_jump_is_counted(engine):
    jumped = engine.fall_behind()
    engine.words[w.DROPPED] += HOP  # the callback had found the ring full before the jump
    engine.capture.push(HOPS[1])
    assert engine.hop()
    assert engine.words[w.HOP_TIME] == jumped + HOP
    assert engine.words[w.PLAY_OFFSET] == jumped + HOP


def test_late_sound_in_the_playback_ring_is_not_taken_for_new(engine):
    engine.capture.push(HOPS[0])
    assert engine.hop()
    jumped = engine.fall_behind()
    engine.capture.push(HOPS[1])
    assert engine.hop()  # before the callback has dropped hop 0
    assert (engine.words[w.PLAY_OFFSET], engine.playback.fill) == (0, HOP)
    out = np.empty(HOP, np.float32)
    engine.playback.pull(out)
    engine.capture.push(HOPS[2])
    assert engine.hop()
    assert engine.words[w.PLAY_OFFSET] == jumped + HOP
    engine.playback.pull(out)
    np.testing.assert_array_equal(out, HOPS[2])


def test_after_a_jump_what_the_stage_still_held_is_not_heard():
    engine = Engine(latency=HOP + 1)
    engine.fall_behind()
    out = np.empty(HOP, np.float32)
    for n, heard in ((5, False), (6, False), (7, True)):
        engine.capture.push(HOPS[n])
        assert engine.hop()
        assert engine.playback.pull(out) == heard
    np.testing.assert_array_equal(out, np.append(HOPS[5, -1:], HOPS[6, 1:]))


@pytest.mark.parametrize("bypass", [False, True])
def test_a_restart_fades_in_and_plays_nothing_of_before(bypass):
    engine = Engine(latency=HOP + 1)
    engine.words[w.BYPASS] = bypass
    first = engine.play(HOPS[:20])
    assert first.any()
    engine.restart()
    again = engine.play(HOPS[:20])
    assert not again[: HOP + 1].any()
    fade = 4 * engine.words[w.FADE]  # from the first output on, so part of it is over before sound comes
    ramp = np.minimum(1, np.arange(again.size) / fade)
    delayed = np.concatenate([np.zeros(HOP + 1, np.float32), HOPS[:20].ravel()])[: again.size]
    np.testing.assert_allclose(again, delayed * ramp, rtol=1e-5)


def test_a_restart_in_bypass_is_dry_from_the_first_sample():
    engine = Engine(stage=Gain(HOP, -np.inf))
    engine.words[w.BYPASS] = 1
    engine.restart()
    ramp = np.arange(HOP) / (4 * engine.words[w.FADE])
    np.testing.assert_allclose(engine.play(HOPS[:3])[:HOP], ramp * HOPS[0], rtol=1e-5)


def test_a_hop_for_which_the_playback_ring_is_full_is_counted(engine):
    assert engine.playback.push(np.zeros(engine.playback.capacity, np.float32))
    engine.words[w.PLAY_OFFSET] = -engine.playback.capacity  # all of it belongs before hop 0
    engine.capture.push(HOPS[0])
    assert engine.hop()
    assert engine.stats().ring_overflows == 1
