"""Real audio servers for the tests in this folder.

Where their programs are missing a test is skipped by name; with CI set it fails instead.
"""

import os

import pytest

from benchmarks.servers import JACK_PROGRAMS, PULSE_PROGRAMS, JackServer, PulseServer, missing


def need(programs, package):
    absent = missing(programs)
    if absent:
        reason = f"{', '.join(absent)} missing: sudo apt-get install -y {package}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture
def jack():
    need(JACK_PROGRAMS, "jackd2")
    with JackServer() as server:
        yield server


@pytest.fixture
def pulse_server():
    need(PULSE_PROGRAMS, "pulseaudio pulseaudio-utils libasound2-plugins")
    with PulseServer() as server:
        yield server
