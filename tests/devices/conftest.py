"""A stand-in for `pactl`: a program on the PATH that answers from a file and notes what it was asked."""

import json
import sys

import pytest

PROGRAM = """#!{python}
import json, sys
from pathlib import Path
here = Path({folder!r})
state = json.loads((here / "state.json").read_text())
with open(here / "asked.txt", "a") as notes:
    notes.write(json.dumps(sys.argv[1:]) + "\\n")
if state.get("error"):
    sys.exit(state["error"])
asked = sys.argv[1:]
if asked[:2] == ["-f", "json"]:
    print(json.dumps(state[asked[-1]]))
elif asked[:3] == ["list", "short", "modules"]:
    for index, name, arguments in state["modules"]:
        print(index, name, arguments, "", sep="\\t")
elif asked[0] == "load-module":
    index = state["next"] = state["next"] + 1
    if asked[1] == state.get("refuse"):
        sys.exit("Failure: Module initialization failed")
    state["modules"].append([index, asked[1], " ".join(asked[2:])])
    print(index)
elif asked[0] == "unload-module":
    state["modules"] = [module for module in state["modules"] if str(module[0]) != asked[1]]
(here / "state.json").write_text(json.dumps(state))
"""


class FakePactl:
    def __init__(self, folder):
        self.folder = folder
        self._state = folder / "state.json"
        program = folder / "pactl"
        program.write_text(PROGRAM.format(python=sys.executable + " -S", folder=str(folder)))
        program.chmod(0o755)
        self.set(info={}, sources=[], sinks=[], modules=[], next=10)

    def set(self, **values):
        state = json.loads(self._state.read_text()) if self._state.exists() else {}
        self._state.write_text(json.dumps({**state, **values}))

    @property
    def modules(self):
        return json.loads(self._state.read_text())["modules"]

    @property
    def asked(self):
        return [json.loads(line) for line in (self.folder / "asked.txt").read_text().splitlines()]


def node(name, **more):
    properties = {key: value for key, value in more.items() if "." in key}
    return {
        "name": name,
        "description": more.get("description", name.title()),
        "sample_specification": more.get("spec", "s16le 2ch 44100Hz"),
        "monitor_source": more.get("monitor", ""),
        "properties": properties,
    }


@pytest.fixture
def pactl(tmp_path, monkeypatch):
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return FakePactl(folder)


@pytest.fixture
def make_node():
    return node
