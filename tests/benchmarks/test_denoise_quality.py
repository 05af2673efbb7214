import re

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

from benchmarks.denoise_quality import (
    JUDGED,
    aged_pairs,
    goals_beyond,
    main,
    mean_with_interval,
    natural,
    read_pairs,
    run,
    snr_label,
)
from benchmarks.report import Report
from benchmarks.systems import rnnoise
from benchmarks.voices import age_group, language
from rtaudio.training.data import build_store
from rtaudio.training.evaluate import Pair


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


def test_beyond_stands_beside_whoever_is_here_and_notes_who_is_not(capsys):
    def scores(value):
        return {name: np.array([value, np.nan]) for name in JUDGED}

    report = Report("denoise_quality")
    here = {"standard": 2.0, "low-latency": 1.0, "cnn": 3.0, "RNNoise 0.2": 2.0, "GTCRN": 3.0, "UL-UNAS": 1.5}
    goals_beyond(report, {name: scores(value) for name, value in here.items()})
    verdicts = {}
    for goal in report.goals:
        assert not goal.required
        asked = re.sub(r"^beyond: (.*): .*, against", r"\1, against", goal.name)
        verdicts.setdefault(asked, []).append(goal.met)
    assert verdicts == {
        "standard, against UL-UNAS": [True] * 3,
        "low-latency, against RNNoise 0.2": [False] * 3,
        "cnn, against GTCRN": [True] * 3,
    }
    assert "standard against DTLN is left out: DTLN isn't here" in capsys.readouterr().out


def test_voices_are_told_by_language_and_age():
    told = {
        "speechocean762/so0122": ("English, by Mandarin speakers", "child"),
        "speechocean762/so9107": ("English, by Mandarin speakers", "youth"),
        "speechocean762/so9601": ("English, by Mandarin speakers", "adult"),
        "GCompris-voices/gc_es_smart4kids": ("Spanish", "not told"),
        "dataset-voice-kerstin/kerstin": ("German", "not told"),
        "someone": ("not told", "not told"),
    }
    assert {speaker: (language(speaker), age_group(speaker)) for speaker in told} == told


def test_ages_are_drawn_from_recordings_at_16_khz_alone(tmp_path):
    """Of a store with a speaker whose age is told and one whose isn't, the first is heard."""
    rng = np.random.default_rng(0)
    speech, noise = tmp_path / "data" / "speech", tmp_path / "data" / "noise"
    for folder, column, names in ((speech, "speaker", ("so0122", "so0960")), (noise, "class", ("rain",))):
        folder.mkdir(parents=True)
        source = "speechocean762" if folder is speech else "somewhere"
        lines = [f"path,source,{column},split,rate,seconds,licence"]
        for name in names:
            soundfile.write(folder / f"{name}.wav", 0.1 * rng.standard_normal(2 * 16000), 16000)
            lines.append(f"{name}.wav,{source},{name},valid,16000,2,CC0")
        (folder / "index.csv").write_text("\n".join(lines) + "\n")
    store = build_store(tmp_path / "data", tmp_path / "store", splits=("valid",))
    pairs = aged_pairs(store, 4)
    assert {pair.speaker for pair in pairs} == {"speechocean762/so0122"}
    assert len(store.select("speech", "valid")) == 2
    store.clips = [clip for clip in store.clips if not clip.group.endswith("so0122")]
    assert aged_pairs(store, 4) == []


def buzz(seed):
    rng, t = np.random.default_rng(seed), np.arange(2 * 48000) / 48000
    clean = 0.05 * sum(np.sin(2 * np.pi * 150 * k * t) / k for k in range(1, 20))
    clean = (clean * (1 + np.sin(2 * np.pi * 4 * t))).astype(np.float32)
    noise = 0.02 * rng.standard_normal(clean.size).astype(np.float32)
    return Pair(clean, clean + noise, 5.0, "speechocean762/so0122", "somewhere/rain")


def test_one_run_judges_the_behaviour_of_every_model_named(monkeypatch, capsys):
    """Of systems that do next to nothing, on two pairs."""
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    monkeypatch.setattr("benchmarks.systems.ours", lambda model, **options: lambda x: 0.5 * x)
    monkeypatch.setattr("benchmarks.denoise_quality.ours", lambda model, **options: lambda x: 0.5 * x)
    monkeypatch.setattr("benchmarks.systems.installed", lambda name: False)
    monkeypatch.setenv("RTAUDIO_PEERS", "nowhere")
    pairs, report = [buzz(0), buzz(1)], Report("denoise_quality")
    run(report, pairs, pairs[:1], ["standard", "cnn"], None)
    met = {(goal.name, goal.op): goal.met for goal in report.goals}
    for model in ("standard", "cnn"):
        assert met[f"{model}: clean speech, SI-SDR dB", ">="]
        assert not met[f"{model}: speech level in the mixes, dB", ">="]  # 6 dB down
        assert met[f"{model}: speech level in the mixes, dB", "<="]
    assert ("low-latency: clean speech, SI-SDR dB", ">=") not in met
    titles = [table.title for table in report.tables]
    assert {"SI-SDR gain dB by language", "SI-SDR gain dB by age", "STOI % by age"} <= set(titles)
    assert "no recordings of singing" in capsys.readouterr().out
