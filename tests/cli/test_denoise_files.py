import json

import numpy as np
import soundfile as sf

from rtaudio.stream.offline import run_offline
from rtaudio.tasks.denoise import build_denoiser

RNG = np.random.default_rng(1)


def test_the_file_is_what_offline_gives(rtaudio, model, tmp_path):
    x = 0.1 * RNG.standard_normal(50000).astype(np.float32)
    sf.write(tmp_path / "in.wav", x, 48000, subtype="FLOAT")
    code, _, err = rtaudio("denoise", tmp_path / "in.wav", "-O", tmp_path / "out.wav", "--model", model)
    assert code == 0
    assert "real time" in err
    stage = build_denoiser(model)
    expected = run_offline(stage, x)[stage.latency :]
    np.testing.assert_array_equal(sf.read(tmp_path / "out.wav", dtype="float32")[0], expected)


def test_8_khz_stereo_in_16_bits_stays_so(rtaudio, model, tmp_path):
    sf.write(tmp_path / "in.wav", 0.1 * RNG.standard_normal((4001, 2)), 8000, subtype="PCM_16")
    assert rtaudio("denoise", tmp_path / "in.wav", "-O", tmp_path / "out.wav", "--model", model)[0] == 0
    info = sf.info(tmp_path / "out.wav")
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (8000, 2, 4001, "PCM_16")


def test_strength_0_changes_nothing(rtaudio, model, recording, tmp_path):
    out = tmp_path / "out.wav"
    assert rtaudio("denoise", recording, "-O", out, "--model", model, "--strength", "0")[0] == 0
    np.testing.assert_allclose(sf.read(out)[0], sf.read(recording)[0], atol=2.0**-15)


def test_int8_is_close_and_something_else_is_refused(rtaudio, model, recording, tmp_path):
    results = {}
    for precision in ("float32", "int8", "int4"):
        out = tmp_path / f"{precision}.wav"
        code, _, err = rtaudio("denoise", recording, "-O", out, "--model", model, "--precision", precision)
        results[precision] = sf.read(out)[0] if code == 0 else err
    off = np.abs(results["int8"] - results["float32"])
    assert 0 < off.max() < 0.02
    assert "--precision" in results["int4"]


def test_json_tells_of_every_file(rtaudio, model, recording, tmp_path):
    arguments = ("denoise", recording, "--out-dir", tmp_path / "clean", "--model", model, "--json")
    code, out, _ = rtaudio(*arguments)
    told = json.loads(out)
    assert (code, told["done"], told["audio_s"]) == (0, 1, 0.5)
    assert told["results"][0]["out"] == str(tmp_path / "clean" / "talk.wav")
    assert json.loads(rtaudio(*arguments, "--resume")[1])["skipped"] == 1
