"""Several hops at once are those hops, one by one."""

import numpy as np
import pytest

from rtaudio.dsp.delay import Delay
from rtaudio.dsp.gains import Gain
from rtaudio.dsp.resample import Resample
from rtaudio.dsp.stft import Analysis
from rtaudio.errors import ConfigError
from rtaudio.stream.native import native_stage
from rtaudio.stream.offline import run_frames
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.several import Several
from rtaudio.stream.worker import WorkerStage
from rtaudio.testing import white_noise

NOISE = white_noise(12 * 160).reshape(12, 160)


@native_stage(params={"gain": 1.0}, state={"last": 0.0})
def leaky(state, x, out):
    for i in range(x.size):
        state.last += state.gain * (x[i] - state.last)
        out[i] = state.last


@pytest.mark.parametrize("count", [1, 3])
def test_it_is_the_hops_one_by_one(count):
    got = run_frames(Several(leaky(160, gain=0.1), count), NOISE.reshape(-1, count * 160))
    np.testing.assert_array_equal(got.ravel(), run_frames(leaky(160, gain=0.1), NOISE).ravel())


def test_a_clone_drives_a_stage_of_its_own():
    stage = Several(leaky(160, gain=0.1), 3)
    hops, out = NOISE.reshape(4, 480), np.zeros(480, np.float32)
    stage.process(hops[0], out)
    other = stage.clone()
    expected = run_frames(stage, hops[1:])
    np.testing.assert_array_equal(run_frames(other, hops[1:]), expected)


def test_workers_get_the_time_that_several_hops_take():
    worker = WorkerStage(Delay(160, 7), 2)
    stage = Several(Pipeline([Gain(160, -6.0), worker]), 3)
    assert stage.stage.stages[1].delay_hops == 4
    assert stage.stage.stages[1].inner is worker.inner
    assert stage.latency == 7 + 4 * 160
    run_frames(stage, NOISE.reshape(4, 480))
    assert stage.stage.stages[1].late_hops == 0


def test_it_keeps_the_ratio_and_the_exact_latency():
    inner = Resample(48000, 16000, 480)
    stage = Several(inner, 2)
    assert (stage.in_spec.size, stage.out_spec.size, stage.ratio) == (960, 320, inner.ratio)
    assert stage.exact_latency == inner.exact_latency


@pytest.mark.parametrize(
    ("stage", "count", "message"),
    [(Delay(160, 0), 0, "count=0"), (Analysis(320, 160), 2, r"not \(160,\) -> \(161, 2\)")],
)
def test_misuse_is_named(stage, count, message):
    with pytest.raises(ConfigError, match=message):
        Several(stage, count)
