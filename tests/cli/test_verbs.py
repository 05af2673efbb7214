import json
import re

import pytest

from rtaudio import __version__
from rtaudio.cli.main import VERBS
from rtaudio.cli.train import NETS
from rtaudio.errors import MissingLibraryError
from rtaudio.kernels import simd_int8
from rtaudio.tasks import health


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(health, "SELF_TEST_S", 0.2)


def broken(name):
    raise MissingLibraryError("the PortAudio library is missing: sudo apt-get install libportaudio2")


def test_doctor_finds_out_about_everything(rtaudio, quick):
    code, out, _ = rtaudio("doctor", "--json")
    told = json.loads(out)
    levels = {check["name"]: check["level"] for check in told["checks"]}
    texts = {check["name"]: check["text"] for check in told["checks"]}
    assert levels["models"] == "ok"
    assert simd_int8.DOT4_KIND in texts["processor"]
    assert texts["rtaudio"].startswith(f"{__version__}, python 3.")
    assert levels["live path, 3 s"] in ("ok", "warn")
    assert code == (0 if told["healthy"] else 3)
    assert all(check["mend"] for check in told["checks"] if check["level"] == "warn")


def test_doctor_says_what_is_missing_and_how_to_get_it(rtaudio, quick, monkeypatch):
    monkeypatch.setitem(health.CHECKS, "PortAudio", broken)
    monkeypatch.setitem(health.CHECKS, "processor", lambda name: 1 / 0)
    code, out, _ = rtaudio("doctor")
    assert code == 3
    assert "apt-get install libportaudio2" in out
    assert "ZeroDivisionError" in out
    assert "live path" in out  # one failure doesn't end the examination
    assert "\x1b" not in out


def test_models_tells_what_they_cost(rtaudio):
    code, out, _ = rtaudio("models", "--json")
    told = {model["name"]: model for model in json.loads(out)}
    standard = told["standard"]
    assert code == 0
    assert standard["bytes"] <= 5_000_000
    assert standard["latency_ms"] == 10.0
    delays = {name: model["delay_ms"] for name, model in told.items() if model["delay_ms"] is not None}
    assert delays == {"standard": 20.0, "cnn": 20.0, "low-latency": 10.0}
    assert all((model["compute_us_p50"] or 0) > 0 for model in told.values() if model["name"] in delays)
    assert all((model["cpu_share"] or 0) > 0 for model in told.values() if model["name"] in delays)
    assert told["vad"]["compute_us_p50"] is told["vad"]["cpu_share"] is None
    assert standard["int8_kernels"] in simd_int8.DOT4
    shown = rtaudio("models")[1]
    assert re.search(r"standard +denoise +20 ms +\d+ µs a hop", shown)
    assert re.search(r"PESQ [\d.]+ \([\d.]+\)", shown)
    assert f": {simd_int8.DOT4_KIND}\n" in shown


def test_a_missing_library_is_exit_code_3(rtaudio, monkeypatch):
    monkeypatch.setattr("rtaudio.devices.portaudio.listing.library", lambda: broken(""))
    code, out, err = rtaudio("devices")
    assert (code, out) == (3, "")
    assert err == "rtaudio: the PortAudio library is missing: sudo apt-get install libportaudio2\n"


def test_warm_imports_every_kernel(rtaudio):
    code, out, _ = rtaudio("warm", "--json")
    assert code == 0
    assert json.loads(out)["modules"] > 30


@pytest.mark.parametrize(
    "verb", [*(verb for verb in VERBS if verb != "train"), *(f"train {net}" for net in NETS), "train keyword"]
)
def test_every_verb_has_json(rtaudio, verb):
    code, out, _ = rtaudio(*verb.replace("_", "-").split(), "--help")
    assert code == 0
    assert "--json" in out
