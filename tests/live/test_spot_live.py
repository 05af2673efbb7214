"""Spotting on real servers: a microphone and no speakers, words as they are played."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rtaudio.devices.portaudio import PortAudioDevice
from rtaudio.devices.servers import eventually
from tests.live.conftest import Program, jack_at
from tests.tone_words import script, tone_model

ROOT = Path(__file__).resolve().parents[2]
EVERY_S = 4.0
"""The words "low" and "high" are played again and again, in rounds of so many seconds."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(tone_model(tmp_path_factory.mktemp("models") / "tones.npz"))


def start(*arguments):
    return Program(
        [sys.executable, "-m", "rtaudio", *map(str, arguments)],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def play_words_into(server, sink, folder):
    """Keep the words playing into a null sink."""
    path = folder / "words.f32"
    once = script(48000, (0.5, "low"), (2.5, "high"), seconds=EVERY_S)
    np.tile(once, 30).astype("<f4").tofile(path)
    form = ("--raw", "--rate=48000", "--channels=1", "--format=float32le", "--latency-msec=20")
    server.run("pacat", "--playback", f"--device={sink}", *form, str(path))


def until_running(process):
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "running" in line:
            return
    pytest.fail(f"ended before it ran: {seen}")


def test_words_played_are_words_told(pulse_server, model, tmp_path):
    play_words_into(pulse_server, "mic", tmp_path)
    with start("spot", "-i", "mic.monitor", "--model", model, "--exec", "echo heard {keyword}") as process:
        until_running(process)
        heard = [json.loads(process.stdout.readline()) for _ in range(4)]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    words = [event["word"] for event in heard]
    assert words in (["low", "high"] * 2, ["high", "low"] * 2)  # one event an utterance
    apart = np.diff([event["time_s"] for event in heard])
    np.testing.assert_allclose(apart, 2.0, atol=0.2)
    assert "heard low" in err
    assert "commands: 4 started" in err


def test_the_summary_and_the_end_by_duration(pulse_server, model):
    with start("spot", "-i", "mic.monitor", "--model", model, "--duration", "1", "--json") as process:
        out, err = process.communicate(timeout=120)
    told = json.loads(out)
    assert process.returncode == 0, err
    assert (told["ended"], told["events"], told["words"]) == ("duration", [], ["low", "high"])
    assert told["seconds"] > 0.3
    assert told["counters"]["ring over/underflows"] == 0


def test_jack_needs_no_speakers(jack, model):
    with start("spot", "--model", model, "--duration", "1", "--json") as process:
        out, err = process.communicate(timeout=120)
    told = json.loads(out)
    assert process.returncode == 0, err
    assert told["seconds"] > 0.3
    assert told["stats"]["output_underflows"] == 0


@pytest.mark.parametrize("rate", [11025, 22050, 44100])
def test_jack_at_a_rate_of_its_own(rate, model):
    with jack_at(rate), start("spot", "--model", model, "--duration", "1", "--json") as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert json.loads(out)["seconds"] == pytest.approx(1.0, abs=0.9)


def test_a_rate_at_which_no_hops_are_whole_is_refused_in_one_line(jack_22073, model):
    with start("spot", "--model", model) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "22073 Hz hops are no whole number of samples: set the device to 48000 Hz" in err
    assert err.count("\n") == 1


def test_a_microphone_alone_opens_an_input_only(jack):
    device = PortAudioDevice(block=jack.period, out_channels=0)
    assert device.one_clock
    assert device.output == device.input


def test_an_unknown_microphone_is_named_with_those_there_are(jack, model):
    with start("spot", "--model", model, "-i", "sistem") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "'system'" in err
    assert err.count("\n") == 1


def test_a_lost_server_is_waited_for_and_words_are_heard_again(pulse_server, model, tmp_path):
    with start("spot", "-i", "mic.monitor", "--model", model) as process:
        until_running(process)
        pulse_server.kill()
        assert eventually(lambda: "gone" in process.stderr.readline(), "notice of the loss")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
