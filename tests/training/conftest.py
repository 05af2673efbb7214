import pytest
from toy_recordings import write_recordings

from rtaudio.training.data import build_store


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    write_recordings(folder)
    return folder


@pytest.fixture(scope="session")
def store(recordings, tmp_path_factory):
    return build_store(recordings, tmp_path_factory.mktemp("cache"))
