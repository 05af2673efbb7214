import importlib.util

from rtaudio.cli.main import main


def test_a_missing_data_folder_is_one_line(tmp_path, capsys):
    missing = tmp_path / "nowhere"
    assert main(["train", "denoise", "--data", str(missing), "--out", str(tmp_path / "out")]) == 2
    assert str(missing) in capsys.readouterr().err


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


def test_hours_must_be_positive(tmp_path, capsys):
    assert main(["train", "denoise", "--data", str(tmp_path), "--hours", "-1"]) == 2
    assert "hours=-1" in capsys.readouterr().err
