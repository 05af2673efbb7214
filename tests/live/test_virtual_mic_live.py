"""The virtual microphone as another program meets it."""

import os
import signal
import subprocess
import sys

import numpy as np

from rtaudio.devices import pulse, virtual_mic
from rtaudio.devices.portaudio import PortAudioDevice
from rtaudio.devices.servers import eventually
from rtaudio.devices.virtual_mic import VirtualMic
from rtaudio.tasks.probe import Probe

RATE = 48000
TONE = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(20 * RATE) / RATE)).astype(np.float32)
HOLD = """
import time
from rtaudio.devices.virtual_mic import VirtualMic
with VirtualMic():
    print("up", flush=True)
    time.sleep(99)
"""


def is_a_tone(x):
    """Whether a second of sound is our tone and hardly anything else."""
    power = np.abs(np.fft.rfft(x)) ** 2
    return power[995:1006].sum() > 0.99 * power.sum() > 0


def test_another_program_records_what_is_played_to_it(pulse_server, tmp_path):
    with VirtualMic("test_mic", "a test microphone") as mic:
        (listed,) = [node for node in pulse.sources() if node.name == "test_mic"]
        assert (listed.description, listed.monitor_of) == ("a test microphone", "")
        device, probe = PortAudioDevice("mic.monitor", mic.sink, block=480, duplex=True), Probe(TONE)
        device.open(probe.callbacks)
        device.start()
        form = ["--raw", "--format=float32le", f"--rate={RATE}", "--channels=1", "--latency-msec=20"]
        target = tmp_path / "heard.raw"
        recorder = subprocess.Popen(["parec", "-d", "test_mic", *form, str(target)])
        try:
            last = lambda: np.fromfile(target, np.float32)[-RATE:] if target.exists() else TONE[:0]  # noqa: E731
            eventually(lambda: last().size == RATE and is_a_tone(last()), "a tone in the recording")
        finally:
            recorder.terminate()
            recorder.wait()
            device.close()
    assert "test_mic" not in [node.name for node in pulse.sources()]


def test_what_a_killed_program_left_is_healed_by_the_next(pulse_server):
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "up\n"
        os.kill(process.pid, signal.SIGKILL)
    (left,) = virtual_mic.status()
    assert (left.name, left.alive, len(left.modules)) == ("rtaudio_mic", False, 2)
    with VirtualMic():
        (mine,) = virtual_mic.status()
        assert (mine.pid, mine.alive) == (os.getpid(), True)
    assert virtual_mic.status() == []
    assert pulse.available()


def test_a_server_that_died_is_no_trouble_at_exit(pulse_server):
    with VirtualMic():
        pulse_server.kill()
    assert not pulse.available()
