import numpy as np
import pytest

from rtaudio.dsp.delay import Delay
from rtaudio.errors import ConfigError
from rtaudio.stream.offline import run_offline

NOISE = np.random.default_rng(0).standard_normal(5000).astype(np.float32)


@pytest.mark.parametrize("samples", [0, 1, 479, 480, 481, 3000])
@pytest.mark.parametrize("hop_length", [1, 480])
def test_it_is_the_input_later(samples, hop_length):
    out = run_offline(Delay(hop_length, samples), NOISE)
    np.testing.assert_array_equal(out, np.concatenate([np.zeros(samples, np.float32), NOISE]))


def test_in_place():
    x = NOISE[:480].copy()
    Delay(480, 100).process(x, x)
    np.testing.assert_array_equal(x[100:], NOISE[:380])


def test_misuse_is_named():
    with pytest.raises(ConfigError, match="samples=-1"):
        Delay(480, -1)
