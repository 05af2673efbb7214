import json

from benchmarks import machines
from rtaudio.tasks.bench import FORMAT, VERSION


def report(cpu):
    told = dict.fromkeys(("p50", "p95", "p99", "p99.9", "max"), 123.4)
    backend = {
        "model": "standard", "backend": "native", "compute_us": told | {"p99.9": None}, "warm_us": told,
        "deadline_misses": 1, "hops": 600, "cpu_share": 0.031,
    }  # fmt: skip
    return {
        "format": FORMAT, "version": VERSION, "when": "2026-01-02T03:04:05+00:00",
        "machine": {"cpu": cpu, "cores": 2}, "models": [{"name": "standard"}],
        "backends": [backend, backend | {"backend": "int8"}],
        "streams": [{"model": "standard", "streams": n, "fits": n < 100} for n in (1, 64, 128)],
    }  # fmt: skip


def test_each_report_is_a_machine_and_other_files_are_none(tmp_path):
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(json.dumps(report(f"CPU {name}")))
    (tmp_path / "gpu.json").write_text("{}")
    lines = machines.markdown(tmp_path).splitlines()
    assert len(lines) == 2 + 2 * 2
    assert lines[2] == (
        "| CPU a, 2 cores, 2026-01-02 | native | 123 | 123 | - | 123 | 1 of 600 | 3.1 % | 64 |"
    )
    assert lines[3].startswith("|  | int8 |")
    assert lines[4].startswith("| CPU b")


def test_streams_stand_beside_the_model_they_are_of():
    told = report("CPU")
    told["models"].append({"name": "small"})
    told["backends"].append(told["backends"][0] | {"model": "small"})
    told["streams"].append({"model": "small", "streams": 256, "fits": True})
    assert [cells[-1] for cells in machines.rows(told)] == ["64", "", "256"]


def test_the_reports_that_are_here_can_be_read():
    assert all(machines.rows(told) for _, told in machines.reports())
