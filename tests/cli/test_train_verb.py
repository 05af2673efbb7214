import importlib.util
import json
from types import SimpleNamespace

import pytest

from rtaudio.cli.main import main


def test_a_missing_data_folder_is_one_line(tmp_path, capsys):
    missing = tmp_path / "nowhere"
    assert main(["train", "denoise", "--data", str(missing), "--out", str(tmp_path / "out")]) == 2
    assert str(missing) in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_missing_torch_says_how_to_install_it(tmp_path, capsys, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "torch" else real(name, *a)
    )
    assert main(["train", "denoise", "--data", str(tmp_path)]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "pip install 'rtaudio[train]'" in error


def test_resuming_nothing_is_refused(tmp_path, capsys):
    assert main(["train", "denoise", "--data", str(tmp_path), "--out", str(tmp_path), "--resume"]) == 2
    assert "nothing to resume" in capsys.readouterr().err


@pytest.mark.parametrize("length", [["--hours=-1"], ["--steps", "0"], ["--steps", "2", "--hours", "1"]])
def test_a_run_has_one_length_above_zero(tmp_path, capsys, length):
    with pytest.raises(SystemExit, match="2"):
        main(["train", "denoise", "--data", str(tmp_path), *length])
    assert length[0].split("=")[0] in capsys.readouterr().err


@pytest.mark.parametrize("net", ["denoise", "vad"])
def test_json_is_all_there_is_on_stdout(tmp_path, capsys, monkeypatch, net):
    def train(*arguments, console, **options):
        console.print("step 1")
        return SimpleNamespace(progress=SimpleNamespace(history=[{"step": 1}]))

    monkeypatch.setattr("rtaudio.training.denoise.train_denoise", train)
    monkeypatch.setattr("rtaudio.training.speech_loop.train_speech", train)
    assert main(["train", net, "--data", str(tmp_path), "--out", str(tmp_path), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"net": net, "out": str(tmp_path), "history": [{"step": 1}]}
    assert err == "step 1\n"


@pytest.mark.parametrize("net", ["denoise", "keywords", "vad", "embedding"])
def test_a_run_may_start_from_a_shipped_model(tmp_path, monkeypatch, net):
    started = {}

    def train(*arguments, **options):
        started.update(options)
        return SimpleNamespace(progress=SimpleNamespace(history=[]))

    monkeypatch.setattr("rtaudio.training.denoise.train_denoise", train)
    monkeypatch.setattr("rtaudio.training.speech_loop.train_speech", train)
    assert main(["train", net, "--data", str(tmp_path), "--out", str(tmp_path), "--start", "vad"]) == 0
    assert [path.name for path in started["start"]] == ["vad.npz"]


def test_an_embedding_may_learn_from_others_and_no_other_net(tmp_path, monkeypatch, capsys):
    told = {}

    def train(*arguments, **options):
        told.update(options)
        return SimpleNamespace(progress=SimpleNamespace(history=[]))

    monkeypatch.setattr("rtaudio.training.speech_loop.train_speech", train)
    rest = ["--data", str(tmp_path), "--out", str(tmp_path), "--teachers", "embedding", "embedding"]
    assert main(["train", "embedding", *rest]) == 0
    assert [path.name for path in told["teachers"]] == ["embedding.npz"] * 2
    with pytest.raises(SystemExit):
        main(["train", "vad", *rest])
    assert "--teachers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("net", "options", "length"),
    [
        ("vad", [], (1.0, None)),
        ("embedding", [], (None, 1066)),
        ("embedding", ["--hours", "0.5"], (0.5, None)),
        ("embedding", ["--steps", "7"], (None, 7)),
    ],
)
def test_how_long_a_run_is(tmp_path, monkeypatch, net, options, length):
    runs = []

    def train(make, paths, run, **_):
        runs.append((run.hours, run.steps))
        return SimpleNamespace(progress=SimpleNamespace(history=[]))

    monkeypatch.setattr("rtaudio.training.speech_loop.train_speech", train)
    assert main(["train", net, "--data", str(tmp_path), "--out", str(tmp_path), *options]) == 0
    assert runs == [length]


def test_a_gpu_that_is_not_there_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["train", "vad", "--data", str(tmp_path), "--device", "cuda"]) == 3
    error = capsys.readouterr().err
    assert error.startswith("rtaudio: --device cuda: torch")
    assert error.count("\n") == 1
