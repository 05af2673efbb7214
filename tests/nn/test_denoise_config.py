import numpy as np
import pytest

from rtaudio.errors import ConfigError
from rtaudio.nn.denoise_config import (
    DenoiseConfig,
    band_centres,
    erb_bands,
    erb_frequency_hz,
    erb_rate,
)

CONFIGS = [DenoiseConfig(), DenoiseConfig(n_fft=512, n_bands=32), DenoiseConfig(n_fft=64, n_bands=33)]


@pytest.mark.parametrize("config", CONFIGS)
def test_bands_cover_every_bin_and_none_is_empty(config):
    bands = erb_bands(config)
    assert bands.shape == (config.n_bands, config.n_bins)
    np.testing.assert_allclose(bands.sum(1), 1, rtol=1e-6)
    assert bands.min() == 0
    assert (bands.max(0) > 0).all()
    assert ((bands > 0).sum(0) <= 2).all()


def test_high_bands_are_equally_spaced_on_the_erb_scale():
    config = DenoiseConfig()
    rates = [erb_rate(50 * bin_) for bin_ in band_centres(config)]
    assert np.ptp(np.diff(rates)[100:]) < 0.1  # a bin is at most 0.07 of an ERB up there
    assert band_centres(config)[[0, -1]].tolist() == [0, 480]


def test_erb_scale_is_glasberg_and_moores():
    assert erb_rate(1000) == pytest.approx(15.6, abs=0.05)
    assert erb_frequency_hz(erb_rate(1234.5)) == pytest.approx(1234.5)


@pytest.mark.parametrize("change", [{"n_bands": 482}, {"n_bands": 1}, {"dilations": ()}, {"hidden": -1}])
def test_what_cannot_work_is_named(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        DenoiseConfig(**change)
