import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("arguments", [[], ["--quick"], ["report"], ["nothing"]])
def test_what_is_no_program_gets_the_list_of_those_that_are(arguments):
    done = subprocess.run([ROOT / "scripts" / "bench", *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    listed = done.stderr.partition("one of: ")[2].split()
    assert {"hop", "denoise_quality", "machines"} <= set(listed)
    assert not {"report", "metrics", "streams", "systems", "gpu_fleet", "__init__"} & set(listed)
