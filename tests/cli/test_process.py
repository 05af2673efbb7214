"""The program as a process of its own: imports, pipes, signals."""

import io
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf
from program import ENVIRONMENT, start

HEAVY = ("torch", "numba", "scipy", "matplotlib", "soundfile", "sounddevice", "rich", "numpy")


def imported_by(*arguments):
    """Which of HEAVY a run of the program has imported when it ends."""
    code = (
        "import sys, contextlib, io\n"
        "from rtaudio.cli.main import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        f"    main({list(arguments)!r})\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_help_imports_nothing_heavy():
    assert imported_by("--help") == []
    assert imported_by("denoise", "--help") == []


def test_devices_imports_neither_torch_nor_numba():
    assert not {"torch", "numba"} & set(imported_by("devices"))


def test_the_package_imports_nothing_until_asked():
    code = "import sys, rtaudio; assert 'numpy' not in sys.modules; rtaudio.native_stage; print(dir(rtaudio))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert "run_offline" in done.stdout


def until(stream, word):
    """Read lines until one has `word` in it."""
    for line in stream:
        if word in line:
            return
    pytest.fail(f"ended before it said {word!r}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_stream_and_prints_the_summary(model, tmp_path, number):
    with start("demo", "--json", "--model", model, "--out-dir", tmp_path) as process:
        until(process.stderr, "playing")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert json.loads(out)["ended"] == "interrupted"
    assert os.listdir(tmp_path) == []


def test_an_interrupt_in_code_from_a_string_is_130_as_anywhere():
    code = (
        "import sys\n"
        "from rtaudio.cli import main\n"
        "main.build_parser = lambda: exec('raise KeyboardInterrupt')\n"
        "sys.exit(main.main([]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "rtaudio: interrupted\n")


def test_an_interrupt_in_a_callback_from_c_is_not_lost():
    code = (
        "import ctypes, signal, sys, threading\n"
        "from rtaudio.cli import main\n"
        "def parse():\n"
        "    ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGTERM))()\n"
        "    threading.Event().wait(60)\n"
        "main.build_parser = parse\n"
        "sys.exit(main.main([]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "rtaudio: interrupted\n")


@pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="there is no /dev/full, a disk that is always full"
)
def test_a_full_disk_under_stdout_is_told_in_a_line():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "rtaudio", "devices", "--json"]
        done = subprocess.run(command, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "rtaudio: stdout: cannot be written: the disk is full\n")


def test_an_interrupt_leaves_no_half_file(model, tmp_path):
    source = tmp_path / "long.wav"
    sf.write(source, np.zeros(48000 * 600, np.int16), 48000)
    with start("denoise", source, "-O", tmp_path / "out.wav", "--model", model) as process:
        while not any(name.endswith(".part") for name in os.listdir(tmp_path)) and process.poll() is None:
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == ["long.wav"]


def test_pipes(model):
    x = 0.1 * np.random.default_rng(0).standard_normal(12000)
    before = io.BytesIO()
    sf.write(before, x, 48000, format="WAV")
    done = subprocess.run(
        [sys.executable, "-m", "rtaudio", "denoise", "-", "-O", "-", "--model", model, "--json"],
        input=before.getvalue(),
        env=ENVIRONMENT,
        capture_output=True,
        check=True,
    )
    y, rate = sf.read(io.BytesIO(done.stdout))
    assert (y.shape, rate) == (x.shape, 48000)


def test_a_reader_that_leaves_early_is_no_error():
    for verb in ("--help", "models"):  # the one prints, the other draws a table
        with start(verb) as process:
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 0


def test_closed_streams_are_as_empty_ones(recording, model, tmp_path):
    code = "import os, sys; [os.close(n) for n in (0, 1, 2)]; os.execv(sys.executable, sys.argv[1:])"
    for source, expected in ((recording, 0), ("-", 2), (tmp_path / "missing.wav", 2)):
        command = [sys.executable, "-m", "rtaudio", "denoise", source, "-O", "-", "--model", model]
        done = subprocess.run([sys.executable, "-c", code, *map(str, command)], env=ENVIRONMENT, timeout=60)
        assert done.returncode == expected


def test_what_the_terminal_can_not_print_is_escaped():
    code = "import sys; from rtaudio.cli import main; main.main = lambda: print('\\xe9'); main.program()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "\\xe9\n")
