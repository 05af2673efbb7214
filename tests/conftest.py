"""Fixtures that several folders use."""

import os
import tempfile

import pytest

from rtaudio.tasks import enrol
from tests.tone_words import embedding_model, fit_tone, tone_model, vad_model


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
    monkeypatch.setenv("RTAUDIO_WORDS", str(tmp_path / "words"))
    return tmp_path / "words"
