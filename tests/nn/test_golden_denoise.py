"""Shipped denoisers over the bundled recording: their gains today are those of the day they were added.

`python -m tests.nn.test_golden_denoise` writes the golden gains anew, after new weights.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from rtaudio.dsp.stft import Analysis
from rtaudio.nn.denoise import NET_NAME, Denoiser
from rtaudio.nn.weights import find_weights, list_models, load_weights
from rtaudio.stream.offline import run_frames
from rtaudio.tasks.demo import load_demo

GOLDEN = Path(__file__).with_name("golden_denoise.json")


def gains(name):
    """Gains of twenty hops, half a second apart but for the net's own hop, at 12 bins up to 20 kHz."""
    denoiser = Denoiser.from_weights(load_weights(find_weights(name)))
    config, speech = denoiser.config, load_demo().noisy
    hops = speech[: speech.size // config.hop_length * config.hop_length].reshape(-1, config.hop_length)
    spectra = run_frames(Analysis(config.n_fft, config.hop_length, config.window), hops)
    every, out, rows = len(spectra) // 20, np.empty_like(spectra[0]), []
    bins = np.geomspace(2, config.n_bins * 20000 / 24000, 12).astype(int)
    for i, spectrum in enumerate(spectra):
        denoiser.process(spectrum, out)
        if i % every == every - 1:
            rows.append(denoiser.arena["gains"][bins].tolist())
    return np.array(rows)


@pytest.mark.parametrize("name", list_models(NET_NAME))
def test_gains_are_the_golden_ones(name):
    golden, got = np.array(json.loads(GOLDEN.read_text())[name]), gains(name)
    assert np.median(np.ptp(golden, axis=0)) > 0.3
    np.testing.assert_allclose(got, golden, atol=1e-5)


if __name__ == "__main__":
    tables = {name: gains(name).round(7).tolist() for name in list_models(NET_NAME)}
    GOLDEN.write_text(json.dumps(tables) + "\n")
