import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

from benchmarks.denoise_quality import main, mean_with_interval, natural, read_pairs, snr_label
from benchmarks.systems import rnnoise


def test_intervals_hold_the_mean_and_leave_out_what_was_not_measured():
    assert mean_with_interval(np.array([2.0, 2.0, np.nan])) == "2.00 (2.00 to 2.00)"
    assert mean_with_interval(None) is None
    low, high = mean_with_interval(np.arange(101.0)).split("(")[1].rstrip(")").split(" to ")
    assert 40 < float(low) < 50 < float(high) < 60


def test_snr_steps_sort_by_value():
    labels = [snr_label(x) for x in (12.0, -4.9, 0.0, 4.9)]
    assert labels == ["10 to 15", "-5 to 0", "0 to 5", "0 to 5"]
    assert sorted(set(labels), key=natural) == ["-5 to 0", "0 to 5", "10 to 15"]


def test_pairs_are_read_at_48_khz(tmp_path):
    x = 0.1 * np.random.default_rng(0).standard_normal(16000)
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, x, 16000)
    (tmp_path / "pairs.csv").write_text("noisy,clean,snr_db\na.wav,b.wav,5\n")
    (pair,) = read_pairs(tmp_path, None)
    assert pair.clean.size == pair.noisy.size == 48000
    assert pair.snr_db == 5


def test_rnnoise_is_aligned_with_what_it_was_given():
    pytest.importorskip("pyrnnoise")
    t = np.arange(48000) / 48000
    buzz = sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 20))
    x = (0.05 * buzz * (1 + np.sin(2 * np.pi * 4 * t))).astype(np.float32)
    y = rnnoise(x)
    match = [y[200:-200] @ x[200 + lag : x.size - 200 + lag] for lag in range(-150, 151)]
    assert abs(int(np.argmax(match)) - 150) <= 1


def test_missing_data_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RTAUDIO_DATA", str(tmp_path / "nowhere"))
    assert main(["--quick"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
