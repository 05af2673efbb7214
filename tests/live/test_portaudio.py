"""PortAudioDevice on real servers, with a callback that knows nothing of the engine."""

import time

import numpy as np
import pytest

from rtaudio.devices.portaudio import PortAudioDevice, find_device, list_devices, native_block
from rtaudio.devices.servers import eventually
from rtaudio.errors import DeviceError
from rtaudio.tasks.probe import Probe, chirp, delay_between

RATE = 48000


def signal(lead_s=0.3, tail_s=0.7):
    """A chirp between silences: the first leaves a server time to settle."""
    return np.concatenate([np.zeros(round(lead_s * RATE)), chirp(RATE, 0.5), np.zeros(round(tail_s * RATE))])


def play_through(device, probe, prepare=lambda: None):
    device.open(probe.callbacks)
    device.start()
    prepare()
    eventually(lambda: probe.done, "the end of the probe's signal")
    device.close()


def await_silence(probe):
    """Until no callback has come for half a second (PortAudio may call a dead ALSA stream active)."""
    seen = [probe.blocks, time.monotonic()]

    def silent():
        if probe.blocks != seen[0]:
            seen[:] = probe.blocks, time.monotonic()
        return time.monotonic() - seen[1] > 0.5

    eventually(silent, "the end of callbacks")


def loop(jack):
    """Wire the program's output to its own input, and nothing else."""
    for port in jack.wires("PortAudio:in_0"):
        jack.cut(port, "PortAudio:in_0")
    jack.wire("PortAudio:out_0", "PortAudio:in_0")


def test_jack_hands_back_every_sample_one_period_later(jack):
    device, probe = PortAudioDevice(block=jack.period), Probe(signal(lead_s=1.0))
    play_through(device, probe, lambda: loop(jack))
    delay = delay_between(probe.signal, probe.heard)
    # JACK runs a client that hears itself once a period: what it played, it hears in the next.
    assert delay == jack.period
    np.testing.assert_array_equal(probe.heard[RATE // 2 + delay :], probe.signal[RATE // 2 : -delay])


def test_jack_is_one_clock_and_tells_its_period(jack):
    (device,) = list_devices()
    assert (device.host_api, native_block(device)) == ("JACK Audio Connection Kit", jack.period)
    assert PortAudioDevice().one_clock


def test_pulse_hands_back_every_sample(pulse_server):
    device, start = PortAudioDevice("mic.monitor", "mic", block=240, duplex=True), RATE
    assert device.one_clock
    for _attempt in range(4):  # where the machine is busy, a server without hardware may lose a block
        probe = Probe(signal(lead_s=1.0))
        play_through(device, probe)
        delay = delay_between(probe.signal, probe.heard)
        if np.array_equal(probe.heard[start + delay :][: RATE // 2], probe.signal[start:][: RATE // 2]):
            break
    else:
        pytest.fail("no attempt came through whole")
    assert (device.capture_latency_s, device.playback_latency_s) == (2 * 240 / RATE, 3 * 240 / RATE)


def test_pulse_nodes_are_listed_and_found_by_name(pulse_server):
    assert find_device("spk", "output").node == "spk"
    assert find_device("MIC.MON", "input").node == "mic.monitor"
    with pytest.raises(DeviceError, match=r"did you mean 'mic.monitor'"):
        find_device("mic.monitro", "input")


@pytest.mark.parametrize("server", ["jack", "pulse_server"])
def test_a_device_comes_back_after_its_server_died(server, request):
    server = request.getfixturevalue(server)
    device, probe = PortAudioDevice(block=64), Probe(np.zeros(1))
    for _ in range(2):
        before = probe.blocks
        device.open(probe.callbacks)
        device.start()
        eventually(lambda before=before: probe.blocks > before + 10, "callbacks")
        assert device.active
        server.kill()
        await_silence(probe)
        device.close()
        with pytest.raises(DeviceError, match="no audio input device"):
            device.open(probe.callbacks)
        server.start()
    device.open(probe.callbacks)
    device.close()
    device.close()
    assert not device.active


def test_a_rate_that_jack_does_not_run_at_is_refused_with_one_that_works(jack):
    with pytest.raises(DeviceError, match=r"'system' cannot run at 44100 Hz \(works: \[48000\]\).*at_rate"):
        PortAudioDevice(sample_rate=44100).open(Probe(np.zeros(1)).callbacks)


def test_more_channels_than_there_are_is_refused(jack):
    with pytest.raises(DeviceError, match="'system' has 2 input channels, 5 were asked for"):
        PortAudioDevice(in_channels=5)


@pytest.mark.parametrize("when", ["listed", "opened", "stopped"])
def test_a_server_that_dies_at_any_moment_ends_no_program(jack, when):
    device = PortAudioDevice(block=jack.period)
    if when != "listed":
        device.open(Probe(np.zeros(1)).callbacks)
    if when == "stopped":
        device.start()
        device.stop()
    jack.kill()
    device.close()
    assert list_devices() == []
    jack.start()
    assert len(list_devices()) == 1


def test_a_block_of_its_own_size_costs_jack_two_blocks(jack):
    device, probe = PortAudioDevice(block=100), Probe(signal(lead_s=1.0))
    play_through(device, probe, lambda: loop(jack))
    assert delay_between(probe.signal, probe.heard) <= 2 * 100 + jack.period
