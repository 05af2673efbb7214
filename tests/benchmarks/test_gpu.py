"""The GPU's benchmark, as far as it can run without one: it runs on the CPU, and then claims nothing."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks import gpu, gpu_fleet  # noqa: E402
from rtaudio.stream.timing import HopTimes  # noqa: E402

QUICK = ["--device", "cpu", "--quick", "--compiler", "aot_eager", "--chunk", "2", "--most", "4"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_no_goal_is_called_missed(capsys, tmp_path):
    path = tmp_path / "gpu.json"
    assert gpu.main(["--json", str(path)]) == 3
    out = capsys.readouterr().out
    assert "not measured: no GPU" in out
    assert [line.endswith("  not measured") for line in out.splitlines()[-2:]] == [True, True]
    assert "missed" not in out
    report = json.loads(path.read_text())
    assert [(goal["value"], goal["met"]) for goal in report["goals"]] == [(None, False)] * 2
    assert not report["tables"]


def test_the_program_itself_runs_on_a_cpu_and_claims_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "QUICK_HOPS", 20)
    path = tmp_path / "gpu.json"
    assert gpu.main([*QUICK, "--products", "float32,bfloat16", "--audio", "int16", "--json", str(path)]) == 1
    report = json.loads(path.read_text())
    assert all(goal["value"] is None and not goal["met"] for goal in report["goals"])
    *ones, many = report["tables"]
    assert [one["title"].split(",")[0] for one in ones] == ["standard", "cnn", "low-latency"]
    for one in ones:
        assert {gpu.LIVE, "native, on the CPU"} <= {row[0] for row in one["rows"]}
        assert max(row[-1] for row in one["rows"]) < 1e-5
    assert [row[0] for row in many["rows"]] == ["float32", "bfloat16"]
    exact, narrow = (row[6] for row in many["rows"])
    assert exact > 100 > narrow > 30  # dB below the sound


class FakeFleet:
    """Chunks that take 1 ms each, one hop in fifty half as long again; memory for `room` of them."""

    def __init__(self, room=1000):
        self.room, self.asked = room, []

    def grow(self, count):
        return min(count, self.room)

    def time(self, count, hops, period_ns):
        self.asked.append(count)
        took = np.full(hops, count * 1_000_000)
        took[::50] += count * 500_000
        marks = np.zeros((hops, 3), np.int64)
        marks[:, 2] = took
        return HopTimes(marks, period_ns)


def test_the_most_streams_in_time_are_found_from_above():
    fleet = FakeFleet()
    count, times = gpu_fleet.most_in_time(fleet, 100, 1000)
    assert count == 6  # 1.5 ms each at p99.9
    assert len(times.marks) == 1000
    assert fleet.asked == [1, 2, 4, 8, 16, 10, 9, 8, 7, 6, 6]


@pytest.mark.parametrize(("room", "limit", "count"), [(3, 100, 3), (1000, 5, 5)])
def test_memory_and_a_limit_end_the_search(room, limit, count):
    assert gpu_fleet.most_in_time(FakeFleet(room), limit, 100)[0] == count


def test_bad_options_are_refused(capsys):
    for options in (["--products", "int3"], ["--chunk", "0"]):
        with pytest.raises(SystemExit) as left:
            gpu.main(options)
        assert left.value.code == 2
    assert "'int3' is not one of" in capsys.readouterr().err
