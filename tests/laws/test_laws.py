"""Every shipped stage x every law. A new stage is one more line in CASES."""

import numpy as np
import pytest

from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.dsp.delay import Delay
from rtaudio.dsp.gains import Gain
from rtaudio.dsp.mel import MelSpectrogram, Mfcc
from rtaudio.dsp.resample import Resample, at_rate
from rtaudio.dsp.spotter import Spotter
from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.engine.live import LiveEngine
from rtaudio.nn.denoise import Denoiser, tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.embedding import TAPS, EmbeddingNet, WordHead, WordNet
from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.frames import Lookback, Strided, Unit
from rtaudio.nn.keywords import KeywordNet
from rtaudio.nn.keywords_config import KeywordConfig
from rtaudio.nn.layers import Beside, CausalConv, Dense, Gru, Lstm, MinGru
from rtaudio.nn.product import FLOAT32
from rtaudio.nn.sequence import CONTEXT, STATES, WordScores, WordStates
from rtaudio.nn.speech import tensor_shapes as speech_shapes
from rtaudio.nn.vad import VadNet
from rtaudio.nn.vad_config import VadConfig
from rtaudio.stream.batch import batched
from rtaudio.stream.listen import Listen, Tell
from rtaudio.stream.native import native_stage
from rtaudio.stream.offline import run_offline
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.several import Several
from rtaudio.stream.worker import WorkerStage
from rtaudio.testing import Case, laws_for
from tests.tone_words import WORDS, tone_net


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


def conv(channels, dilation, precisions=FLOAT32):
    shapes = (channels, 1, 3), (channels,), (channels, channels), (channels,)
    return CausalConv(*weights(*shapes), dilation, precisions)


def int8_layers(precision):
    return {
        "dense": (lambda: Dense(*weights((70, 133), (70,)), "tanh", (precision,)), 1),
        "causal conv": (lambda: conv(70, 4, (precision,)), 10),
        "lstm": (lambda: Lstm(*recurrent(4, 33, 20), (precision,)), 1),
        "gru": (lambda: Gru(*recurrent(3, 33, 20), (precision,)), 1),
        "mingru": (lambda: MinGru(*weights((66, 33), (66,)), (precision,)), 4),
    }


def denoiser(precision="float32"):
    config = DenoiseConfig(n_bands=24, channels=70, dilations=(1, 4), hidden=20)
    shapes = tensor_shapes(config)
    return Denoiser(config, dict(zip(shapes, weights(*shapes.values()), strict=True)), precision=precision)


def denoising_pipeline():
    return Pipeline([Analysis(960, 480), denoiser(), Synthesis(960, 480)])


def spotter(rate, gated=False):
    gate = Pipeline([tone_net(), Dense(*weights((1, 2), (1,)), "sigmoid")]) if gated else None
    return Spotter([tone_net(), tone_net()], [*WORDS, "again", "anew"], rate, gate=gate)


def speech_net(net, config, *heads, precision="float32"):
    shapes = speech_shapes(config)
    tensors = dict(zip(shapes, weights(*shapes.values()), strict=True))
    return net(config, tensors, *heads, precision=precision)


def keyword_net(stride, precision="float32"):
    config = KeywordConfig(stride=stride, words=("yes", "no"), dilations=(1, 2))
    return speech_net(KeywordNet, config, precision=precision)


def embedding_net():
    return speech_net(EmbeddingNet, EmbeddingConfig(channels=40, dilations=(1, 3), size=16))


def word_net(precision="float32"):
    states = WordStates(*weights((STATES, CONTEXT * 16), (STATES,)), 0.1, 3)
    heads = [WordHead(*weights((TAPS * 16,)), 0.1, 0.5, states=one) for one in (states, None)]
    config = EmbeddingConfig(channels=40, dilations=(1, 3), size=16)
    return speech_net(WordNet, config, heads, precision=precision)


def word_scores():
    """Of two words, one with states that last three strides at most."""
    states = WordStates(*weights((STATES, CONTEXT * 3), (STATES,)), 0.1, 3)
    heads, before = weights((2, TAPS * 3), (2,)), np.ones(CONTEXT * 3, np.float32)
    return WordScores(*heads, [states, WordStates.none(3)], before)


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
    "stft 1536/192, asymmetric": Case(lambda: stft(1536, 192, "asymmetric"), passes_delta=True, bound=1.1),
    "stft 400/150, asymmetric": Case(lambda: stft(400, 150, "asymmetric"), passes_delta=True, bound=1.1),
    "stft 960/480": Case(lambda: stft(960, 480), passes_delta=True, bound=1.1),
    "resample 44.1 to 48": Case(lambda: Resample(44100, 48000, 441), passes_delta=True, bound=3),
    "resample 48 to 44.1": Case(lambda: Resample(48000, 44100, 480), passes_delta=True, bound=3),
    "resample 48 to 16": Case(lambda: Resample(48000, 16000, 480), passes_delta=True, bound=3),
    "resample 8 to 96": Case(lambda: Resample(8000, 96000, 80), passes_delta=True, bound=3),
    "resampled stft": Case(
        lambda: Pipeline([Resample(44100, 48000, 441), stft(960, 480), Resample(48000, 44100, 480)]),
        passes_delta=True,
        bound=3,
    ),
    "resampled to mel": Case(
        lambda: Pipeline(
            [Resample(44100, 16000, 441), Analysis(512, 160), MelSpectrogram(512, 16000, 40, log="db")]
        )
    ),
    "dense": Case(lambda: Dense(*weights((70, 33), (70,)), "tanh"), bound=1),
    "causal conv": Case(lambda: conv(70, 4), bound=10),
    "mingru": Case(lambda: MinGru(*weights((66, 33), (66,))), bound=4),
    "lstm": Case(lambda: Lstm(*recurrent(4, 33, 20)), bound=1),
    "gru": Case(lambda: Gru(*recurrent(3, 33, 20)), bound=1),
    **{
        f"{name}, {precision}": Case(make, bound=bound)
        for precision in ("int8-weights", "int8")
        for name, (make, bound) in int8_layers(precision).items()
    },
    "beside": Case(lambda: Beside(Gru(*recurrent(3, 33, 20))), bound=4),
    "denoiser": Case(denoiser, bound=4),
    "denoiser, int8": Case(lambda: denoiser("int8"), bound=4),
    "denoising pipeline": Case(denoising_pipeline, bound=1.1),
    "strided": Case(lambda: Strided(Gru(*recurrent(3, 99, 20)), 33, 3), bound=1),
    "lookback": Case(lambda: Lookback(7, 3, 2), bound=4),
    "unit": Case(lambda: Unit(70), bound=1.001),
    "keywords": Case(lambda: keyword_net(2), bound=1),
    "keywords, every hop": Case(lambda: keyword_net(1), bound=1),
    "voice activity": Case(lambda: speech_net(VadNet, VadConfig(channels=20, dilations=(1, 2))), bound=1),
    "embedding": Case(embedding_net, bound=1.001),
    "enrolled words": Case(word_net, bound=1),
    "keywords, int8": Case(lambda: keyword_net(2, "int8"), bound=1),
    "enrolled words, int8": Case(lambda: word_net("int8"), bound=1),
    "word scores": Case(word_scores, bound=1),
    "samples to keywords": Case(lambda: Pipeline([Analysis(320, 160), keyword_net(2)]), bound=1),
    "denoising pipeline, 5 streams": Case(lambda: batched(denoising_pipeline(), 5), bound=1.1),
    "gru, 6 streams": Case(lambda: batched(Gru(*recurrent(3, 33, 20)), 6), bound=1),
    "any stage, 2 streams": Case(lambda: batched(Delay(128, 300), 2), bound=1),
    "mel": Case(lambda: MelSpectrogram(512, 16000, 40, log="ln")),
    "mfcc": Case(lambda: Mfcc(40, 13)),
    "worker": Case(lambda: WorkerStage(Gain(160, -6.0)), passes_delta=True, bound=1),
    "worker with a spare": Case(
        lambda: WorkerStage(Delay(160, 7), 1, Pipeline([Delay(160, 7)])), passes_delta=True, bound=1
    ),
    "worker in a pipeline": Case(
        lambda: Pipeline([Gain(160, 6.0), WorkerStage(Delay(160, 7), 2), Gain(160, -6.0)]), passes_delta=True
    ),
    "several": Case(lambda: Several(stft(320, 160), 3), passes_delta=True, bound=1.1),
    "several of a worker": Case(
        lambda: Several(Pipeline([Gain(160, -6.0), WorkerStage(Delay(160, 7))]), 3),
        passes_delta=True,
        bound=1,
    ),
    "5 ms at 44.1 kHz": Case(
        lambda: at_rate(stft(960, 240, "asymmetric"), 48000, 44100), passes_delta=True, bound=3
    ),
    "4 ms at 22.05 kHz": Case(lambda: at_rate(stft(384, 192), 48000, 22050), passes_delta=True, bound=3),
    "spotter": Case(lambda: spotter(16000)),
    "spotter behind a gate": Case(lambda: spotter(48000, gated=True)),
    "denoise, then spot": Case(
        lambda: Pipeline([Analysis(960, 480), denoiser(), spotter(48000), Synthesis(960, 480)]), bound=1.1
    ),
    "listen": Case(
        lambda: Listen(Pipeline([Analysis(320, 160), spotter(16000)])), passes_delta=True, bound=1
    ),
    "tell": Case(lambda: Tell((160,)), passes_delta=True, bound=1),
    "pipeline, two deep": Case(
        lambda: Pipeline([Pipeline([stft(320, 160), Pipeline([Delay(160, 7)])]), Gain(160, -6.0)]),
        passes_delta=True,
    ),
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


@native_stage(state={"last": 0.0})
def decaying(state, x, out):
    for i in range(x.size):
        state.last = np.float32(0.9) * state.last + x[i]
        out[i] = state.last


def test_denormal_numbers_are_zero():
    """A decay ends in silence; denormal arithmetic would go on, slowly, for ever."""
    stage = decaying(480)
    impulse, silence, out = np.ones(480, np.float32), np.zeros(480, np.float32), np.empty(480, np.float32)
    stage.process(impulse, out)
    for _ in range(4):  # 0.9 to the power of 830 is the least normal number
        stage.process(silence, out)
    assert not out.any()
    assert stage.arena["last"] == 0.0
    tiny = np.float32(1e-40)
    assert tiny * np.float32(0.5) != 0.0  # and Python's own arithmetic is as it was


def test_denormal_numbers_are_zero_live_as_offline():
    x = np.zeros(4800, np.float32)
    x[:480] = 1.0
    stage = Pipeline([decaying(480), *[Gain(480, 120.0) for _ in range(6)]])  # 1e-38 is loud now
    engine = LiveEngine(stage.clone(), SimulatedDevice(x))
    with engine:
        assert engine.wait(30)
    got, expected = engine.device.output[engine.plan.prefill :][: x.size], run_offline(stage, x)
    assert np.max(np.abs(expected)) > 0
    np.testing.assert_array_equal(got, expected)
