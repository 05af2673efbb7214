"""What the README shows works as shown."""

import re
from pathlib import Path

import numpy as np
import pytest

import rtaudio

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


def test_the_readme_s_stage_runs_live(capsys):
    programs = re.findall(r"```python\n(.*?)```", README, re.S)
    (program,) = [text for text in programs if "native_stage" in text]
    names = {}
    exec(program, names)
    x, y = rtaudio.load_demo().clean, names["device"].output
    assert f"hops={names['engine'].stats().hops}" in capsys.readouterr().out
    loud = np.abs(x).max()
    assert 0.3 * loud < np.abs(y).max() <= loud


def test_every_command_in_the_readme_exists():
    from rtaudio.cli.main import build_parser

    verbs = set(
        re.findall(r"(?:scripts/|`|\| `|  )rtaudio ([a-z][a-z-]+)", README.partition("## Working")[0])
    )
    assert {"demo", "denoise", "doctor", "virtual-mic"} <= verbs
    parser = build_parser()
    for verb in verbs:
        with pytest.raises(SystemExit) as left:
            parser.parse_args([verb, "--help"])
        assert left.value.code == 0


@pytest.mark.parametrize("name", rtaudio.__all__)
def test_every_public_name_can_be_had(name):
    assert getattr(rtaudio, name) is not None
    assert name in dir(rtaudio)


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="nonsense"):
        rtaudio.nonsense  # noqa: B018
