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
