"""The denoiser on an engine that is too slow for a while: its own steps, rung by rung, from one state."""

import dataclasses

import numpy as np
import pytest

from rtaudio.devices.simulated import Faults, SimulatedDevice
from rtaudio.engine.budget import plan_budget
from rtaudio.engine.live import LiveEngine
from rtaudio.kernels.chain import step_arrays
from rtaudio.kernels.overload import FIRST_PATIENCE
from rtaudio.stream.stage import CHEAPER, FULL
from rtaudio.tasks.demo import load_demo
from rtaudio.tasks.denoise import build_denoiser

HOP = 480
TROUBLE = 54  # hops until the fourth late one is done


def offline(stage, rungs, hops):
    """The stage's steps of those rungs, hop by hop."""
    out = np.empty_like(hops)
    for rung, x, y in zip(rungs, hops, out, strict=True):
        assert step_arrays(*stage.step_at(rung), HOP, HOP, x, y)
    return out


@pytest.fixture(scope="module")
def live():
    """Hops in, hops out, and the engine's counts; its plan is patient enough that no late hop is replaced."""
    hops = load_demo().noisy[: 400 * HOP].reshape(400, HOP)
    faults = Faults(hop_cost_us=[100.0] * 50 + [10_500.0] * 4 + [100.0])
    device, stage = SimulatedDevice(hops.ravel(), block=HOP, faults=faults), build_denoiser()
    plan = dataclasses.replace(plan_budget(stage, 48000, block=HOP), slack=2 * HOP)
    with LiveEngine(stage, device, plan) as engine:
        assert engine.wait(60)
    return hops, device.output[plan.prefill :][: hops.size].reshape(400, HOP), engine.stats()


def test_it_is_int8_while_there_is_trouble_and_float32_again_after(live):
    hops, out, stats = live
    assert (stats.overload_level, stats.deadline_misses, stats.ring_underflows) == (0, 4, 0)
    rungs = [CHEAPER if TROUBLE <= k < TROUBLE + FIRST_PATIENCE else FULL for k in range(400)]
    np.testing.assert_array_equal(out, offline(build_denoiser(), rungs, hops))


def test_neither_change_can_be_heard_as_a_step(live):
    """What int8 adds to the sound moves no faster where the rungs meet than between."""
    hops, out, _ = live
    added = (out - offline(build_denoiser(), [FULL] * 400, hops)).ravel()
    steps = np.abs(np.diff(added))
    last = TROUBLE + FIRST_PATIENCE
    assert not added[: TROUBLE * HOP].any()
    between = steps[(TROUBLE + 2) * HOP : (last - 1) * HOP].max()
    for change in (TROUBLE, last):
        assert steps[(change - 1) * HOP : (change + 1) * HOP].max() <= between
    assert between > 0
