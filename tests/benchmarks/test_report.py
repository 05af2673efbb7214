import json

import numpy as np
import pytest

from benchmarks.report import Goal, Report, main, percentiles


@pytest.mark.parametrize(
    ("value", "op", "met"),
    [
        (1.0, "<=", True),
        (2.0, "<=", False),
        (2.0, ">=", True),
        (1.0, "==", True),
        (float("nan"), "<=", False),
    ],
)
def test_goals(value, op, met):
    goal = Goal("hop", value, 1.0, op)
    assert goal.met is met
    assert str(goal).endswith("  met" if met else "  missed")


def test_what_was_not_measured_is_neither_met_nor_missed():
    goal = Goal("hop", None, 1.0)
    assert str(goal) == "hop  not measured"
    assert not goal.met


def test_percentiles_of_known_numbers():
    assert percentiles(np.arange(1001)) == pytest.approx((500, 990, 999, 1000))


def benchmark(report, quick):
    table = report.table("Title", ["peer", "us"])
    table.row("ours", np.float32(1.5))
    table.row("not installed", None)
    report.show(table)
    report.goal("us", 1.5, 2.0 if quick else 1.0)


@pytest.mark.parametrize(("options", "code"), [(["--quick"], 0), ([], 1)])
def test_exit_code_output_and_json(options, code, monkeypatch, capsys, tmp_path):
    path = tmp_path / "result.json"
    monkeypatch.setattr("sys.argv", ["benchmark", *options, "--json", str(path)])
    with pytest.raises(SystemExit) as ended:
        main(benchmark)
    assert ended.value.code == code
    printed = capsys.readouterr().out
    assert "ours           1.5\nnot installed    -" in printed
    assert "\x1b" not in printed
    written = json.loads(path.read_text())
    assert written["goals"][0]["met"] is (code == 0)
    assert written["tables"][0]["rows"] == [["ours", 1.5], ["not installed", None]]


def test_goals_beyond_are_told_and_do_not_fail_the_run(capsys, tmp_path):
    report, path = Report("x"), tmp_path / "result.json"
    report.goal("us", 1.0, 2.0)
    report.beyond("PESQ, against a peer", 1.5, 2.0, ">=")
    assert report.finish(str(path)) == 0
    assert "beyond: PESQ, against a peer  1.5  >= 2  missed" in capsys.readouterr().out
    told = [(goal["required"], goal["met"]) for goal in json.loads(path.read_text())["goals"]]
    assert told == [(True, True), (False, False)]
    report.goal("us", 3.0, 2.0)
    assert report.finish() == 1


def test_rows_must_fit_the_columns():
    with pytest.raises(ValueError, match="3 cells under 2 columns"):
        Report("x").table("t", ["a", "b"]).row(1, 2, 3)
