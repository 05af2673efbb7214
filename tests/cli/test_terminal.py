"""At a real terminal: meters move, keys work, and the terminal is left as it was."""

import os
import select
import subprocess
import sys

import pytest
from program import ENVIRONMENT

pty = pytest.importorskip("pty")
termios = pytest.importorskip("termios")


def read_until(descriptor, word, timeout_s=60.0):
    """What the program printed, up to and with `word`."""
    seen = ""
    while word not in seen:
        assert select.select([descriptor], [], [], timeout_s)[0], f"no {word!r} in {seen!r}"
        seen += os.read(descriptor, 4096).decode("utf-8", "replace")
    return seen


@pytest.fixture
def terminal():
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


PROGRAM = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from rtaudio.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def start_at(theirs, *arguments):
    """The program in a session of its own, with the terminal as its controlling one."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )


def test_keys_toggle_bypass_and_quit(model, tmp_path, terminal):
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    with start_at(theirs, "demo", "--model", model, "--out-dir", tmp_path) as process:
        read_until(ours, "b bypass")
        assert not termios.tcgetattr(theirs)[3] & termios.ICANON
        os.write(ours, b"b")
        read_until(ours, "BYPASS")
        os.write(ours, b"b")
        read_until(ours, "live")
        os.write(ours, b"q")
        table = process.stdout.read().decode()
    assert process.returncode == 0
    assert "compute a hop, p99" in table
    assert termios.tcgetattr(theirs) == before


def test_keys_turn_the_dials(model, tmp_path, terminal):
    ours, theirs = terminal
    with start_at(theirs, "demo", "--model", model, "--out-dir", tmp_path) as process:
        read_until(ours, "+- strength")
        for key, told in ((b"-", "strength 0.9 · limit 24 dB"), (b"[", "strength 0.9 · limit 21 dB")):
            os.write(ours, key)
            read_until(ours, told)
        os.write(ours, b"q")
        process.stdout.read()
    assert process.returncode == 0


def test_ctrl_c_at_the_terminal(model, tmp_path, terminal):
    ours, theirs = terminal
    before = termios.tcgetattr(theirs)
    with start_at(theirs, "demo", "--model", model, "--out-dir", tmp_path) as process:
        read_until(ours, "b bypass")
        os.write(ours, b"\x03")
        table = process.stdout.read().decode()
    assert process.returncode == 130
    assert "deadline misses" in table
    assert termios.tcgetattr(theirs) == before
