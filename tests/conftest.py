"""Fixtures that several folders use."""

import os
import shutil
import subprocess
import tempfile

import pytest

if not shutil.which("nvidia-smi"):
    os.environ["TRITON_INTERPRET"] = "1"  # a GPU's kernels on the CPU; read when Triton is imported

from rtaudio.tasks import enrol, synthetic
from tests.tone_words import as_alike, embedding_model, fit_tone, tone_model, vad_model


def pytest_configure(config):
    """Words that whoever runs the tests has taught are none of theirs, nor of programs that tests start."""
    folder = tempfile.TemporaryDirectory()
    config.add_cleanup(folder.cleanup)
    os.environ["RTAUDIO_WORDS"] = folder.name


@pytest.fixture(scope="session")
def tone_models(tmp_path_factory):
    """A folder with nets that know tones, under the names of the shipped ones."""
    folder = tmp_path_factory.mktemp("models")
    tone_model(folder / "keywords.npz")
    vad_model(folder / "vad.npz")
    embedding_model(folder / "embedding.npz")
    return folder


@pytest.fixture
def tones(tone_models, monkeypatch, tmp_path):
    """Those nets in place of the shipped ones, and no words of one's own; the folder for them."""
    monkeypatch.setattr("rtaudio.nn.weights.DIRECTORY", tone_models)
    monkeypatch.setattr(enrol, "fit_word", fit_tone)
    monkeypatch.setattr(synthetic, "alike", as_alike(1.0))
    monkeypatch.setenv("RTAUDIO_WORDS", str(tmp_path / "words"))
    return tmp_path / "words"


@pytest.fixture
def chromium(tmp_path):
    """Show a page in a real browser: `chromium(file, *flags)` gives what it printed, and its log."""
    if not shutil.which("chromium") and not os.environ.get("CI"):
        pytest.skip("chromium is not installed")
    command = ["chromium", "--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking"]
    command += [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--window-size=1000,2600",
        "--enable-logging=stderr",
    ]

    def show(file, *flags):
        done = subprocess.run([*command, *flags, file.as_uri()], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0
        return done.stdout, done.stderr

    return show
