"""Many streams in one step: each is what it would be alone, to the bit."""

import numpy as np
import pytest

from rtaudio.dsp.gains import Gain
from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.errors import ConfigError
from rtaudio.kernels.matmul import GROUP
from rtaudio.nn.denoise import Denoiser, tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.layers import Beside, CausalConv, Dense, Gru, Lstm, MinGru
from rtaudio.stream.batch import Each, batched
from rtaudio.stream.offline import run_frames
from rtaudio.stream.pipeline import Pipeline

HOPS = 12
RNG = np.random.default_rng(0)


def weights(*shapes):
    return [(RNG.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32) for shape in shapes]


def recurrent(gates, inputs, hidden):
    return weights((gates * hidden, inputs), (gates * hidden, hidden), (gates * hidden,), (gates * hidden,))


def denoising(precision="float32"):
    config = DenoiseConfig(n_fft=64, hop_length=32, n_bands=12, channels=70, dilations=(1, 3), hidden=9)
    shapes = tensor_shapes(config)
    tensors = dict(zip(shapes, weights(*shapes.values()), strict=True))
    denoiser = Denoiser(config, tensors, precision=precision)
    return Pipeline([Analysis(64, 32), denoiser, Synthesis(64, 32)])


INT8 = ("int8",)
STAGES = {
    "dense": lambda: Dense(*weights((70, 33), (70,)), "tanh"),
    "conv": lambda: CausalConv(*weights((70, 1, 3), (70,), (70, 70), (70,)), 2),
    "lstm": lambda: Lstm(*recurrent(4, 40, 20)),
    "gru": lambda: Gru(*recurrent(3, 33, 20)),
    "mingru": lambda: MinGru(*weights((66, 33), (66,))),
    "beside": lambda: Beside(Lstm(*recurrent(4, 33, 20))),
    "analysis": lambda: Analysis(64, 24),
    "synthesis": lambda: Synthesis(64, 32),
    "any stage": lambda: Gain(32, -6.0),
    "denoising": denoising,
    "int8 dense": lambda: Dense(*weights((70, 133), (70,)), "tanh", INT8),
    "int8 conv": lambda: CausalConv(*weights((70, 1, 3), (70,), (70, 70), (70,)), 2, INT8),
    "int8 lstm": lambda: Lstm(*recurrent(4, 40, 50), INT8),
    "int8 gru": lambda: Gru(*recurrent(3, 33, 20), INT8),
    "int8 denoising": lambda: denoising("int8"),
    "int8 weights, shared by no step": lambda: Dense(*weights((70, 33), (70,)), "tanh", ("int8-weights",)),
}


def frames_for(stage, streams):
    return RNG.standard_normal((HOPS, streams, stage.in_spec.size)).astype(np.float32)


def alone(stage, x):
    """What the stage gives for one stream's hops, from the start."""
    stage.reset()
    return run_frames(stage, x.reshape(len(x), *stage.in_spec.shape)).reshape(len(x), -1)


@pytest.mark.parametrize("streams", [1, GROUP - 1, GROUP, 2 * GROUP + 1])
@pytest.mark.parametrize("name", STAGES)
def test_a_stream_in_a_batch_is_that_stream_alone(name, streams):
    stage = STAGES[name]()
    x = frames_for(stage, streams)
    x[3:, 0] = np.nan  # one that has gone wrong keeps it to itself
    got = run_frames(batched(stage, streams), x)
    for k in range(streams):
        np.testing.assert_array_equal(got[:, k], alone(stage, x[:, k]))
    assert np.isfinite(got[:, 1:]).all()


@pytest.mark.parametrize("name", STAGES)
def test_a_stream_that_is_reset_is_new_and_the_others_go_on(name):
    stage, streams, at = STAGES[name](), 5, 7
    batch, x = batched(stage, streams), frames_for(stage, streams)
    before, _ = run_frames(batch, x[:at]), batch.reset_stream(2)
    got = np.concatenate([before, run_frames(batch, x[at:])])
    for k in (0, 1, 3, 4):
        np.testing.assert_array_equal(got[:, k], alone(stage, x[:, k]))
    np.testing.assert_array_equal(got[at:, 2], alone(stage, x[at:, 2]))


def test_an_int8_batch_reads_its_weights_once():
    """Otherwise it would be each stream's own stage, and all of the above would hold as well."""
    batch = batched(denoising("int8"), 3)
    assert not any(isinstance(part, Each) for part in batch.stages[1].walk())
    assert any(
        isinstance(part, Each) for part in batched(STAGES["int8 weights, shared by no step"](), 3).walk()
    )


def test_a_used_stage_makes_a_new_batch():
    stage = denoising()
    x = frames_for(stage, 3)
    run_frames(stage, x[:, 0])
    got = run_frames(batched(stage, 3), x)
    np.testing.assert_array_equal(got[:, 1], alone(stage, x[:, 1]))


def test_parameters_are_set_for_all_streams_or_for_one():
    stage = denoising()
    batch, x = batched(stage, 3), frames_for(stage, 3)
    denoiser = batch.stages[1]
    denoiser.set_param("strength", 0.5)
    denoiser.arena["strength"][2] = 0.0
    got = run_frames(batch, x)
    stage.stages[1].set_param("strength", 0.5)
    np.testing.assert_array_equal(got[:, 0], alone(stage, x[:, 0]))
    stage.stages[1].set_param("strength", 0.0)
    np.testing.assert_array_equal(got[:, 2], alone(stage, x[:, 2]))


def test_a_batch_needs_a_stream():
    with pytest.raises(ConfigError, match="streams=0"):
        batched(Gain(32, 0.0), 0)
