"""The machines measured so far: a Markdown table of the reports in `benchmarks/results/`.

    rtaudio bench --backend native,int8,onnx,torch --streams 1,32,128,256,384 --jack \\
        --json benchmarks/results/NAME.json --png benchmarks/results/NAME

adds one, with its pictures; then `python -m benchmarks.machines` prints the table anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rtaudio.cli.bench_text import micro
from rtaudio.errors import ConfigError
from rtaudio.tasks.bench_compare import read_report
from rtaudio.tasks.bench_summary import title_of

RESULTS = Path(__file__).with_name("results")
COLUMNS = (
    "machine",
    "net, by",
    "p50 µs, paced",
    "p99",
    "p99.9",
    "warm p50",
    "missed",
    "of a core",
    "streams a core",
)


def reports(folder: Path = RESULTS) -> list[tuple[str, dict[str, Any]]]:
    """Name and report of each file that `rtaudio bench --json` wrote."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append((path.stem, read_report(path)))
        except ConfigError:
            continue  # another program's results
    return found


def rows(report: dict[str, Any]) -> list[list[str]]:
    """Cells of `COLUMNS`, a row a backend; the machine in the first, a model's streams in its first."""
    info, made = report["machine"], []
    fitting: dict[str, int] = {}
    for row in report["streams"]:
        if row["fits"]:
            fitting[row["model"]] = max(row["streams"], fitting.get(row["model"], 0))
    for i, told in enumerate(report["backends"]):
        compute = told["compute_us"]
        made.append(
            [
                "" if i else _machine(info, report["when"]),
                title_of(told, report),
                *(micro(compute[name]) for name in ("p50", "p99", "p99.9")),
                micro(told["warm_us"]["p50"]),
                f"{told['deadline_misses']} of {told['hops']}",
                "-" if told["cpu_share"] is None else f"{100 * told['cpu_share']:.1f} %",
                str(fitting.pop(told["model"], "")),
            ]
        )
    return made


def _machine(info: dict[str, Any], when: str) -> str:
    return ", ".join([info["cpu"], f"{info['cores']} cores", *filter(None, [info.get("gpu")]), when[:10]])


def markdown(folder: Path = RESULTS) -> str:
    """The table of all machines."""
    lines = [list(COLUMNS), ["---"] * len(COLUMNS)]
    for _, report in reports(folder):
        lines += rows(report)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


if __name__ == "__main__":
    print(markdown())
