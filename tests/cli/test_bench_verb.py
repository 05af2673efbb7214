"""`rtaudio bench` from its arguments to its files; what it makes of times is in tests/tasks."""

import copy
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from program import ENVIRONMENT

from rtaudio.cli import bench_png
from rtaudio.cli.bench_page import page
from rtaudio.cli.bench_pictures import ratios
from rtaudio.cli.bench_png import save_pictures
from rtaudio.cli.bench_text import beside_rows, overhead_words, print_report, round_trip_line
from rtaudio.cli.charts import WIDTH, Curve, forest, tail_chart
from rtaudio.cli.main import main
from rtaudio.figures import new_figure
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.timing import HopTimes
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.bench import BenchSettings, run_bench
from rtaudio.tasks.bench_backends import STAGES, NativeBackend
from rtaudio.tasks.bench_compare import compare
from rtaudio.tasks.bench_delay import along
from rtaudio.tasks.bench_ratio import beside
from rtaudio.tasks.bench_summary import Runs, judge, summarise
from rtaudio.tasks.denoise import build_denoiser
from rtaudio.tasks.roundtrip import RoundTrip

SECONDS = "0.4"

SCHEMA = {
    "format": str,
    "version": int,
    "when": str,
    "finished": bool,
    "machine": {"cpu": str, "cores": int, "flags": list, "governor": str, "kernel": str, "priority": str},
    "models": list,
    "settings": {"duration_s": float, "load": str, "rounds": int},
    "backends": list,
    "beside": type(None),
    "paces": list,
    "streams": list,
    "round_trip": type(None),
}
MODEL = {
    "name": str,
    "weights": str,
    "parameters": int,
    "sample_rate": int,
    "hop_length": int,
    "latency": int,
    "period_us": float,
    "verdict": {"fits": bool, "line": str, "total_ms": float, "parts_ms": dict, "needed_us": float},
}
BACKEND = {
    "model": str,
    "backend": str,
    "gil_free": bool,
    "failure": str,
    "period_us": float,
    "overhead_ns": float,
    "power_w": (float, type(None)),
    "hops": int,
    "compute_us": {"p50": float, "p95": (float, type(None)), "max": float},
    "response_us": {"p50": float, "max": float},
    "warm_us": {"p50": float, "p99": float, "p99.9": float, "max": float},
    "stage_us": {"STFT": dict, "net": dict, "inverse STFT": dict},
    "wake_us": {"max": float},
    "deadline_misses": int,
    "missed_hops": list,
    "rtf": float,
    "cpu_share": float,
    "samples": {"rounds": list, "compute_us": list, "response_us": list, "warm_us": list},
}
RATIO = {"ratio": float, "low": float, "high": float}
OTHER = {
    "model": str,
    "backend": str,
    "period_us": float,
    "paced p50": RATIO,
    "paced p99": (dict, type(None)),
    "warm p50": RATIO,
}


def assert_schema(value, schema):
    for key, kind in schema.items():
        if isinstance(kind, dict):
            assert_schema(value[key], kind)
        else:
            assert isinstance(value[key], kind) or (kind is float and isinstance(value[key], int)), key


@pytest.fixture(scope="session")
def measured(model, tmp_path_factory):
    """A report, as `--json FILE` writes it."""
    path = tmp_path_factory.mktemp("bench") / "report.json"
    assert main(["bench", "--model", model, "--duration", SECONDS, "--json", str(path)]) == 0
    return json.loads(path.read_text())


def test_the_report_has_all_its_parts(measured):
    assert_schema(measured, SCHEMA)
    (model,), (told,) = measured["models"], measured["backends"]
    assert_schema(model, MODEL)
    assert_schema(told, BACKEND)
    assert told["hops"] == sum(told["samples"]["rounds"]) == len(told["samples"]["compute_us"]) == 40
    assert measured["finished"]
    verdict = model["verdict"]
    assert sum(verdict["parts_ms"].values()) == pytest.approx(verdict["total_ms"])


def test_the_answer_comes_first(rtaudio, model):
    code, out, err = rtaudio("bench", "--model", model, "--duration", SECONDS, "--load", "gil")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith(("fits 40 ms", "does not fit 40 ms"))
    assert "\x1b" not in out
    for word in (
        "p99.9",
        "RTF",
        "warm",
        "inverse STFT",
        "algorithmic",
        "wake-up",
        "timing itself",
        "of one core",
        "governor",
    ):
        assert word in out


def test_each_is_set_beside_the_first_with_which_it_took_turns(rtaudio, model, tmp_path):
    html, file = tmp_path / "page.html", tmp_path / "report.json"
    arguments = ("--model", model, "vad", "--duration", SECONDS, "--html", html, "--json", file)
    code, out, _ = rtaudio("bench", *arguments)
    assert code == 0
    report = json.loads(file.read_text())
    (other,) = report["beside"]["others"]
    assert (report["beside"]["model"], other["model"], other["backend"]) == (model, "vad", "native")
    assert_schema(other, OTHER)
    heading = f"Beside {Path(model).name} native, in turn with it"
    (line,) = [line for line in out.splitlines() if f"{other['paced p50']['ratio']:.2f} [" in line]
    assert "vad native" in line
    assert line.split()[-1] == f"{other['warm p50']['high']:.2f}]"
    assert heading in out
    assert heading in html.read_text()


def test_hops_of_other_lengths_are_told_beside_the_first(measured):
    report = copy.deepcopy(measured)
    model, told = report["models"][0], report["backends"][0]
    report["models"].append({**model, "name": "other"})
    report["backends"].append({**told, "model": "other", "period_us": 4000.0})
    report["beside"] = beside(report["backends"])
    one = "1.00 [1.00 to 1.00]"
    assert beside_rows(report) == [["other native, hops of 4 ms", one, "-", one]]


def test_timing_that_costs_more_than_its_goal_is_named(measured):
    report = copy.deepcopy(measured)
    told = report["backends"][0]
    report["backends"] = [{**told, "overhead_ns": 1000.0}, {**told, "overhead_ns": 1001.0}]
    first, second = overhead_words(report).split(", ")
    assert first.endswith("native 1000 ns")
    assert second.endswith("native 1001 ns (over the 1000 it may)")


def test_a_budget_that_fails_and_one_object_on_stdout(rtaudio, model):
    arguments = ["bench", "--model", model, "--duration", SECONDS, "--budget", "20ms", "--json"]
    code, out, _ = rtaudio(*arguments)
    assert code == 0
    assert json.loads(out)["models"][0]["verdict"]["fits"] is False
    assert rtaudio(*arguments, "--fail-over-budget")[0] == 4


DECLARED = {
    "capture buffer": 20.0,
    "ring": 0.0,
    "algorithmic": 10.0,
    "compute": 20.0,
    "two streams": 15.0,
    "playback buffer": 20.0,
}
DELAYS = (2917, 2981, 2981, 2981, 2981, 3979)
ROUND_TRIP = RoundTrip(
    "the engine on PulseAudio's null sinks, blocks of 480", True, 1444, DELAYS, DECLARED, 480, 2, duplex=False
).as_dict()
"""As `--pulse` measures it."""


def with_round_trip(measured):
    """The report of a run that measured it, too."""
    report = copy.deepcopy(measured)
    model, told = report["models"][0], report["backends"][0]
    delay = along(ROUND_TRIP, build_denoiser(model["name"]), 48000, 100.0, own=True)
    model["verdict"] = judge(delay, 40.0, told)
    return report | {"round_trip": ROUND_TRIP}


def grid(model_name, key, *values):
    """Rows as `--hop` and `--streams` give them."""
    told = {"p50": 900.0, "p95": 1100.0, "p99": 1500.0, "p99.9": 12000.0, "max": 13000.0}
    row = {
        "model": model_name,
        "hops": 1000,
        "compute_us": told,
        "response_us": told,
        "deadline_misses": 2,
        "rtf": 0.1,
        "step": "in one step",
    }
    return [{key: value, **row, "fits": False, "failure": "", "judged_by": "p99.9"} for value in values]


def test_other_paces_streams_and_the_round_trip_are_told_and_drawn(rtaudio, model, monkeypatch, tmp_path):
    monkeypatch.setattr("rtaudio.tasks.bench._round_trip", lambda *_: ROUND_TRIP)
    html, json_file = tmp_path / "page.html", tmp_path / "report.json"
    arguments = ("--hop", "5ms,10ms", "--streams", "3,1", "--html", html, "--json", json_file)
    code, out, _ = rtaudio("bench", "--model", model, "--duration", SECONDS, *arguments)
    assert code == 0
    report = json.loads(json_file.read_text())
    assert [row["hop_ms"] for row in report["paces"]] == [5, 10]
    assert [row["streams"] for row in report["streams"]] == [1, 3]
    for row in report["paces"] + report["streams"]:
        assert row["hops"] > 0
        assert row["response_us"]["max"] >= row["compute_us"]["p50"] > 0
    for words in (
        "own hop is 10 ms",
        "Streams on one core, in one step",
        "measured by chirp: 62.1 ms",
        "declared there: 85.0 ms",
    ):
        assert words in " ".join(out.split())  # wherever a heading breaks: tables are as wide as their times
    root, _ = elements(html.read_text())
    assert {"streams", "roundtrip"} <= {svg.get("id") for svg in root.iter("svg")}


@pytest.mark.parametrize(("budget", "code"), [("40ms", 4), ("90ms", 0)])
def test_where_a_round_trip_was_measured_the_answer_is_about_it(
    rtaudio, model, monkeypatch, tmp_path, budget, code
):
    monkeypatch.setattr("rtaudio.tasks.bench._round_trip", lambda *_: ROUND_TRIP)
    html, file = tmp_path / "page.html", tmp_path / "report.json"
    arguments = ("--pulse", "--budget", budget, "--fail-over-budget", "--html", html, "--json", file)
    given, out, _ = rtaudio("bench", "--model", model, "--duration", SECONDS, *arguments)
    short = f"{'does not fit' if code else 'fits'} {budget.removesuffix('ms')} ms"
    assert given == code
    assert out.startswith(f"{short}: 62.1 ms measured (up to 82.9, blocks of 480) = algorithmic 10.0")
    assert f'<p class="verdict {"no" if code else "yes"}">{short.capitalize()}</p>' in html.read_text()
    lines = [line.split() for line in out.splitlines()]
    assert ["device", "40.0", "both"] in [line[:3] for line in lines]
    assert ["rest", "-22.9", "of"] in [line[:3] for line in lines]
    assert ["total", "62.1", "measured;"] in [line[:3] for line in lines]
    assert "no device was measured" not in out
    verdict = json.loads(file.read_text())["models"][0]["verdict"]
    assert verdict["total_ms"] == pytest.approx(sum(verdict["parts_ms"].values()))
    assert verdict["total_ms"] == pytest.approx(ROUND_TRIP["median_ms"])


def test_buffers_that_the_chirp_went_past_are_named():
    trip = RoundTrip("JACK", True, 64, (2160,), DECLARED, 480, buffered=False).as_dict()
    assert round_trip_line(trip).endswith(
        "declared there: 85.0 ms, 40.0 of it buffers of a sound card, past which the chirp went"
    )


@pytest.mark.parametrize(("backend", "kind"), [("native", Pipeline), ("torch", WorkerStage)])
def test_the_round_trip_is_of_what_is_judged(model, monkeypatch, backend, kind):
    """What runs in Python is live a hop later, behind its deadline."""
    pytest.importorskip("torch")
    given = []
    trip = RoundTrip("", True, 0, DELAYS, DECLARED, 480)
    monkeypatch.setattr(
        "rtaudio.tasks.roundtrip.measure_server",
        lambda name, stage, runs, budget_ms: (given.append(stage), trip)[1],
    )
    run_bench(BenchSettings((model,), (backend,), duration_s=0.1, server="pulse"))
    assert [type(stage) for stage in given] == [kind]


def test_onnx_runs_beside_native(rtaudio, model):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    code, out, _ = rtaudio(
        "bench", "--model", model, "--duration", SECONDS, "--backend", "native,onnx", "--json"
    )
    assert code == 0
    assert [(b["backend"], b["gil_free"]) for b in json.loads(out)["backends"]] == [
        ("native", True),
        ("onnx", False),
    ]


def scaled(report, factor):
    """The same run, with every hop so many times as long."""
    other = copy.deepcopy(report)
    for told in other["backends"]:
        for name in ("compute_us", "warm_us"):
            told["samples"][name] = [factor * value for value in told["samples"][name]]
    return other


@pytest.mark.parametrize(("factor", "code"), [(0.001, 1), (1000.0, 0)])
def test_a_regression_is_named_and_gives_1(rtaudio, model, measured, tmp_path, factor, code):
    old, html = tmp_path / "old.json", tmp_path / "page.html"
    old.write_text(json.dumps(scaled(measured, factor)))
    arguments = ("--model", model, "--duration", SECONDS, "--compare", old, "--html", html)
    given, out, _ = rtaudio("bench", *arguments)
    assert given == code
    assert ("slower than before: native paced p50" in out) is (code == 1)
    assert 'id="comparison"' in html.read_text()
    for told in (out, html.read_text()):
        assert "The two runs did not take turns" in told


@pytest.mark.parametrize(
    ("ratio", "code", "said"),
    [
        ((1.2, 1.15, 1.3), 1, "int8 is slower than native: paced p50 1.20 [1.15 to 1.30]"),
        ((1.2, 1.05, 1.3), 0, ""),
        (None, 1, "too few hops of int8 to set it beside native"),
    ],
)
def test_within_a_run_the_first_is_what_others_are_compared_with(
    rtaudio, model, measured, monkeypatch, ratio, code, said
):
    report = copy.deepcopy(measured)
    report["backends"].append(report["backends"][0] | {"backend": "int8"})
    report["beside"] = beside(report["backends"])
    told = dict(zip(("ratio", "low", "high"), ratio, strict=True)) if ratio else None
    report["beside"]["others"][0] |= {"paced p50": told, "paced p99": None, "warm p50": None}
    monkeypatch.setattr("rtaudio.tasks.bench.run_bench", lambda *_: report)
    given, _, err = rtaudio("bench", "--model", model, "--backend", "native,int8", "--compare")
    assert (given, err.removeprefix("rtaudio: ").strip()) == (code, said)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--compare"],  # the one model with nothing
        ["--backend", "gpu"],
        ["--backend", ""],
        ["--budget", "-3"],
        ["--duration", "0"],
        ["--duration", "1e9"],
        ["--load", "disk"],
        ["--hop", "2.5ms,"],
        ["--hop", "-1"],
        ["--streams", "0"],
        ["--streams", "1001"],
        ["--streams", "1,many"],
        ["--loopback", "one"],
        ["--loopback", "a:b", "--jack"],
        ["--jack", "--pulse"],
        ["--device", "tpu"],
        ["--device", "cuda"],  # native runs on the CPU
        ["--device", "cpu,cuda"],
        ["--device", "cpu,cpu"],
        ["--model", "mystery"],
        ["--compare", "nowhere.json"],
        ["--json", "nowhere/report.json"],
        ["--html", "."],
        ["--html", "-"],
        ["--png", "pyproject.toml"],
        ["--sing"],
    ],
)
def test_wrong_arguments_are_one_line(rtaudio, model, arguments):
    code, out, err = rtaudio("bench", "--model", model, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_a_file_where_a_folder_must_be_is_called_that(rtaudio, model):
    assert "pyproject.toml: is a file, no folder\n" in rtaudio("bench", "--png", "pyproject.toml")[2]


def test_names_in_a_list_may_have_spaces_between(rtaudio, model):
    code, out, _ = rtaudio(
        "bench", "--model", model, "--duration", SECONDS, "--backend", "native, int8", "--json"
    )
    assert (code, [told["backend"] for told in json.loads(out)["backends"]]) == (0, ["native", "int8"])


def test_without_its_package_a_backend_names_the_extra(rtaudio, model, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if "onnx" in name else found(name))
    code, _, err = rtaudio("bench", "--model", model, "--backend", "native,onnx")
    assert (code, err.count("\n")) == (3, 1)
    assert "pip install 'rtaudio[onnx]'" in err


def test_a_gpu_that_is_not_there_is_one_line(rtaudio, model):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    code, out, err = rtaudio("bench", "--model", model, "--backend", "native,torch", "--device", "cpu,cuda")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "device cuda" in err


def test_torch_is_measured_on_each_device(rtaudio, model, monkeypatch):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():  # the CPU stands in for it: the program is the same
        monkeypatch.setattr("rtaudio.nn.torch.cuda.cuda_device", lambda: torch.device("cpu"))
    code, out, _ = rtaudio(
        "bench", "--model", model, "--duration", SECONDS, "--json",
        "--backend", "native,torch", "--device", "cpu,cuda",
    )  # fmt: skip
    assert code == 0
    told = [(b["backend"], list(b["stage_us"])) for b in json.loads(out)["backends"]]
    parts = ["STFT", "net", "inverse STFT"]
    assert told == [("native", parts), ("torch", parts), ("torch, cuda", ["hop, host to host"])]


def missed_report(measured):
    """A report with late hops, to see them marked, and a name that HTML must not take for its own."""
    report = copy.deepcopy(measured)
    told = report["backends"][0]
    told["missed_hops"], told["deadline_misses"] = [3, 17], 2
    for hop in told["missed_hops"]:
        told["samples"]["response_us"][hop] = 25000.0
    report["models"][0]["name"] = told["model"] = "<b>&mine</b>"
    report["comparison"] = compare(scaled(report, 0.5), report)
    return report


def elements(html):
    root = ElementTree.fromstring(html.split("\n", 1)[1])
    return root, [element.tag for element in root.iter()]


def two_models(measured):
    """As if a second one had run beside it, and failed at once."""
    report = copy.deepcopy(measured)
    other, told = copy.deepcopy(report["models"][0]), copy.deepcopy(report["backends"][0])
    other |= {"name": "folder/other.onnx", "period_us": 16000.0}
    nothing = dict.fromkeys(("p50", "p95", "p99", "p99.9", "max"))
    told |= {"model": other["name"], "backend": "onnx", "gil_free": False, "failure": "failed at hop 0: why"}
    told |= {"hops": 0, "stage_us": {}, "rtf": None, "cpu_share": None, "missed_hops": []}
    told |= dict.fromkeys(("compute_us", "response_us", "warm_us", "wake_us"), nothing)
    told["samples"] = {name: [] for name in told["samples"]}
    report["models"].append(other)
    report["backends"].append(told)
    report["beside"] = beside(report["backends"])
    return report


def test_of_two_models_each_has_its_answer_and_one_may_have_failed(measured, capsys, tmp_path):
    report = two_models(measured)
    html = page(report)
    root, _ = elements(html)
    assert sum("verdict" in element.get("class", "") for element in root.iter("p")) == 2
    assert "other.onnx onnx failed at hop 0: why" in html
    assert re.search(r">other\.onnx: (does not fit|fits) 40 ms<", html)
    assert "deadline 16 ms" in html
    print_report(report)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("other.onnx: ")
    assert "Beside" not in "".join([html, *lines])
    pytest.importorskip("matplotlib")
    names = [path.name for path in save_pictures(report, tmp_path)]
    assert names == ["budget.png", "latency.png", "timeline.png", "stages.png"]


def test_a_single_hop_has_no_median_and_is_told_all_the_same(measured, capsys, tmp_path):
    """As of a model that fails at its second, or of streams that were interrupted there."""
    report = copy.deepcopy(measured)
    times = HopTimes(1000 * np.arange(5)[None], 10_000_000)
    report["backends"][0] |= summarise(Runs("native", True, STAGES, 10_000_000, [times], failure="why"))
    (row,) = grid(report["models"][0]["name"], "streams", 3)
    row["response_us"] = report["backends"][0]["response_us"]
    report["streams"] = [row]
    elements(page(report))
    print_report(report)
    assert "native" in capsys.readouterr().out
    pytest.importorskip("matplotlib")
    names = [path.name for path in save_pictures(report, tmp_path)]
    assert names == ["budget.png", "latency.png", "timeline.png"]


def test_an_interruption_among_other_paces_is_one(model):
    shares = [0.0]
    settings = BenchSettings((model,), duration_s=0.4, hops_ms=(5.0, 20.0), streams=(1,))
    report = run_bench(settings, shares.append, lambda: shares[-1] < 0.34)
    assert not report["finished"]
    assert report["backends"][0]["hops"] == 40
    assert (len(report["paces"]), report["streams"]) == (1, [])


def test_two_models_take_turns(rtaudio, model, tmp_path):
    other = shutil.copy(model, tmp_path / "other.npz")
    code, out, _ = rtaudio("bench", "--duration", SECONDS, "--json", "--model", model, other)
    told = json.loads(out)
    assert code == 0
    assert (
        [m["name"] for m in told["models"]]
        == [b["model"] for b in told["backends"]]
        == [str(model), str(other)]
    )
    assert [b["hops"] for b in told["backends"]] == [20, 20]


def test_nets_that_listen_are_measured_too(rtaudio):
    code, out, _ = rtaudio(
        "bench", "--duration", SECONDS, "--json", "--model", "vad", "keywords", "embedding"
    )
    assert code == 0
    told = json.loads(out)
    assert [list(b["stage_us"]) for b in told["backends"]] == [["STFT", "net"]] * 3
    assert all(b["gil_free"] and b["hops"] > 0 for b in told["backends"])
    assert all(
        m["sample_rate"] == 16000 and m["verdict"]["parts_ms"]["algorithmic"] == 0 for m in told["models"]
    )
    for arguments in (["--jack"], ["--backend", "onnx"]):
        code, out, err = rtaudio("bench", "--duration", SECONDS, "--model", "vad", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)


def test_the_round_trip_is_the_first_model_s(rtaudio, model, monkeypatch):
    monkeypatch.setattr("rtaudio.tasks.bench._round_trip", lambda *_: ROUND_TRIP)
    code, out, _ = rtaudio("bench", "--duration", SECONDS, "--model", model, "vad", "--jack")
    assert (code, "measured by chirp" in out) == (0, True)
    first, second = out.splitlines()[:2]
    assert ": does not fit 40 ms: 62.1 ms measured (" in first
    assert second.startswith("vad: does not fit 40 ms: 52.1 ms with the device measured (")
    code, _, err = rtaudio("bench", "--duration", SECONDS, "--model", "vad", model, "--jack")
    assert (code, err) == (2, "rtaudio: vad gives no sound, so there is no round trip through it\n")


def test_hops_that_were_late_on_the_way_are_told():
    assert "missed" not in round_trip_line(ROUND_TRIP | {"hops": 0, "deadline_misses": 0})
    line = round_trip_line(ROUND_TRIP | {"hops": 750, "deadline_misses": 12})
    assert line.endswith("; 12 of 750 hops missed the deadline there")


def test_paces_and_streams_of_models_of_every_kind(rtaudio, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from tests import onnx_twins as twins

    twin = twins.manifest_of(twins.many_states(tmp_path / "twin.onnx", 3))
    code, out, _ = rtaudio(
        "bench", "--duration", SECONDS, "--model", "vad", twin, "standard", "--streams", "1,3"
    )
    assert code == 0
    way = "one after the other"
    assert f"Streams on one core: vad {way}, twin.toml {way}, standard in one step" in " ".join(out.split())
    code, out, _ = rtaudio("bench", "--duration", SECONDS, "--model", "vad", "--hop", "5ms", "--json")
    assert code == 0
    assert json.loads(out)["paces"][0]["hops"] == 80
    code, out, err = rtaudio("bench", "--model", twin, "--hop", "5ms")
    assert (code, out) == (2, "")
    assert err == f"rtaudio: {twin}: its file fixes the hop at 10 ms, so there is no other pace\n"


@pytest.mark.parametrize("how", ["crash", "shape", "nan", "hang"])
def test_a_model_that_goes_wrong_is_named_and_the_other_is_told(rtaudio, model, tmp_path, how, monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from rtaudio.nn.onnx import hang_guard
    from tests import onnx_twins as twins

    monkeypatch.setattr("rtaudio.nn.onnx.step.GUARD", hang_guard.HangGuard(limit_s=0.1))
    bad, html = twins.failing_manifest(tmp_path, how), tmp_path / "page.html"
    code, out, err = rtaudio(
        "bench", "--duration", SECONDS, "--json", "--model", bad, model, "--html", html, "--fail-over-budget"
    )
    failed, kept = json.loads(out)["backends"]
    assert (code, err.count("\n")) == (2, 1)
    assert "hop 2" in failed["failure"]
    assert failed["failure"] in err
    assert failed["failure"] in unescape(html.read_text())
    assert failed["warm_hops"] in (20, 21)
    assert (kept["failure"], kept["hops"]) == ("", 20)


STUCK = """
import atexit, functools
from rtaudio.cli.main import program
from rtaudio.stream.pipeline import Pipeline
from rtaudio.tasks import bench, bench_backends
from tests.stuck import Stuck

stages = bench_backends.denoise_stages

def with_a_stuck_one(*arguments):
    *others, last = stages(*arguments)
    return *others, Pipeline([last, Stuck(*last.out_spec.shape, 250)])

bench_backends.denoise_stages = with_a_stuck_one
atexit.register(print, "an ordinary end")  # which crashes where ONNX Runtime is still at it
bench.Measurement = functools.partial(bench.Measurement, hang_s=0.3)
program()
"""


def test_native_code_that_hangs_does_not_keep_the_program(model, tmp_path):
    """In a process of its own: its thread can't be ended."""
    file = tmp_path / "report.json"
    arguments = ["bench", "--duration", SECONDS, "--model", model, "vad", "--json", str(file)]
    command = [sys.executable, "-c", STUCK, *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    name = Path(model).name
    assert (done.returncode, done.stderr) == (2, f"rtaudio: {name} native hop 250 was not done after 0.3 s\n")
    assert done.stdout.startswith(f"{name}: does not run: native hop 250 was not done after 0.3 s")
    assert "an ordinary end" not in done.stdout
    failed, kept = json.loads(file.read_text())["backends"]
    assert (failed["warm_hops"] + failed["hops"], kept["failure"], kept["hops"]) == (250, "", 20)


def test_a_model_that_fails_leaves_what_was_measured_of_it(rtaudio, model, monkeypatch, tmp_path):
    """Wherever it happens, the report is written; the exit code says that it isn't whole."""
    monkeypatch.setattr(NativeBackend, "_good", lambda self, n: n if n != 4 or self._done < 300 else 2)
    file = tmp_path / "report.json"
    code, out, err = rtaudio("bench", "--duration", SECONDS, "--model", model, "--json", file)
    assert (code, err) == (2, "rtaudio: native gave NaN or infinity at hop 310\n")
    assert out.startswith("does not run: native gave NaN or infinity at hop 310; a hop is done")
    (told,) = json.loads(file.read_text())["backends"]
    assert (told["warm_hops"], told["hops"]) == (300, 10)


@pytest.mark.parametrize("grid", [["--streams", "2"], ["--hop", "5ms"]])
def test_a_failure_among_streams_or_paces_is_told(rtaudio, model, monkeypatch, grid):
    monkeypatch.setattr(NativeBackend, "_good", lambda self, n: 0 if self.fails else n)
    measured = iter([False, True])  # the backend that is judged is built first
    build = NativeBackend.__init__

    def begin(self, *arguments):
        build(self, *arguments)
        self.fails = next(measured)

    monkeypatch.setattr(NativeBackend, "__init__", begin)
    code, out, err = rtaudio("bench", "--duration", "0.05", "--model", model, *grid)
    assert (code, err.count("\n")) == (2, 1)
    assert "gave NaN or infinity at hop 0" in err
    assert "does not fit" in out


def test_pictures_are_png_files(rtaudio, model, tmp_path):
    pytest.importorskip("matplotlib")
    folder = tmp_path / "new" / "pictures"
    code, _, _ = rtaudio(
        "bench", "--model", model, "--duration", SECONDS, "--streams", "1,2", "--png", folder
    )
    assert code == 0
    names = {"latency.png", "timeline.png", "budget.png", "stages.png", "streams.png"}
    assert {path.name for path in folder.iterdir()} == names
    for path in folder.iterdir():
        assert path.read_bytes()[:4] == b"\x89PNG"


def test_what_the_page_draws_is_drawn_as_png(measured, tmp_path):
    pytest.importorskip("matplotlib")
    report = full_report(measured)
    root, _ = elements(page(report, scaled(report, 0.5)))
    drawn = {svg.get("id") for svg in root.iter("svg")} - {"tail"} | {"latency"}  # two names of one
    assert {path.stem for path in save_pictures(report, tmp_path)} == drawn
    for key in ("round_trip", "comparison"):
        del report[key]
    (tmp_path / "less").mkdir()
    left = {path.stem for path in save_pictures(report, tmp_path / "less")}
    assert drawn - left == {"roundtrip", "comparison"}


def words_drawn(axis):
    return [text.get_text() for text in axis.texts]


def test_png_ratios_and_the_parts_of_a_measured_delay(measured):
    pytest.importorskip("matplotlib")
    report = full_report(measured)
    rows = ratios(report)
    figure, (axis,) = new_figure(1, 3.0)
    bench_png._comparison(report, [axis])
    assert words_drawn(axis) == [f"{ratio:.2f}  {verdict}" for _, ratio, _, _, verdict in rows]
    assert [label.get_text() for label in axis.get_yticklabels()] == [name for name, *_ in rows]
    figure, (axis,) = new_figure(1, 2.0)
    bench_png._round_trip(report, [axis])
    assert "85 ms" in words_drawn(axis)
    assert "measured, 62.1 ms" in axis.get_title(loc="left")
    figure, (axis,) = new_figure(1, 2.0)
    bench_png._budget(report, [axis])
    assert "62.1 ms" in words_drawn(axis)
    figure.canvas.draw()
    assert axis.get_xlim()[1] > 85  # all of the bar is in the picture


def test_without_matplotlib_pictures_name_the_extra(rtaudio, model, monkeypatch, tmp_path):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else found(name)
    )
    code, _, err = rtaudio("bench", "--model", model, "--png", tmp_path)
    assert (code, err.count("\n")) == (3, 1)
    assert "pip install 'rtaudio[plot]'" in err


def test_the_page_is_whole_and_needs_nothing_else(measured):
    report = missed_report(measured)
    html = page(report, scaled(report, 0.5))
    root, tags = elements(html)
    assert {svg.get("id") for svg in root.iter("svg")} == {
        "tail",
        "timeline",
        "budget",
        "stages",
        "comparison",
    }
    assert sum(element.get("class") == "miss" for element in root.iter("circle")) == 2
    assert sum(element.get("class", "").startswith("curve") for element in root.iter("polyline")) == 2
    assert "script" not in tags
    assert "http" not in html
    assert "url(" not in html
    assert "prefers-color-scheme: dark" in html
    assert "&lt;b&gt;&amp;mine&lt;/b&gt;" in html


def test_each_backend_that_missed_deadlines_has_its_timeline(measured):
    report = copy.deepcopy(measured)
    first, late = report["backends"][0], missed_report(measured)["backends"][0]
    first["missed_hops"] = []
    late |= {"model": first["model"], "backend": "torch"}
    report["backends"] = [first, {**first, "backend": "int8"}, late]
    html = page(report)
    root, _ = elements(html)
    charts = [svg for svg in root.iter("svg") if svg.get("id").startswith("timeline")]
    misses = [sum(dot.get("class") == "miss" for dot in chart.iter("circle")) for chart in charts]
    assert misses == [0, 2]
    assert "torch: from the moment a hop was due" in html
    assert "int8: from the moment a hop was due" not in html


def test_names_of_many_curves_go_on_in_the_next_line():
    curves = [Curve(f"backend number {i}, live", np.ones(10), i) for i in range(6)]
    places = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" class="legend"', tail_chart(curves, [10.0]))
    assert len(places) == 6
    assert all(float(x) + 28 + 7 * 24 < WIDTH for x, _ in places)
    assert len({y for _, y in places}) == 2
    assert len(set(places)) == 6


def test_long_names_beside_ratios_have_room():
    name = "some-long-name-of-a-model.toml onnx paced p50"
    (x,) = re.findall(rf'<text x="([\d.]+)" [^>]*>{name}<', forest([(name, 1.0, 0.9, 1.1, "same")], 1.05))
    assert float(x) > 7 * len(name)


def test_different_machines_get_no_ratio_on_the_page(measured):
    old = copy.deepcopy(measured)
    old["machine"]["cpu"] = "another"
    report = copy.deepcopy(measured)
    report["comparison"] = compare(old, report)
    html = page(report, old)
    assert 'class="comparison"' in html
    assert 'id="comparison"' not in html
    assert "different machines" in html


COLLISIONS = """<script>
const found = document.createElement("pre"), SLACK = 2;  // boxes have room above and below the letters
found.id = "collisions";
for (const chart of document.querySelectorAll("svg")) {
  const frame = chart.getBoundingClientRect();
  const texts = [...chart.querySelectorAll("text")].map((t) => [t.textContent, t.getBoundingClientRect()]);
  texts.forEach(([words, box], i) => {
    const cut = box.left < frame.left - 1 || box.right > frame.right + 1;
    if (cut) found.append(`${chart.id}: ${words} cut off\n`);
    for (const [others, other] of texts.slice(0, i)) {
      const wide = Math.min(box.right, other.right) - Math.max(box.left, other.left);
      const high = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
      if (wide > SLACK && high > SLACK) found.append(`${chart.id}: ${words} on ${others}\n`);
    }
  });
}
document.body.append(found);
</script></body>"""


def collisions(chromium, html, file):
    """Words of a page's pictures that a browser draws on each other, or out of their picture."""
    file.write_text(html.replace("</body>", COLLISIONS), encoding="utf-8")
    dom, _ = chromium(file, "--dump-dom")
    (found,) = re.findall(r'<pre id="collisions">(.*?)</pre>', dom, re.DOTALL)
    return found.splitlines()


def full_report(measured):
    """With all that a page can show."""
    report = missed_report(with_round_trip(measured))
    name = report["models"][0]["name"]
    return report | {"streams": grid(name, "streams", 1, 32), "paces": grid(name, "hop_ms", 5.0)}


def test_no_words_of_the_pictures_lie_on_others(measured, chromium, tmp_path):
    report = full_report(measured)
    assert collisions(chromium, page(report, scaled(report, 0.5)), tmp_path / "page.html") == []


def test_words_on_words_are_found(chromium, tmp_path):
    texts = '<text x="10" y="20">one</text><text x="12" y="22">two</text><text x="90" y="60">cut</text>'
    html = f'<!DOCTYPE html><body><svg id="a" width="100" height="80">{texts}</svg></body>'
    assert collisions(chromium, html, tmp_path / "page.html") == ["a: two on one", "a: cut cut off"]


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_in_a_real_browser(measured, chromium, tmp_path, dark):
    report = full_report(measured)
    file, picture = tmp_path / "page.html", tmp_path / "page.png"
    file.write_text(page(report, scaled(report, 0.5)), encoding="utf-8")
    colours = ["--blink-settings=preferredColorScheme=0"] * dark  # 0 is dark
    _, log = chromium(file, f"--screenshot={picture}", *colours)
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "CONSOLE" not in log
    dom, log = chromium(file, "--dump-dom", *colours)
    assert "CONSOLE" not in log
    charts = {"tail", "timeline", "budget", "stages", "streams", "roundtrip", "comparison"}
    assert set(re.findall(r'<svg id="(\w+)"', dom)) == charts
    assert len(re.findall(r'<circle class="miss"', dom)) == 4  # two hops, two numbers of streams
    assert "<b>" not in dom
