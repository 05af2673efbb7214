"""Real audio servers for the tests in this folder.

Where their programs are missing a test is skipped by name; with CI set it fails instead.
"""

import contextlib
import dataclasses
import os
import subprocess

import numpy as np
import pytest

from rtaudio.devices.servers import JACK_PROGRAMS, PULSE_PROGRAMS, JackServer, PulseServer, missing
from rtaudio.nn.denoise import NET_NAME, tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.weights import save_weights


def need(programs, package):
    absent = missing(programs)
    if absent:
        give_up(f"{', '.join(absent)} missing: sudo apt-get install -y {package}")


def give_up(reason):
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


class Program(subprocess.Popen):
    """A program that doesn't outlive a test that failed: it would be waited for without end."""

    def __exit__(self, kind, *rest):
        if kind is not None:
            self.kill()
        super().__exit__(kind, *rest)


@contextlib.contextmanager
def small_disk(folder, size):
    """Mount a file system of `size` bytes at `folder`, to be filled; PermissionError if not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        raise PermissionError("mounting a small tmpfs needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def small_folder(tmp_path):
    """A folder on a disk of 256 KiB: a little over half a second of two recordings."""
    try:
        with small_disk(tmp_path / "disk", 256 * 1024) as folder:
            yield folder
    except PermissionError as error:
        give_up(str(error))


def jack_at(sample_rate):
    need(JACK_PROGRAMS, "jackd2")
    return JackServer(sample_rate)


@pytest.fixture
def jack():
    with jack_at(48000) as server:
        yield server


@pytest.fixture
def jack_44100():
    with jack_at(44100) as server:
        yield server


@pytest.fixture
def jack_22073():
    with jack_at(22073) as server:
        yield server


@pytest.fixture
def pulse_server():
    need(PULSE_PROGRAMS, "pulseaudio pulseaudio-utils libasound2-plugins")
    with PulseServer() as server:
        yield server


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A small net with weights from nowhere: any net will do to compare live with offline."""
    rng = np.random.default_rng(0)
    config = dataclasses.replace(DenoiseConfig(), channels=16, hidden=8)
    tensors = {n: 0.2 * rng.standard_normal(s).astype(np.float32) for n, s in tensor_shapes(config).items()}
    return save_weights(tmp_path_factory.mktemp("models") / "random.npz", NET_NAME, config, tensors)
