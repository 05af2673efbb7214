import dataclasses

import numpy as np
import pytest
import soundfile as sf

from rtaudio.cli.main import main
from rtaudio.nn.denoise import NET_NAME, tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.weights import save_weights

NOISE = 0.1 * np.random.default_rng(0).standard_normal((24000, 2)).astype(np.float32)


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A small net with weights from nowhere: enough to see what the program around it does."""
    rng = np.random.default_rng(0)
    config = dataclasses.replace(DenoiseConfig(), channels=16, hidden=8)
    tensors = {n: 0.2 * rng.standard_normal(s).astype(np.float32) for n, s in tensor_shapes(config).items()}
    return str(save_weights(tmp_path_factory.mktemp("models") / "random.npz", NET_NAME, config, tensors))


@pytest.fixture
def rtaudio(capsys, monkeypatch):
    """Run the program in this process: `code, out, err = rtaudio("devices", "--json")`."""
    monkeypatch.delenv("RTAUDIO_DEBUG", raising=False)

    def run(*arguments):
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as left:  # argparse's way out
            code = left.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def recording(tmp_path):
    """A good stereo recording."""
    path = tmp_path / "talk.wav"
    sf.write(path, NOISE, 48000)
    return path
