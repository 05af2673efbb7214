"""`rtaudio bench` measures the delay of a whole path on servers it sets up itself, and through a cable."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rtaudio.devices.servers import JACK_PROGRAMS, PULSE_PROGRAMS
from tests.live.conftest import need

SECONDS = "0.2"
ENGINE_PARTS = ("algorithmic", "ring", "compute", "two streams")
ROOT = Path(__file__).resolve().parents[2]


def run(*arguments):
    command = [sys.executable, "-m", "rtaudio", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def round_trip(*arguments):
    code, out, err = run("bench", "--duration", SECONDS, "--json", *arguments)
    assert code == 0, err
    assert err == ""
    report = json.loads(out)
    verdict, told = report["models"][0]["verdict"], report["round_trip"]
    own = 0 if told["through_engine"] else sum(verdict["parts_ms"][name] for name in ENGINE_PARTS)
    assert verdict["total_ms"] == pytest.approx(told["median_ms"] + own)
    assert verdict["total_ms"] == pytest.approx(sum(verdict["parts_ms"].values()))
    return told


def assert_as_declared(told):
    """Of a round trip through JACK."""
    assert told["through_engine"]
    assert told["runs"] == 5
    # Every chirp takes as long as the last, but where the dummy driver lost a period.
    assert told["spread_samples"] % 64 == 0
    # A program wired to another passes neither buffer of the sound card.
    declared = told["declared_ms"]
    between = sum(declared.values()) - declared["capture buffer"] - declared["playback buffer"]
    assert told["median_ms"] == pytest.approx(between, abs=1000 * 64 / 48000 + 0.01)
    assert told["rest_ms"] == pytest.approx(told["median_ms"] - between)


def test_through_the_engine_on_a_jack_of_its_own(model):
    need(JACK_PROGRAMS, "jackd2")
    assert_as_declared(round_trip("--jack", "--model", model))


def test_through_the_engine_with_somebodys_model(tmp_path):
    """The way goes to the model's rate, a worker, and back."""
    need(JACK_PROGRAMS, "jackd2")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from tests import onnx_twins as twins

    changes = {"look_ahead = 0": f"look_ahead = {twins.HOP}", "delay = 0": f"delay = {twins.HOP}"}
    model = twins.manifest_of(twins.late(tmp_path / "late.onnx"), **changes)
    assert_as_declared(round_trip("--jack", "--model", model))


def test_through_the_engine_on_a_pulse_of_its_own(model):
    need(PULSE_PROGRAMS, "pulseaudio pulseaudio-utils libasound2-plugins")
    told = round_trip("--pulse", "--model", model)
    assert (told["runs"], told["hops"] > 0) == (6, True)
    assert 20 < told["median_ms"] < 250
    assert told["samples"]["least"] <= told["samples"]["median"] <= told["samples"]["most"]


def test_through_a_cable(pulse_server, model):
    """What is played to a null sink comes out of its monitor: a cable."""
    told = round_trip("--loopback", "mic.monitor:mic", "--model", model)
    assert not told["through_engine"]
    assert (told["runs"], told["own_samples"]) == (5, 0)
    assert 0 < told["median_ms"] < 250


@pytest.mark.parametrize(("budget", "choice"), [("200ms", "a hop"), ("40ms", "less"), ("11ms", "refused")])
def test_blocks_are_those_that_live_audio_chooses_for_the_budget(model, budget, choice):
    """The server declares two blocks each way: 200 ms are enough for blocks of a hop, 40 are not."""
    need(PULSE_PROGRAMS, "pulseaudio pulseaudio-utils libasound2-plugins")
    told = round_trip("--pulse", "--budget", budget, "--model", model)
    assert told["path"].endswith(f"blocks of {told['block']}")
    assert (told["block"] < 480) is (choice == "less")
    assert ("a budget of 11 ms can't be met" in told["refused"]) is (choice == "refused")


def test_a_cable_that_is_not_there_is_one_line(pulse_server, model):
    code, out, err = run("bench", "--duration", SECONDS, "--loopback", "spk.monitor:mic", "--model", model)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "the chirp did not come back" in err
    code, out, err = run("bench", "--loopback", "nothing:mic", "--model", model)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "'nothing'" in err


def test_a_server_that_cannot_be_had_is_one_line(model, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for server in ("jack", "pulse"):
        code, out, err = run("bench", f"--{server}", "--model", model)
        assert (code, out, err.count("\n")) == (3, "", 1)
        assert f"needs: {'jackd' if server == 'jack' else 'pulseaudio'}" in err
