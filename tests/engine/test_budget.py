import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtaudio.engine.budget import BLOCKS, COMFORT_S, plan_budget
from rtaudio.errors import BudgetError, ConfigError
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import NativeStage, Spec
from rtaudio.stream.worker import WorkerStage

RATE, HOP, LATENCY = 48000, 480, 480


def stage(hop=HOP, latency=LATENCY):
    return NativeStage(0, Arena((hop, hop)), Spec((hop,)), Spec((hop,)), latency)


@given(st.floats(26.5, 200))
def test_a_plan_keeps_its_budget_and_its_parts_add_up(budget_ms):
    plan = plan_budget(stage(), RATE, budget_ms=budget_ms)
    assert plan.total_ms <= budget_ms + 1e-6
    assert sum(plan.parts.values()) == pytest.approx(plan.total_ms)
    assert plan.block in BLOCKS
    assert plan.prefill >= plan.block + plan.ring


@given(st.floats(26.5, 200), st.floats(26.5, 200))
def test_a_larger_budget_never_leaves_less_time_to_compute(one, other):
    small, large = sorted((one, other))
    comfort = COMFORT_S * RATE
    times = [min(plan_budget(stage(), RATE, budget_ms=b).compute, comfort) for b in (small, large)]
    assert times[0] <= times[1]


def test_what_cannot_be_met_is_refused_with_numbers():
    with pytest.raises(BudgetError, match=r"1 ms can't be met.*algorithmic 10\.0.*ms more") as error:
        plan_budget(stage(), RATE, budget_ms=1)
    assert error.value.exit_code == 4


@pytest.mark.parametrize("budget_ms", [0, -5, float("nan"), float("inf")])
def test_a_budget_is_a_positive_number(budget_ms):
    with pytest.raises(ConfigError, match="above 0"):
        plan_budget(stage(), RATE, budget_ms=budget_ms)


def test_a_given_block_is_kept():
    assert plan_budget(stage(), RATE, block=441).block == 441
    with pytest.raises(BudgetError):
        plan_budget(stage(), RATE, block=1024, budget_ms=30)


@pytest.mark.parametrize("block", [1, 32, 37, 64, 100, 441, 480, 481, 1024])
@pytest.mark.parametrize("hop", [64, 128, 480, 512])
def test_the_ring_holds_what_blocks_leave_short_of_a_hop(block, hop):
    """The first output must exist when it is due, with the engine a whole block behind."""
    plan = plan_budget(stage(hop), RATE, block=block)
    received = np.arange(0, 1100) * block  # samples in before each callback pulls its block
    produced = received // hop * hop
    due = received + block - plan.prefill
    assert np.all(produced >= due)
    assert np.any(produced < due + plan.slack + block)  # and not a block more than it takes


def test_a_device_that_hands_over_two_blocks_at_once_gets_a_block_of_slack():
    assert plan_budget(stage(480), RATE, block=480, burst=2).slack == 480
    assert plan_budget(stage(480), RATE, block=480).slack == 0


@pytest.mark.parametrize(("block", "burst", "hops"), [(480, 1, 1), (480, 2, 2), (240, 2, 1), (1024, 1, 3)])
def test_the_time_a_worker_needs_for_what_comes_at_once_is_part_of_the_delay(block, burst, hops):
    plan = plan_budget(WorkerStage(stage()), RATE, block=block, burst=burst)
    assert (plan.hops_at_once, plan.latency) == (hops, LATENCY + hops * HOP)
    assert (plan.parts["algorithmic"], plan.parts["worker"]) == pytest.approx((10, 10 * hops))
    assert sum(plan.parts.values()) == pytest.approx(plan.total_ms)
    assert "worker" not in plan_budget(stage(), RATE, block=block, burst=burst).parts
