import numpy as np
import pytest

from rtaudio.dsp.gains import Gain
from rtaudio.errors import ConfigError
from rtaudio.stream.offline import run_offline

NOISE = np.random.default_rng(0).standard_normal(4800).astype(np.float32)


@pytest.mark.parametrize("gain_db", [-120.0, -6.02, 0.0, 20.0])
def test_constant_gain_is_a_product(gain_db):
    out = run_offline(Gain(480, gain_db), NOISE)
    np.testing.assert_array_equal(out, NOISE * np.float32(10 ** (np.float32(gain_db) / 20.0)))


def test_silence():
    assert not run_offline(Gain(480, -np.inf), NOISE).any()


def test_a_change_is_a_straight_ramp_over_one_hop():
    stage, ones, out = Gain(100), np.ones(100, np.float32), np.empty(100, np.float32)
    stage.process(ones, out)
    stage.set_param("gain_db", -np.inf)
    stage.process(ones, out)
    np.testing.assert_allclose(out, 1 - np.arange(1, 101) / 100, atol=1e-6)
    stage.process(ones, out)
    assert not out.any()


def test_after_reset_it_starts_at_the_gain_asked_for():
    stage = Gain(480)
    run_offline(stage, NOISE)
    stage.set_param("gain_db", -20.0)
    stage.reset()
    np.testing.assert_array_equal(run_offline(stage, NOISE), run_offline(Gain(480, -20.0), NOISE))


@pytest.mark.parametrize("gain_db", [np.nan, np.inf, 121.0])
def test_misuse_is_named(gain_db):
    with pytest.raises(ConfigError, match=f"gain_db={gain_db}"):
        Gain(480, gain_db)
    with pytest.raises(ConfigError, match=f"gain_db={gain_db}"):
        Gain(480).set_param("gain_db", gain_db)
