"""`rtaudio inspect`, and `denoise` with what it wrote, from arguments to exit codes."""

import importlib.util
import json
import os
import tomllib
from pathlib import Path

import pytest
import soundfile as sf

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests import onnx_twins as twins


def assert_one_line(err, *words):
    assert err.count("\n") == 1
    assert err.startswith("rtaudio: ")
    for word in words:
        assert word in err


def test_a_proposal_is_written_proved_and_used(rtaudio, recording, tmp_path):
    model, manifest = twins.many_states(tmp_path / "m.onnx", 3), tmp_path / "m.toml"
    code, out, err = rtaudio("inspect", model, "-o", manifest)
    assert (code, err) == (0, "")
    assert "guessed: sample_rate" in out
    assert "# GUESSED" in manifest.read_text()
    assert tomllib.loads(manifest.read_text())["nets"][0]["file"] == "m.onnx"
    code, out, err = rtaudio("inspect", manifest)
    assert (code, "guessed" in out, "FAILED" in out) == (0, False, False)
    cleaned = tmp_path / "clean.wav"
    code, _, err = rtaudio("denoise", recording, "-O", cleaned, "--model", manifest)
    assert code == 0
    assert sf.info(cleaned).frames == sf.info(recording).frames
    assert sf.info(cleaned).channels == 2
    assert rtaudio("denoise", recording, "-O", cleaned, "--model", model)[0] == 0


def test_a_manifest_elsewhere_than_its_model_is_told_to_want_it(rtaudio, tmp_path):
    model, manifest = twins.many_states(tmp_path / "m.onnx", 3), tmp_path / "elsewhere.toml"
    assert rtaudio("inspect", model, "-o", manifest)[2] == ""
    (tmp_path / "there").mkdir()
    code, _, err = rtaudio("inspect", model, "-o", tmp_path / "there" / "m.toml")
    assert code == 0
    assert_one_line(err, "there/m.toml: m.onnx must lie beside it, and does not yet")


def test_what_could_not_be_told_from_a_model_is_no_name_for_a_manifest(rtaudio, tmp_path):
    model = twins.many_states(tmp_path / "m.onnx", 3)
    before = model.read_bytes()
    code, out, err = rtaudio("inspect", model, "-o", model)
    assert (code, out, model.read_bytes() == before) == (2, "", True)
    assert_one_line(err, "must end with .toml")


def test_the_proposed_command_finds_the_model_from_anywhere(rtaudio, tmp_path):
    model = twins.many_states(tmp_path / "m.onnx", 3)
    assert_one_line(
        rtaudio("bench", "--model", model)[2],
        f"`rtaudio inspect {model} -o {model.with_suffix('.toml')}` proposes one",
    )


def test_json_tells_ports_and_proofs(rtaudio, tmp_path):
    code, out, _ = rtaudio("inspect", twins.integer_audio(tmp_path / "m.onnx"), "--json")
    told = json.loads(out)
    assert (code, told["passed"], told["written"]) == (0, True, None)
    assert [port["role"] for port in told["ports"]] == ["data", "constant", "state", "data"]
    assert {proof["name"]: proof["passed"] for proof in told["proofs"]}["delay"] is True
    assert tomllib.loads(told["manifest"])["format"] == "rtaudio-onnx"


def test_batch_axes_and_what_is_not_proved_are_shown(rtaudio, tmp_path):
    code, out, _ = rtaudio("inspect", twins.flat_state(tmp_path / "m.onnx"))
    assert code == 0
    assert "batch axis" in out
    (state,) = (line for line in out.splitlines() if "new_states" in line)
    assert "[1, 784] 0 float32" in " ".join(state.split())
    assert any("sample rate not proved 16000 Hz" in " ".join(line.split()) for line in out.splitlines())


@pytest.mark.parametrize("verb", ["denoise", "bench"])
def test_a_false_delay_is_one_line_wherever_the_model_is_used(rtaudio, verb, recording, tmp_path):
    manifest = twins.manifest_of(twins.late(tmp_path / "m.onnx"))
    given = [recording, "-O", tmp_path / "o.wav"] if verb == "denoise" else ["--duration", "0.4"]
    code, out, err = rtaudio(verb, *given, "--model", manifest)
    assert (code, out) == (2, "")
    assert_one_line(err, "m.toml", "speech takes 160 samples", "says 0")
    assert not (tmp_path / "o.wav").exists()


def test_a_proof_that_fails_is_an_exit_code(rtaudio, tmp_path):
    code, out, err = rtaudio("inspect", twins.late(tmp_path / "m.onnx"))
    assert (code, err) == (2, "")
    assert "FAILED" in out


@pytest.mark.parametrize("verb", ["inspect", "denoise"])
def test_what_cannot_be_used_is_one_line(rtaudio, verb, recording, tmp_path):
    def run(path):
        extra = ["-O", tmp_path / "o.wav"] if verb == "denoise" else []
        model = ["--model", path] if verb == "denoise" else [path]
        return rtaudio(verb, *([recording] if verb == "denoise" else []), *extra, *model)

    broken = tmp_path / "cut.onnx"
    broken.write_bytes(twins.late(tmp_path / "m.onnx").read_bytes()[:-50])
    lie = twins.manifest_of(tmp_path / "m.onnx", **{"delay = 0": "delay = 7"})
    paths = [broken, lie, tmp_path / "none.toml", tmp_path / "none.onnx"]
    for path in paths:
        code, out, err = run(path)
        assert (code, out) == (2, "")
        assert_one_line(err, path.name)
    if verb == "inspect":
        code, _, err = run(twins.stateless(tmp_path / "s.onnx"))
        assert code == 2
        assert_one_line(err, "not a streaming model")
    assert not (tmp_path / "o.wav").exists()


@pytest.mark.parametrize(
    "arguments", [["inspect", "m.onnx"], ["denoise", "talk.wav", "-O", "o.wav", "--model", "m.onnx"]]
)
def test_without_onnxruntime_the_extra_is_named(rtaudio, recording, tmp_path, monkeypatch, arguments):
    twins.late(tmp_path / "m.onnx")
    monkeypatch.chdir(tmp_path)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "onnx" in name else found(name))
    code, _, err = rtaudio(*arguments)
    assert code == 3
    assert_one_line(err, "pip install 'rtaudio[onnx]'")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("crash", "crash.onnx failed at hop 20: indices element out of data bounds, idx=7 must be within "),
        ("shape", "the computed output shape for this run is {1,80}\n"),
        ("nan", "the model gave NaN or infinity at hop 20\n"),
    ],
)
def test_a_model_that_fails_in_a_file_is_one_line_and_a_good_file_stays(
    rtaudio, recording, tmp_path, how, words
):
    manifest, out = twins.failing_manifest(tmp_path, how), tmp_path / "out.wav"
    out.write_bytes(b"from another day")
    code, _, err = rtaudio("denoise", recording, "-O", out, "--model", manifest)
    assert code == 2
    assert_one_line(err, words)
    assert err.startswith(f"rtaudio: {recording}: ")
    assert out.read_bytes() == b"from another day"
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == ["out.wav"]


def test_live_a_model_that_fails_ends_the_run_with_its_summary(rtaudio, tmp_path):
    """The demo plays into the live engine, as a microphone would."""
    manifest = twins.failing_manifest(tmp_path, "crash")
    code, out, err = rtaudio("demo", "--model", manifest, "--json", "--out-dir", tmp_path / "demo")
    told = json.loads(out)
    assert (code, told["ended"], told["gil_free"]) == (2, "failed", False)
    assert "crash.onnx failed at hop 20" in told["failure"]
    assert "crash.onnx failed at hop 20" in err.splitlines()[-1]


PEERS = Path(os.environ.get("RTAUDIO_PEERS", Path(__file__).parents[2] / "../shared/peers"))
SILERO = importlib.util.find_spec("silero_vad")
OTHERS = {
    "gtcrn": PEERS / "gtcrn/gtcrn_simple.onnx",
    "ul-unas": PEERS / "ul-unas/ulunas_stream_simple.onnx",
    "dtln": PEERS / "dtln/model_1.onnx",
    "silero-vad": Path(SILERO.origin).parent / "data/silero_vad.onnx" if SILERO else Path("silero_vad.onnx"),
}


PARTS = {
    "gtcrn": ["STFT", "net", "inverse STFT"],
    "ul-unas": ["STFT", "net", "inverse STFT"],
    "dtln": ["FFT", "mask net", "inverse FFT", "time net", "overlap-add"],
    "silero-vad": ["context", "net"],
}


@pytest.mark.parametrize("name", OTHERS)
def test_bench_knows_other_projects_models(rtaudio, name):
    if not OTHERS[name].is_file():
        pytest.skip(f"{name}: no {OTHERS[name]} (RTAUDIO_PEERS, or silero-vad)")
    code, out, err = rtaudio(
        "bench", "--model", OTHERS[name], "--duration", "0.5", "--budget", "100ms", "--json"
    )
    (model,), (told,) = json.loads(out)["models"], json.loads(out)["backends"]
    assert (code, err, told["failure"], told["gil_free"]) == (0, "", "", False)
    assert told["hops"] == 10 * max(1, round(50_000 / model["period_us"]))
    assert list(told["stage_us"]) == PARTS[name]
    # A hop of time, or two where a block of 10 ms brings so many.
    assert model["verdict"]["allowed_us"] == model["period_us"] * (2 if name == "dtln" else 1)
    assert model["verdict"]["parts_ms"]["worker"] * 1000 == model["verdict"]["allowed_us"]


def test_bench_times_a_model_as_live_audio_would_run_it(rtaudio, tmp_path):
    manifest = twins.manifest_of(twins.many_states(tmp_path / "m.onnx", 2))
    code, out, err = rtaudio("bench", "--model", manifest, "--duration", "0.4", "--json")
    told = json.loads(out)
    (model,) = told["models"]
    assert (code, err, model["period_us"], model["sample_rate"]) == (0, "", 10000, 16000)
    (backend,) = told["backends"]
    assert (backend["backend"], backend["gil_free"], backend["hops"]) == ("onnx", False, 40)
    assert list(backend["stage_us"]) == ["context", "net"]
    parts_ms = model["verdict"]["parts_ms"]
    assert (parts_ms["algorithmic"], parts_ms["worker"]) == pytest.approx((5, 10))  # two resamplers; a hop
    assert model["verdict"]["allowed_us"] == 10000
    code, out, _ = rtaudio("bench", "--model", manifest, "--duration", "0.4")
    assert "onnx, not GIL-free" in out
    code, _, err = rtaudio("bench", "--model", manifest, "--backend", "torch", "--duration", "0.4")
    assert code == 2
    assert_one_line(err, "--backend onnx")
