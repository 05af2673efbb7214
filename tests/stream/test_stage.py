import re
from itertools import cycle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtaudio.errors import ConfigError
from rtaudio.kernels.chain import step_arrays
from rtaudio.stream.native import native_stage
from rtaudio.stream.offline import run_offline
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.several import Several
from rtaudio.stream.stage import CHEAPER, FULL, HOLD

NOISE = np.random.default_rng(0).standard_normal(4000).astype(np.float32)


@native_stage(params={"gain": 1.0}, state={"last": 0.0})
def smooth(state, x, out):
    for i in range(x.size):
        state.last += np.float32(0.1) * (state.gain * x[i] - state.last)
        out[i] = state.last


@native_stage(state={"history": np.zeros(64), "at": 0})
def delay(state, x, out):
    for i in range(x.size):
        j = state.at % 64
        old = state.history[j]
        state.history[j] = x[i]
        out[i] = old
        state.at += 1


def make(hop_length=96):
    return Pipeline([smooth(hop_length, gain=0.5), delay(hop_length, latency=64)])


def reference(x, gain=0.5):
    y, last = np.zeros(x.size + 64), 0.0
    for i, v in enumerate(np.append(x, np.zeros(64))):
        last += 0.1 * (gain * v - last)
        if i + 64 < y.size:
            y[i + 64] = last
    return y


def test_user_stages_chain():
    np.testing.assert_allclose(run_offline(make(), NOISE), reference(NOISE), atol=1e-6)


@given(st.lists(st.integers(1, 1024), min_size=1), st.integers(1, 300))
def test_output_depends_neither_on_block_sizes_nor_on_hop(blocks, hop_length):
    np.testing.assert_array_equal(
        run_offline(make(hop_length), NOISE, blocks=cycle(blocks)), run_offline(make(), NOISE)
    )


def test_reset_clone_and_saved_state_go_on_bit_exactly():
    stage = make()
    first, rest = NOISE[:960], NOISE[960:]
    run = lambda s, x: np.concatenate([step(s, x[i : i + 96]) for i in range(0, x.size - 95, 96)])  # noqa: E731

    def step(s, x):
        out = np.empty_like(x)
        s.process(x, out)
        return out

    run(stage, first)
    saved, twin = stage.save_state(), stage.clone()
    expected = run(stage, rest)
    np.testing.assert_array_equal(run(twin, rest), expected)
    other = make()
    other.load_state(saved)
    np.testing.assert_array_equal(run(other, rest), expected)
    stage.reset()
    np.testing.assert_array_equal(run(stage, NOISE), run(make(), NOISE))


@native_stage(params={"gain": 1.0}, state={"last": 0.0})
def half_as_smooth(state, x, out):
    for i in range(x.size):
        state.last += np.float32(0.2) * (state.gain * x[i] - state.last)
        out[i] = state.last


@native_stage(params={"gain": 1.0}, state={"last": 0.0})
def held(state, x, out):
    for i in range(x.size):
        out[i] = state.last


def with_rungs(hop_length=96):
    stage = smooth(hop_length)
    stage.cheaper_entry, stage.hold_entry = half_as_smooth(96).entry, held(96).entry
    return stage


def at_rung(stage, rung):
    """The first and the last sample of a hop of ones, run there."""
    x, out = np.ones(96, np.float32), np.empty(96, np.float32)
    assert step_arrays(*stage.step_at(rung), 96, 96, x, out)
    return out[0], out[-1]


def test_the_steps_of_all_rungs_share_one_state():
    stage = with_rungs()
    assert at_rung(stage, HOLD) == (0, 0)
    first, last = at_rung(stage, FULL)
    assert first == pytest.approx(0.1)
    assert at_rung(stage, HOLD) == (last, last)
    assert at_rung(stage, CHEAPER)[0] == pytest.approx(last + 0.2 * (1 - last))


@pytest.mark.parametrize("cloned", [False, True])
@pytest.mark.parametrize(
    "build",
    [
        lambda: Pipeline([Pipeline([with_rungs(), delay(96)]), smooth(96)]),
        lambda: Pipeline([Several(with_rungs(32), 3)]),
    ],
    ids=["pipeline", "several"],
)
def test_stages_are_taken_to_the_rung(build, cloned):
    pipeline = build()
    run = pipeline.clone() if cloned else pipeline
    state = run.stages[0].children[0].arena
    at_rung(run, HOLD)
    assert state["last"] == 0
    at_rung(run, CHEAPER)
    assert state["last"] == pytest.approx(1 - 0.8**96, abs=1e-6)
    if cloned:
        assert pipeline.stages[0].children[0].arena["last"] == 0


def test_a_stage_without_rungs_has_one_step():
    stage = Pipeline([smooth(96)])
    assert stage.step_at(FULL) == stage.step_at(CHEAPER) == stage.step_at(HOLD)
    only_cheaper = smooth(96)
    only_cheaper.cheaper_entry = 1234
    assert only_cheaper.step_at(HOLD) == only_cheaper.step_at(CHEAPER) == (1234, only_cheaper.arena.address)


def test_parameters_survive_reset():
    stage = smooth(96)
    stage.set_param("gain", 0.25)
    stage.reset()
    assert stage.params == {"gain": 0.25}


def test_misuse_is_named():
    with pytest.raises(ConfigError, match="volume"):
        smooth(96, volume=1)
    with pytest.raises(ConfigError, match=r"\(96,\).*\(64,\)"):
        Pipeline([smooth(96), smooth(64)])
    with pytest.raises(ConfigError, match=r"\(96,\)"):
        smooth(96).process(NOISE[:64], NOISE[:64].copy())
    with pytest.raises(ConfigError, match="can't be compiled"):
        native_stage(lambda state, x, out: len(open))(64)
    with pytest.raises(ConfigError, match=r"shape=\(4\.5,\).* whole number"):
        smooth(hop_length=4.5)


@native_stage(params={"gain": 1.0}, state={"last": 0.0})
def reads_zz(state, x, out):
    out[0] = state.zz


@native_stage(params={"gain": 1.0}, state={"last": 0.0})
def writes_zz(state, x, out):
    state.zz = x[0]


@pytest.mark.parametrize("stage", [reads_zz, writes_zz])
def test_a_state_that_is_not_declared_is_named(stage):
    with pytest.raises(ConfigError, match=rf"^{stage.__name__} uses state\.zz, .* declares: gain, last$"):
        stage(96)


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.zeros(96), "float64 of (96,)"),
        (np.zeros(192, np.float32)[::2], "strided float32 of (96,)"),
        ([0.0] * 96, "a list"),
    ],
)
def test_process_says_which_arrays_it_takes(x, told):
    with pytest.raises(ConfigError, match=f"C-contiguous arrays of float32, not {re.escape(told)} and"):
        smooth(96).process(x, np.zeros(96, np.float32))


@pytest.mark.parametrize("x", [NOISE.reshape(-1, 2), NOISE[None], NOISE.astype(np.complex64)])
def test_run_offline_says_what_it_takes(x):
    with pytest.raises(ConfigError, match=rf"shape \(n,\), not {x.dtype} of {re.escape(str(x.shape))}"):
        run_offline(smooth(96), x)
