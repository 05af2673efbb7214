"""Private JACK and PulseAudio servers: real devices where there is no sound card.

Each server belongs to the process that started it, carries that process's id in its name, and
is ended with it; those left behind by a killed process are ended when the next one starts.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(tempfile.gettempdir())
PREFIX = "rtaudio-servers-"
JACK_NAME = "rtaudio-own-"

JACK_PROGRAMS = ("jackd", "jack_lsp", "jack_connect", "jack_disconnect")
PULSE_PROGRAMS = ("pulseaudio", "pactl", "pacat", "parec")


def eventually(condition: Callable[[], Any], what: str, timeout_s: float = 60.0) -> Any:
    """Wait until `condition()` is true and return its value; TimeoutError naming `what` otherwise."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {timeout_s:.0f} s")
        time.sleep(0.02)
    return value


def missing(programs: tuple[str, ...]) -> list[str]:
    """Those of the programs that are not installed."""
    return [program for program in programs if shutil.which(program) is None]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _end_stranger(pid: int) -> None:
    """End a process that isn't our child, politely at first."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, TimeoutError):
            os.kill(pid, how)
            eventually(lambda: not _alive(pid), f"the end of process {pid}", timeout_s=3.0)
            return


def heal() -> None:
    """End the servers, and remove the folders, of processes that are no longer there."""
    for folder in ROOT.glob(f"{PREFIX}*"):
        owner = int(re.sub(r"\D.*", "", folder.name.removeprefix(PREFIX)) or 0)
        if _alive(owner):
            continue
        for note in folder.glob("*.pid"):
            pid, command = note.read_text().split(maxsplit=1)
            with contextlib.suppress(OSError):
                # The number may have gone to another program since.
                if command.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    _end_stranger(int(pid))
        shutil.rmtree(folder, ignore_errors=True)
    _forget_killed_jack_servers()
    for left in Path("/dev/shm").glob(f"jack_*{JACK_NAME}*"):
        if not _alive(int(re.sub(r"\D.*", "", left.name.partition(JACK_NAME)[2]) or 0)):
            left.unlink(missing_ok=True)


@functools.cache
def _forget_killed_jack_servers() -> None:
    """Make room in JACK's registry, which holds eight servers and keeps those that were killed.

    Once, before any server of ours: a client in this process would lose its own with it.
    """
    if not any(_name(entry) == "jackd" for entry in Path("/proc").glob("[0-9]*")):
        Path("/dev/shm/jack-shm-registry").unlink(missing_ok=True)


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return ""


class _Server:
    """A folder of our own, the environment by which clients find the server, its processes."""

    def __init__(self) -> None:
        heal()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=ROOT))
        self.environment: dict[str, str] = {}
        self._before: dict[str, str | None] = {}
        self._processes: list[subprocess.Popen[bytes]] = []

    def run(self, *command: str) -> None:
        """Start a program in the background; it ends with the server."""
        log = open(self.folder / "log.txt", "ab")  # noqa: SIM115 (the child keeps it)
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.environment}
        )
        log.close()
        (self.folder / f"{process.pid}.pid").write_text(f"{process.pid} {command[0]}")
        self._processes.append(process)

    def ask(self, *command: str) -> str:
        """Run a client program to its end; returns what it printed, "" where it failed or took too long."""
        environment = {**os.environ, **self.environment}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=20, check=False)
        except subprocess.TimeoutExpired:  # asked again by who waits for an answer
            return ""
        return done.stdout.decode() if done.returncode == 0 else ""

    def start(self) -> None:
        raise NotImplementedError

    def kill(self) -> None:
        """End the server's processes at once, as a crash would."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        self._processes.clear()

    def pause(self, seconds: float) -> None:
        """Let the server itself stand still, as on a machine that is too busy for it."""
        self._processes[0].send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._processes[0].send_signal(signal.SIGCONT)

    def __enter__(self) -> Any:
        self._before = {key: os.environ.get(key) for key in self.environment}
        os.environ.update(self.environment)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for key, value in self._before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
        shutil.rmtree(self.folder, ignore_errors=True)


class JackServer(_Server):
    """jackd on its dummy driver: a sound card without hardware, exact to the sample.

    Runs without real-time scheduling where that is not permitted (`realtime` says).
    """

    def __init__(self, sample_rate: int = 48000, period: int = 64) -> None:
        super().__init__()
        self.name = f"{JACK_NAME}{os.getpid()}"
        self.sample_rate, self.period = sample_rate, period
        self.realtime = _may_be_realtime()
        # No Pulse server in sight, so that PortAudio finds this one alone.
        self.environment = {
            "JACK_DEFAULT_SERVER": self.name,
            "JACK_NO_AUDIO_RESERVATION": "1",
            "JACK_NO_START_SERVER": "1",
            "XDG_RUNTIME_DIR": str(self.folder),
            "PULSE_SERVER": f"unix:{self.folder}/none",
        }

    def start(self) -> None:
        schedule = ("-R", "-P", "70") if self.realtime else ("-r",)
        driver = ("-d", "dummy", "-r", str(self.sample_rate), "-p", str(self.period))
        self.run("jackd", "-n", self.name, *schedule, *driver)
        eventually(self.ports, "the start of jackd")

    def ports(self) -> list[str]:
        return self.ask("jack_lsp").split()

    def wire(self, source: str, target: str) -> None:
        """Connect an output port to an input port; a wire that is there already is fine."""
        self.ask("jack_connect", source, target)
        if target not in self.wires(source):
            raise RuntimeError(f"jack_connect {source} {target} failed")

    def cut(self, source: str, target: str) -> None:
        self.ask("jack_disconnect", source, target)

    def wires(self, port: str) -> list[str]:
        """Ports connected to `port`."""
        found: dict[str, list[str]] = {}
        heading = ""
        for line in self.ask("jack_lsp", "-c").splitlines():
            if line.startswith(" "):
                found[heading].append(line.strip())
            else:
                heading = line.strip()
                found[heading] = []
        return found.get(port, [])


class PulseServer(_Server):
    """PulseAudio with null sinks `spk` and `mic`, no hardware, reachable by this process alone.

    What is played to `mic` comes out of the source `mic.monitor`, which stands for a microphone.
    """

    def __init__(self, sample_rate: int = 48000) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.environment = {
            "XDG_RUNTIME_DIR": str(self.folder),
            "HOME": str(self.folder),
            # Compiled kernels stay where they are: in an empty home every program would compile them anew.
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
            "PULSE_SERVER": f"unix:{self.folder}/native",
            "JACK_NO_START_SERVER": "1",
        }

    def start(self) -> None:
        socket = f"module-native-protocol-unix auth-anonymous=1 socket={self.folder}/native"
        realtime = "yes" if _may_be_realtime() else "no"
        flags = (
            "--exit-idle-time=-1",
            "--use-pid-file=no",
            f"--realtime={realtime}",
            "--disallow-exit",
            "-n",
            "-F",
        )
        script = self.folder / "start.pa"
        # Without module-suspend-on-idle nothing falls asleep; floats keep samples exact.
        sink = f"format=float32le rate={self.sample_rate} channels=1"
        lines = [
            f"load-module {socket}",
            *(f"load-module module-null-sink sink_name={s} {sink}" for s in ("spk", "mic")),
        ]
        script.write_text("\n".join(lines) + "\n")
        self.run("pulseaudio", "--daemonize=no", *flags, str(script))
        eventually(lambda: "mic" in self.ask("pactl", "list", "short", "sinks"), "the start of pulseaudio")
        for name in ("spk", "mic"):
            self.keep_awake(name)

    def keep_awake(self, sink: str) -> None:
        """Play silence in small pieces: a null sink with no such client works in pieces of 2 s."""
        form = ("--raw", "--format=float32le", f"--rate={self.sample_rate}", "--channels=1")
        self.run("pacat", "-d", sink, "--latency-msec=10", *form, "/dev/zero")
        eventually(lambda: self._is_awake(sink), f"low latency of sink {sink}")

    def _is_awake(self, sink: str) -> bool:
        nodes = json.loads(self.ask("pactl", "-f", "json", "list", "sinks") or "[]")
        delays_us = [node["latency"]["actual"] for node in nodes if node["name"] == sink]
        # A sink that slept first plays out its piece of 2 s; streams opened meanwhile stumble.
        return bool(delays_us) and delays_us[0] < 100_000


def _may_be_realtime() -> bool:
    """Whether a child of ours may ask for real-time scheduling: tried, not guessed."""
    done = subprocess.run(["chrt", "-f", "70", "true"], capture_output=True, check=False)
    return done.returncode == 0
