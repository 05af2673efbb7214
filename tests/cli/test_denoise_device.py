"""`rtaudio denoise --device`: a GPU that isn't there is told in one line, and the CPU does it."""

import argparse
import importlib.util

import pytest

from rtaudio.cli import denoise_live
from rtaudio.dsp.delay import Delay
from rtaudio.dsp.resample import at_rate
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.live import usual_block


def build(model, device):
    options = {"model": model, "strength": 0.5, "atten_limit": 24.0, "precision": "float32"}
    wanted = argparse.Namespace(**options, device=device, input=None)
    return denoise_live._build(wanted)


def test_without_torch_or_a_gpu_the_cpu_denoises(model, capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    stage = build(model, "cuda")
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "rtaudio[gpu]" in err
    assert "denoising on the CPU" in err
    assert not any(isinstance(part, WorkerStage) for part in stage.walk())


def test_without_a_gpu_the_cpu_denoises(model, capsys):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    stage = build(model, "cuda")
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("rtaudio: device cuda: torch")
    assert not any(isinstance(part, WorkerStage) for part in stage.walk())


def test_the_cpu_needs_no_torch(model, capsys):
    assert build(model, "cpu").latency == 480
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("hop_length", "rate", "block"),
    [(480, 48000, 480), (480, 44100, 441), (240, 44100, 147), (192, 44100, 147), (192, 96000, 384)],
)
def test_blocks_are_no_longer_than_the_model_s_hops_and_make_up_what_comes_at_once(hop_length, rate, block):
    assert usual_block(at_rate(Delay(hop_length, 0), 48000, rate)) == block


def test_files_are_denoised_on_the_cpu_whatever_the_device_and_a_line_says_so(
    rtaudio, model, recording, tmp_path
):
    said = {}
    for device in ("cpu", "cuda"):
        arguments = ("-O", tmp_path / f"{device}.wav", "--model", model, "--device", device)
        code, _, said[device] = rtaudio("denoise", recording, *arguments)
        assert code == 0
    assert "CPU" not in said["cpu"]
    assert "rtaudio: --device cuda is for live audio; files are denoised on the CPU\n" in said["cuda"]
    assert (tmp_path / "cpu.wav").read_bytes() == (tmp_path / "cuda.wav").read_bytes()


def test_misuse(rtaudio):
    code, _, err = rtaudio("denoise", "--device", "tpu")
    assert code == 2
    assert "tpu" in err
