"""Every shipped stage x every law. A new stage is one more line in CASES."""

import numpy as np
import pytest

from rtaudio.dsp.delay import Delay
from rtaudio.dsp.gains import Gain
from rtaudio.dsp.mel import MelSpectrogram, Mfcc
from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.nn.denoise import Denoiser, tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.layers import Beside, CausalConv, Dense, Gru, Lstm
from rtaudio.stream.native import native_stage
from rtaudio.stream.pipeline import Pipeline
from rtaudio.testing import Case, laws_for


@native_stage(params={"gain": 1.0}, state={"last": 0.0})
def leaky(state, x, out):
    for i in range(x.size):
        state.last += state.gain * (x[i] - state.last)
        out[i] = state.last


def stft(n_fft, hop_length, window="sqrt_hann"):
    return Pipeline([Analysis(n_fft, hop_length, window), Synthesis(n_fft, hop_length, window)])


def weights(*shapes):
    """One array of each shape, small enough that no layer passes its bound."""
    rng = np.random.default_rng(0)
    return [(rng.standard_normal(shape) / shape[-1]).astype(np.float32) for shape in shapes]


def recurrent(gates, inputs, hidden):
    return weights((gates * hidden, inputs), (gates * hidden, hidden), (gates * hidden,), (gates * hidden,))


def conv(channels, dilation):
    return CausalConv(*weights((channels, 1, 3), (channels,), (channels, channels), (channels,)), dilation)


def denoiser():
    config = DenoiseConfig(n_bands=24, channels=70, dilations=(1, 4), hidden=20)
    shapes = tensor_shapes(config)
    return Denoiser(config, dict(zip(shapes, weights(*shapes.values()), strict=True)))


def denoising_pipeline():
    return Pipeline([Analysis(960, 480), denoiser(), Synthesis(960, 480)])


CASES = {
    "user stage": Case(lambda: leaky(480, gain=0.9), passes_delta=True, bound=1),
    "gain": Case(lambda: Gain(480, -6.0), passes_delta=True, bound=1),
    "delay": Case(lambda: Delay(128, 300), passes_delta=True, bound=1),
    "no delay": Case(lambda: Delay(128, 0), passes_delta=True, bound=1),
    "analysis": Case(lambda: Analysis(960, 480)),
    "synthesis": Case(lambda: Synthesis(960, 480)),
    "stft 320/160": Case(lambda: stft(320, 160), passes_delta=True, bound=1.1),
    "stft 480/160, hann": Case(lambda: stft(480, 160, "hann"), passes_delta=True, bound=1.1),
    "stft 512/100": Case(lambda: stft(512, 100), passes_delta=True, bound=1.1),
    "stft 960/480": Case(lambda: stft(960, 480), passes_delta=True, bound=1.1),
    "dense": Case(lambda: Dense(*weights((70, 33), (70,)), "tanh"), bound=1),
    "causal conv": Case(lambda: conv(70, 4), bound=10),
    "lstm": Case(lambda: Lstm(*recurrent(4, 33, 20)), bound=1),
    "gru": Case(lambda: Gru(*recurrent(3, 33, 20)), bound=1),
    "beside": Case(lambda: Beside(Gru(*recurrent(3, 33, 20))), bound=4),
    "denoiser": Case(denoiser, bound=4),
    "denoising pipeline": Case(denoising_pipeline, bound=1.1),
    "mel": Case(lambda: MelSpectrogram(512, 16000, 40, log="ln")),
    "mfcc": Case(lambda: Mfcc(40, 13)),
    "samples to mfcc": Case(
        lambda: Pipeline([Analysis(512, 160), MelSpectrogram(512, 16000, 40, log="db"), Mfcc(40, 13)])
    ),
    "pipeline in a pipeline": Case(
        lambda: Pipeline([Gain(160, 6.0), stft(320, 160), Delay(160, 7), Gain(160, -6.0)]), passes_delta=True
    ),
}


@pytest.mark.parametrize(
    ("law", "name"),
    [pytest.param(law, name, id=f"{name}-{law.__name__}") for name in CASES for law in laws_for(CASES[name])],
)
def test_law(law, name):
    law(CASES[name])
