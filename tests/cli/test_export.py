import importlib.util
import json
import tomllib

import pytest


def test_export_writes_both_files(rtaudio, model, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    code, out, err = rtaudio("export", model, tmp_path / "net.onnx", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert tomllib.loads((tmp_path / "net.toml").read_text())["sample_rate"] == 48000
    assert told["model"] == str(tmp_path / "net.onnx")
    assert told["bytes"] == (tmp_path / "net.onnx").stat().st_size


@pytest.mark.parametrize("name", ["vad", "keywords", "embedding"])
def test_a_net_that_listens_is_exported_proved_and_measured(rtaudio, name, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    manifest = tmp_path / "net.toml"
    assert rtaudio("export", name, tmp_path / "net.onnx")[0] == 0
    code, out, err = rtaudio("inspect", manifest, "--json")
    assert (code, err, json.loads(out)["passed"]) == (0, "", True)
    code, out, err = rtaudio("bench", "--model", manifest, "--duration", "0.2", "--json")
    (told,) = json.loads(out)["models"]
    assert (code, err, told["hop_length"], told["sample_rate"]) == (0, "", 160, 16000)
    code, out, err = rtaudio("denoise", tmp_path / "a.wav", "-O", tmp_path / "b.wav", "--model", manifest)
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_wrong_name_is_one_line(rtaudio, model, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    for arguments in ((model, tmp_path / "net.bin"), ("mystery", tmp_path / "net.onnx")):
        code, out, err = rtaudio("export", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)


def test_without_onnx_the_extra_is_named(rtaudio, model, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "onnx" in name else found(name))
    code, _, err = rtaudio("export", model, tmp_path / "net.onnx")
    assert (code, err.count("\n")) == (3, 1)
    assert "pip install 'rtaudio[onnx]'" in err
