"""The program itself on real servers: what it plays, what it records, how it ends."""

import contextlib
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from rtaudio.devices.portaudio import PortAudioDevice
from rtaudio.devices.servers import eventually
from rtaudio.dsp.resample import at_rate
from rtaudio.nn.denoise import NET_NAME, tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.weights import save_weights
from rtaudio.stream.offline import run_offline
from rtaudio.tasks.denoise import build_denoiser
from rtaudio.tasks.probe import Probe
from tests.live.conftest import Program

ROOT = Path(__file__).resolve().parents[2]


def random_model(folder, **sizes):
    rng = np.random.default_rng(0)
    config = DenoiseConfig(channels=16, hidden=8, **sizes)
    tensors = {n: 0.2 * rng.standard_normal(s).astype(np.float32) for n, s in tensor_shapes(config).items()}
    return str(save_weights(folder / "random.npz", NET_NAME, config, tensors))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return random_model(tmp_path_factory.mktemp("models"))


def start(*arguments):
    return Program(
        [sys.executable, "-m", "rtaudio", *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments):
    with start(*arguments) as process:
        out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return process.returncode, out, err


def until_running(process):
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "running" in line:
            return seen
    pytest.fail(f"ended before it ran: {seen}")


def play_noise_into(server, sink, folder):
    """Keep white noise, never twice the same, playing into a null sink."""
    path = folder / "noise.f32"
    (0.1 * np.random.default_rng(0).standard_normal(48000 * 120)).astype("<f4").tofile(path)
    form = ("--raw", "--rate=48000", "--channels=1", "--format=float32le", "--latency-msec=20")
    server.run("pacat", "--playback", f"--device={sink}", *form, str(path))


@contextlib.contextmanager
def noise_into(jack, client="PortAudio"):
    """Play noise into a JACK client from this process, another client."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(jack.sample_rate * 60)
    device, probe = PortAudioDevice(sample_rate=jack.sample_rate, block=jack.period), Probe(noise)
    device.open(probe.callbacks)
    device.start()
    try:
        (own,) = {port.split(":")[0] for port in jack.ports()} - {"system", client}
        jack.wire(f"{own}:out_0", f"{client}:in_0")
        yield
    finally:
        device.close()


def test_what_goes_out_is_what_offline_makes_of_what_came_in(pulse_server, model, tmp_path):
    play_noise_into(pulse_server, "mic", tmp_path)
    files = tmp_path / "in.wav", tmp_path / "out.wav"
    ends = ("-i", "mic.monitor", "-o", "spk")
    code, out, err = run("denoise", "--model", model, *ends, "--duration", "3", "--record", *files, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["ended"] == "duration"
    x, y = (sf.read(path, dtype="float32")[0] for path in files)
    assert np.std(x) > 0.01  # the noise was heard
    expected = run_offline(build_denoiser(model), x)[: y.size]
    wrong = np.flatnonzero(expected[: y.size] != y)
    late = told["stats"]["ring_underflows"] + told["stats"]["jumps"]
    assert wrong.size == 0 or late > 0
    assert wrong.size < y.size / 2


def test_jack_is_within_its_budget_and_refuses_less(jack, model):
    arguments = ("denoise", "--model", model, "--duration", "0.5", "--json")
    code, out, err = run(*arguments, "--budget", "30ms")
    assert code == 0, err
    told = json.loads(out)["budget"]
    assert told["block"] == jack.period
    assert told["total_ms"] <= 30
    code, _, err = run(*arguments, "--budget", "15ms")
    assert code == 4
    assert "15 ms can't be met" in err
    assert err.count("\n") == 1


def test_an_unknown_device_is_named_with_those_there_are(jack, model):
    code, _, err = run("denoise", "--model", model, "-i", "sistem")
    assert code == 3
    assert "'system'" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_playable_recordings(jack, model, tmp_path, number):
    files = tmp_path / "in.wav", tmp_path / "out.wav"
    with start("denoise", "--model", model, "--record", *files, "--json") as process:
        until_running(process)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert json.loads(out)["ended"] == "interrupted"
    assert all(sf.info(path).samplerate == 48000 for path in files)


def test_the_virtual_microphone_lasts_as_long_as_the_stream(pulse_server, model):
    with start("denoise", "--model", model, "-i", "mic.monitor", "--virtual-mic", "Clean voice") as process:
        until_running(process)
        (mic,) = json.loads(run("virtual-mic", "--status", "--json")[1])
        assert (mic["name"], mic["alive"]) == ("Clean_voice", True)
        assert "Clean voice" in pulse_server.ask("pactl", "list", "sources")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert run("virtual-mic", "--status")[1] == "no virtual microphone\n"


def test_a_microphone_with_letters_of_any_language_is_known_again(pulse_server, model):
    with start("denoise", "--model", model, "-i", "mic.monitor", "--virtual-mic", "Clean vöice") as process:
        until_running(process)
        (mic,) = json.loads(run("virtual-mic", "--status", "--json")[1])
        assert (mic["name"], mic["alive"]) == ("Clean_v_ice", True)
        listed = json.loads(run("devices", "--json")[1])
        assert "(null)" not in [device["name"] for device in listed]
        process.kill()
        process.communicate()
    with start("denoise", "--model", model, "-i", "mic.monitor", "--virtual-mic", "声") as process:
        until_running(process)
        (mic,) = json.loads(run("virtual-mic", "--status", "--json")[1])
        assert mic["pid"] == process.pid  # the killed one's was healed
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_killed_one_s_microphone_is_removed(pulse_server, model):
    with start("denoise", "--model", model, "-i", "mic.monitor", "--virtual-mic") as process:
        until_running(process)
        process.kill()
        process.communicate()
    assert "left behind" in run("virtual-mic", "--status")[1]
    assert "removed" in run("virtual-mic", "--unload")[1]
    assert eventually(lambda: "no virtual" in run("virtual-mic", "--status")[1], "the removal")


@pytest.mark.parametrize(
    ("hop_length", "window", "also"),
    [(480, "sqrt_hann", ""), (240, "asymmetric", ", and 2 hops of 5 ms at once")],
)
def test_a_device_at_another_rate_is_resampled(jack_44100, tmp_path, hop_length, window, also):
    model = random_model(tmp_path, hop_length=hop_length, window=window)
    files = tmp_path / "in.wav", tmp_path / "out.wav"
    with start("denoise", "--model", model, "--record", *files, "--duration", "3", "--json") as process:
        heard = until_running(process)
        with noise_into(jack_44100):
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    (said,) = [line for line in heard if "44100" in line]
    assert said == (
        f"rtaudio: the device runs at 44100 Hz: resampled to 48000 and back, 1.8 ms of delay{also}\n"
    )
    told = json.loads(out)["budget"]
    assert (told["sample_rate"], told["hop_length"], told["block"]) == (44100, 441, jack_44100.period)
    assert told["parts_ms"]["algorithmic"] == pytest.approx(hop_length / 48 + 1000 * 2 * 40 / 44100, abs=0.02)
    (x, rate), (y, _) = (sf.read(path, dtype="float32") for path in files)
    assert rate == 44100
    assert np.std(x) > 0.01  # the noise was heard
    expected = run_offline(at_rate(build_denoiser(model), 48000, 44100), x)[: y.size]
    np.testing.assert_array_equal(y, expected)


def test_a_rate_without_whole_hops_is_refused_in_a_line(jack_22073, model):
    code, _, err = run("denoise", "--model", model)
    assert code == 3
    assert "at 22073 Hz hops are no whole number of samples" in err
    assert err.count("\n") == 1


def test_a_server_that_comes_back_at_another_rate_is_resampled(jack, model):
    with start("denoise", "--model", model, "--json") as process:
        until_running(process)
        jack.kill()
        jack.sample_rate, jack.period = 44100, 128
        jack.start()
        said = eventually(lambda: re.search(".* is back.*", process.stderr.readline()), "the device's return")
        assert said[0] == "rtaudio: the device is back, at 44100 Hz where it was 48000"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    told = json.loads(out)
    assert (told["budget"]["sample_rate"], told["budget"]["block"]) == (44100, 128)
    assert told["stats"]["restarts"] >= 1
    assert told["budget"]["parts_ms"]["capture buffer"] == pytest.approx(2.9, abs=0.1)
