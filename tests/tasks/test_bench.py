"""What `rtaudio bench` makes of times: on known ones, and on a stage of known cost."""

import json

import numpy as np
import pytest

from rtaudio import __version__
from rtaudio.errors import ConfigError
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import NativeStage, Spec
from rtaudio.stream.timing import HopTimes
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.bench import BenchSettings, Parts
from rtaudio.tasks.bench_compare import compare, read_report
from rtaudio.tasks.bench_delay import DEVICE_MEASURED, MEASURED, along, planned
from rtaudio.tasks.bench_ratio import BESIDE, LEAST_ROUNDS, beside, draw, resampled, slower_than_first
from rtaudio.tasks.bench_subject import IN_TURN, Subject
from rtaudio.tasks.bench_summary import Runs, judge, percentiles, summarise
from rtaudio.tasks.machine import environment, machine_line, same_machine
from rtaudio.tasks.roundtrip import RoundTrip

PERIOD_NS = 10_000_000


def hop_times(costs_us, wake_us=50.0, stages=(0.25, 0.75)):
    """Paced hops of these costs, each stage its share; a hop begins when it is due or the last is done."""
    due = (1 + np.arange(len(costs_us))) * PERIOD_NS
    marks, free = np.zeros((len(costs_us), 2 + len(stages)), np.int64), 0
    for k, cost in enumerate(costs_us):
        begun = max(due[k] + int(1000 * wake_us), free)
        ends = begun + np.cumsum([int(1000 * cost * share) for share in stages])
        marks[k], free = [due[k], begun, *ends], ends[-1]
    return HopTimes(marks, PERIOD_NS)


def told_of(costs_us, rounds=1):
    parts = np.array_split(np.asarray(costs_us, float), rounds)
    paced, warm = [hop_times(part) for part in parts], [hop_times([100.0])]
    return {"model": "m"} | summarise(Runs("native", True, ("a", "b"), PERIOD_NS, paced, warm))


def test_percentiles_of_known_numbers_and_of_too_few():
    told = percentiles(np.arange(1001.0))
    assert told == pytest.approx({"p50": 500, "p95": 950, "p99": 990, "p99.9": 1000 - 1, "max": 1000})
    assert percentiles(np.arange(999.0))["p99.9"] is None
    assert percentiles(np.arange(99.0))["p99"] is None
    assert percentiles(np.zeros(0)) == dict.fromkeys(("p50", "p95", "p99", "p99.9", "max"))


def test_injected_spikes_are_counted_placed_and_shared_out():
    costs = np.full(2000, 400.0)
    costs[[100, 700, 1999]] = 12000.0
    told = told_of(costs, rounds=2)
    assert told["missed_hops"] == [100, 700, 1999]
    assert (told["deadline_misses"], told["hops"]) == (3, 2000)
    assert told["compute_us"]["p50"] == pytest.approx(400)
    assert told["compute_us"]["max"] == pytest.approx(12000)
    assert told["stage_us"]["b"]["p50"] == pytest.approx(300)
    assert told["rtf"] == pytest.approx(costs.mean() / 10000)
    assert told["wake_us"]["max"] == pytest.approx(50)
    assert told["samples"]["rounds"] == [1000, 1000]


class Same(NativeStage):
    """Only sizes: 480 samples in, 480 out, 480 later."""

    def __init__(self):
        super().__init__(0, Arena(()), Spec((480,)), Spec((480,)), 480)


@pytest.mark.parametrize(
    ("budget_ms", "cost_us", "fits", "word"),
    [(40, 500, True, "fits 40 ms"), (20, 500, False, "the least"), (40, 6000, False, "hops are late")],
)
def test_the_verdict(budget_ms, cost_us, fits, word):
    delay = planned(Same(), 48000, budget_ms)
    verdict = judge(delay, budget_ms, told_of(np.full(1000, float(cost_us))))
    assert verdict["fits"] is fits
    assert word in verdict["line"]
    assert "\n" not in verdict["line"]
    assert verdict["needed_us"] == pytest.approx(cost_us + 50)
    assert sum(verdict["parts_ms"].values()) == pytest.approx(verdict["total_ms"])
    assert list(verdict["parts_ms"].values()) == sorted(verdict["parts_ms"].values(), reverse=True)
    assert verdict["parts_ms"]["algorithmic"] == pytest.approx(10)
    assert (verdict["basis"], verdict["most_ms"]) == ("", verdict["total_ms"])


def test_what_runs_in_python_has_the_time_of_its_worker():
    """3 ms would be late for the 2.7 ms that the engine has; behind a worker there are 10."""
    stage = WorkerStage(Same())
    subject = Subject(stage, 48000, PERIOD_NS, [], {}, None, lambda streams: None, IN_TURN)
    assert subject.worker_us == 10_000
    delay = planned(stage, 48000, 60.0)
    told = told_of(np.full(1000, 3000.0))
    assert not judge(delay, 60.0, told)["fits"]
    verdict = judge(delay, 60.0, told, subject.worker_us)
    assert verdict["fits"]
    assert verdict["parts_ms"]["worker"] == verdict["parts_ms"]["algorithmic"] == pytest.approx(10)
    assert sum(verdict["parts_ms"].values()) == pytest.approx(delay.total_ms)
    assert not judge(delay, 60.0, told_of(np.full(1000, 10500.0)), subject.worker_us)["fits"]


BUDGET_MS = 100.0  # none to speak of


def pulse_trip(**changes):
    """What a round trip through PulseAudio told: 62.1 ms of the 85 that are declared, 70 at most."""
    declared = {"capture buffer": 20.0, "ring": 0.0, "algorithmic": 10.0, "compute": 20.0}
    declared |= {"two streams": 15.0, "playback buffer": 20.0}
    delays = (2980, 2980, 2981, 2981, 3360)
    return RoundTrip("a server", True, 900, delays, declared, 480, burst=2, duplex=False, **changes).as_dict()


@pytest.mark.parametrize(
    ("budget_ms", "cost_us", "fits"),
    [(60, 500, False), (69, 500, False), (71, 500, True), (71, 21000, False)],
)
def test_the_verdict_is_on_the_round_trip_that_was_measured(budget_ms, cost_us, fits):
    """By its longest run, and with the time for a hop that the engine has there: 20 ms."""
    delay = along(pulse_trip(), Same(), 48000, BUDGET_MS, own=True)
    verdict = judge(delay, budget_ms, told_of(np.full(1000, float(cost_us))))
    assert verdict["fits"] is fits
    head, words = ("" if fits else "does not ") + f"fit{'s' * fits} {budget_ms} ms: ", verdict["line"]
    assert words.startswith(
        f"{head}62.1 ms measured (up to 70.0, blocks of 480) = algorithmic 10.0 + ring 0.0"
    )
    assert " + device 40.0 - rest 22.9" in words
    assert ("hops are late" in words) is (cost_us > 20000)
    assert (
        sum(verdict["parts_ms"].values())
        == pytest.approx(verdict["total_ms"])
        == pytest.approx(62.104, abs=1e-3)
    )
    assert (verdict["basis"], verdict["block"], verdict["allowed_us"]) == (MEASURED, 480, 20_000)


def test_parts_that_the_chirp_went_past_are_none_of_what_was_measured():
    """As through JACK, where a probe is wired to the engine itself."""
    delay = along(pulse_trip(buffered=False), Same(), 48000, BUDGET_MS, own=True)
    assert delay.parts["device"] == 0
    assert delay.parts["rest"] == pytest.approx(62.104 - 45, abs=1e-3)
    assert delay.total_ms == pytest.approx(62.104, abs=1e-3)


def test_what_was_measured_with_another_model_counts_beside_the_own_parts():
    """A worker's time is in the total where the stage has one: two hops, as blocks come in twos there."""
    own, other = (
        along(pulse_trip(), stage, 48000, BUDGET_MS, own=False) for stage in (Same(), WorkerStage(Same()))
    )
    assert own.total_ms == pytest.approx(62.104, abs=1e-3)
    assert other.total_ms == pytest.approx(own.total_ms + 20)
    assert other.parts["worker"] == pytest.approx(20)
    assert other.basis == DEVICE_MEASURED
    assert along(pulse_trip(), Same(), 16000, BUDGET_MS, own=False).parts["algorithmic"] == pytest.approx(30)


def test_hops_that_were_late_on_the_measured_path_are_in_the_answer():
    trip, told = pulse_trip(hops=750, missed=64), told_of(np.full(1000, 500.0))
    own, other = (
        judge(along(trip, Same(), 48000, BUDGET_MS, own=own), 100.0, told)["line"] for own in (True, False)
    )
    assert own.endswith("; 0 of 1000 missed the deadline, and on the measured path 64 of 750")
    assert other.endswith("; 0 of 1000 missed the deadline")


def test_a_budget_that_live_audio_refuses_there_does_not_fit_whatever_was_measured():
    """It goes by what devices declare: 85 ms, where 62 were measured."""
    trip = pulse_trip(refused="a budget of 80 ms can't be met")
    verdict = judge(along(trip, Same(), 48000, 80.0, own=True), 80.0, told_of(np.full(1000, 500.0)))
    assert not verdict["fits"]
    refused = "does not fit 80 ms: live audio refuses it there, and without a budget it is 62.1 ms measured"
    assert verdict["line"].startswith(f"{refused} (up to 70.0, blocks of 480) = algorithmic 10.0 + ")


def test_on_a_path_another_model_is_planned_within_the_budget():
    """With blocks of 64 the engine keeps twice the least time for a hop, unless the budget is too short."""
    declared = {"capture buffer": 2.0, "playback buffer": 2.0}
    trip = RoundTrip("a cable", False, 0, (192, 192), declared, 64).as_dict()
    roomy, tight = (along(trip, Same(), 48000, budget_ms, own=False) for budget_ms in (100.0, 25.0))
    assert (roomy.compute_ms, tight.compute_ms) == pytest.approx((128 / 48, 64 / 48))


def test_a_cable_tells_of_the_device_alone():
    """19 ms declared and 20 measured: the engine's parts come on top."""
    declared = {"capture buffer": 9.0, "playback buffer": 10.0}
    trip = RoundTrip("a cable", False, 0, (960, 960, 961), declared, 480).as_dict()
    delay = along(trip, Same(), 48000, BUDGET_MS, own=True)
    assert delay.parts == pytest.approx(
        {"algorithmic": 10, "ring": 0, "compute": 10, "device": 19, "rest": 1}
    )
    assert delay.describe().startswith(
        "40.0 ms with the device measured (blocks of 480) = algorithmic 10.0 + "
    )


def test_what_failed_does_not_fit_however_fast_it_was():
    delay = planned(Same(), 48000, 40.0)
    verdict = judge(delay, 40.0, told_of(np.full(1000, 10.0)) | {"failure": "gave up at hop 7"})
    assert not verdict["fits"]
    assert verdict["line"].startswith("does not run: native gave up at hop 7; a hop is done")
    nothing = summarise(Runs("onnx", False, ("a",), PERIOD_NS, failure="failed"))
    verdict = judge(delay, 40.0, nothing)
    assert verdict["line"] == "does not run: onnx failed; no hop was done at the pace of live audio"


def test_measurements_in_a_row_are_one_progress():
    shares = []
    parts = Parts(shares.append, 40.0)
    for seconds in (20.0, 10.0, 10.0):
        part = parts.next(seconds)
        for share in (0.5, 1.0):
            part(share)
    assert shares == [0.25, 0.5, 0.625, 0.75, 0.875, 1.0]


@pytest.mark.parametrize(
    "wrong",
    [{"backends": ("gpu",)}, {"backends": ()}, {"backends": ("onnx", "onnx")}, {"load": "disk"},
     {"models": ()}, {"models": ("standard", "standard")}, {"budget_ms": 0.0}, {"duration_s": -1.0},
     {"devices": ("tpu",)}, {"devices": ("cuda",)}],
)  # fmt: skip
def test_settings_that_can_t_be(wrong):
    with pytest.raises(ConfigError):
        BenchSettings(**wrong)


def report(costs_us, load="none", names=("m",), **machine):
    here = {"cpu": "x", "cores": 2, "flags": [], "id": "a", "load_average": 0.1} | machine
    return {
        "machine": here,
        "models": [{"name": name, "weights": "w"} for name in names],
        "settings": {"load": load},
        "backends": [told_of(costs_us, rounds=10) | {"model": name} for name in names],
    }


def costs(scale=1.0, seed=0):
    return scale * np.random.default_rng(seed).gamma(40, 10, 3000)


def test_slower_and_faster_are_named_and_noise_is_not():
    for scale, verdict in ((1.0, "same"), (1.05, "same"), (1.5, "slower"), (0.5, "faster")):
        told = compare(report(costs()), report(costs(scale, seed=1)))
        row = told["rows"][0]
        assert (row["name"], row["verdict"]) == ("native paced p50", verdict)
        assert row["low"] <= row["ratio"] <= row["high"]
        assert row["ratio"] == pytest.approx(scale, rel=0.02)
        assert bool(told["regressions"]) is (verdict == "slower")


def test_a_worse_tail_alone_is_named():
    worse = costs(seed=1)
    worse[::50] *= 4
    told = compare(report(costs()), report(worse))
    assert told["regressions"] == ["native paced p99", "native paced p99.9"]


@pytest.mark.parametrize(
    ("other", "word"),
    [({"cpu": "y"}, "machines"), ({"id": "b"}, "machines"), ({"load": "gil"}, "load")],
)
def test_what_can_t_be_compared_stands_side_by_side(other, word):
    told = compare(report(costs()), report(costs(3.0), **other))
    assert word in told["not_comparable"]
    assert told["regressions"] == []
    assert all(row["ratio"] is None and row["new_us"] > row["old_us"] for row in told["rows"][:2])


def test_other_paces_stand_side_by_side():
    other = report(costs(3.0))
    other["backends"][0]["period_us"] = 5000.0
    assert "paces" in compare(report(costs()), other)["not_comparable"]


def test_of_several_models_each_is_compared_to_itself():
    old, new = report(costs(), names=("a/one.npz", "two")), report(costs(seed=1), names=("two", "three"))
    told = compare(old, new)
    assert [row["name"] for row in told["rows"][:2]] == ["two native paced p50", "two native paced p99"]
    assert len(told["rows"]) == 3  # p99.9 needs a thousand hops a run, warm p50 is there
    renamed = compare(report(costs(), names=("old.npz",)), report(costs(seed=1), names=("new.npz",)))
    assert renamed["rows"][0]["name"] == "native paced p50"
    new["models"][0]["weights"] = "x"
    assert told["same_model"]
    assert not compare(old, new)["same_model"]


def test_whole_rounds_are_drawn_again():
    picks = draw(3, np.random.default_rng(0))
    rounds = [np.full(10, value) for value in (1.0, 2.0, 3.0)]
    assert set(resampled(rounds, 0.0, picks)) == {1.0, 2.0, 3.0}


def stage_of(cost_us, turn, moods=(1.0,) * 10, hops=300):
    """A backend whose hops cost so much, and 3 % up and down; `moods`, a factor a round, is the machine's.

    Up and down are the same in all, so that ratios are known, but in rounds of another order by `turn`.
    """
    noise = np.roll(np.random.default_rng(0).normal(1, 0.03, (10, hops)), turn, 0)
    times = [cost_us * mood * part for mood, part in zip(moods, noise, strict=False)]
    paced, warm = [hop_times(part) for part in times], [hop_times(part / 4) for part in times]
    told = summarise(Runs("native", True, ("a", "b"), PERIOD_NS, paced, warm))
    return {"model": f"of {cost_us:g} µs"} | told


def test_a_stage_of_twice_the_cost_is_told_as_twice_and_an_equal_one_as_equal():
    told = beside([stage_of(400, 0), stage_of(800, 1), stage_of(400, 2), stage_of(100, 3)])
    assert (told["model"], told["backend"], told["period_us"]) == ("of 400 µs", "native", 10_000)
    assert [other["model"] for other in told["others"]] == ["of 800 µs", "of 400 µs", "of 100 µs"]
    for other, factor in zip(told["others"], (2.0, 1.0, 0.25), strict=True):
        for name in BESIDE:
            row = other[name]
            assert row["low"] <= factor <= row["high"]
            assert row["low"] <= row["ratio"] <= row["high"]
            assert row["high"] / row["low"] < 1.02
    json.dumps(told)


def test_a_mood_of_the_machine_that_both_had_is_in_no_ratio():
    """Twice as slow for some rounds: drawn apart, the rounds of two that are equal differ by as much."""
    moods = np.array([1, 1, 1, 2, 2, 2, 1.4, 1.4, 1, 2])
    first, other = stage_of(400, 0, moods), stage_of(440, 1, moods)
    row = beside([first, other])["others"][0]["paced p50"]
    assert row["low"] <= 1.1 <= row["high"] < 1.1 * row["low"]
    apart = compare(*({**report(costs()), "backends": [told | {"model": "m"}]} for told in (first, other)))
    assert apart["rows"][0]["high"] > 1.5 * apart["rows"][0]["low"]


@pytest.mark.parametrize(("cost_us", "slower"), [(400, []), (430, []), (480, list(BESIDE)), (80, [])])
def test_what_is_slower_than_the_first_for_sure_is_named(cost_us, slower):
    told = beside([stage_of(400, 0), stage_of(cost_us, 1)])
    assert [name for _, name in slower_than_first(told)] == slower


def test_only_rounds_that_both_did_count():
    """The first was cut off when the machine became slow, which the other had to go through."""
    moods = np.array([1.0] * 6 + [5.0] * 4)
    told = beside([stage_of(400, 0, moods[:6]), stage_of(800, 1, moods)])
    row = told["others"][0]["paced p99"]
    assert row["ratio"] == pytest.approx(2, rel=0.01)
    assert row["low"] <= 2 <= row["high"] < 2.2


def test_of_too_little_no_ratio_is_told():
    few = (1.0,) * (LEAST_ROUNDS - 1)
    nothing = dict.fromkeys(BESIDE)
    failed = {"model": "bad"} | summarise(Runs("onnx", False, ("a",), PERIOD_NS, failure="failed"))
    others = beside([stage_of(400, 0), stage_of(400, 1, few), failed, stage_of(400, 2, hops=5)])["others"]
    assert [{name: other[name] for name in BESIDE} for other in others[:2]] == [nothing, nothing]
    assert [name for name in BESIDE if others[2][name]] == ["paced p50", "warm p50"]
    assert all(other["paced p50"] is None for other in beside([failed, stage_of(400, 0)])["others"])
    assert beside([stage_of(400, 0)]) is None


def test_machines_are_told_apart():
    here = environment()
    json.dumps(here)
    assert same_machine(here, dict(here))
    assert same_machine({**here, "id": ""}, {**here, "id": "b"})
    assert not same_machine(here, {**here, "cores": 1000})


def test_a_measurement_says_by_which_rtaudio_and_gpu_it_was_made(monkeypatch):
    pytest.importorskip("torch")
    assert f"; rtaudio {__version__}, python 3." in machine_line(environment())
    for seen in (False, True):
        monkeypatch.setattr("torch.cuda.is_available", lambda seen=seen: seen)
        monkeypatch.setattr("torch.cuda.get_device_name", lambda: "Abacus 9000")
        here = environment(cuda=True)
        assert here.get("gpu") == ("Abacus 9000" if seen else None)
        assert ("); Abacus 9000; " in machine_line(here)) == seen
    assert "gpu" not in environment()


def test_other_files_are_refused_as_reports(tmp_path):
    path = tmp_path / "old.json"
    for text in (None, "{", "[]", '{"format": "x"}', '{"format": "rtaudio-bench", "version": 99}'):
        if text is not None:
            path.write_text(text)
        with pytest.raises(ConfigError, match=r"old\.json"):
            read_report(path)
