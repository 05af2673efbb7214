"""Sound cards and sound servers through PortAudio, with compiled callbacks.

The one file that knows sounddevice, and the hook it keeps for library authors:
`_StreamBase(callback=<C pointer>, userdata=<C pointer>)` hands a compiled callback to
PortAudio as it is, so that no Python runs when the device asks for sound.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

from rtaudio.devices import pulse
from rtaudio.devices.base import Callbacks
from rtaudio.devices.catalogue import DeviceInfo, Kind, find
from rtaudio.errors import DeviceError, MissingLibraryError

INSTALL = {
    "linux": "sudo apt-get install -y libportaudio2 libasound2-plugins",
    "darwin": "brew install portaudio",
}
JACK = "JACK Audio Connection Kit"
PULSE_DEVICES = ("pulse", "default")
"""ALSA devices that end at the Pulse server where Debian's libasound2-plugins is installed."""

RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 192000)
"""Rates tried when one was refused, to name some that work."""

_OPEN: set[PortAudioDevice] = set()
"""Devices with open streams: while there are any, PortAudio can't look for new hardware."""

_HUNG: list[Any] = []
"""Streams given up because PortAudio never came back from stopping them."""

_LEFT: list[Any] = []
"""Copies of the library left behind with them; unloading one would pull code from under JACK."""

PATIENCE_S, PATIENCE_LOST_S = 2.0, 0.2
"""How long stopping a stream may take: with a device that lives a few blocks, then nothing is left to do."""


def library() -> Any:
    """The sounddevice module; MissingLibraryError with the line to run where it can't be had."""
    first = "sounddevice" not in sys.modules
    try:
        import sounddevice
    except ImportError:
        raise MissingLibraryError("the sounddevice package is missing: pip install sounddevice") from None
    except OSError:
        line = INSTALL.get(sys.platform, "pip install --force-reinstall sounddevice")
        raise MissingLibraryError(f"the PortAudio library is missing: {line}") from None
    if first:
        atexit.register(_leave)
    return sounddevice


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send what C libraries print to stderr nowhere: ALSA and JACK report every probe that fails."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _leave() -> None:
    """At exit, before sounddevice's own handler: end streams and PortAudio without chatter."""
    for device in list(_OPEN):
        device.close()
    with _quiet():
        _terminate(sys.modules["sounddevice"])


def _rescan(sd: Any) -> None:
    """Let PortAudio look for devices again (40-100 ms), unless a stream is open."""
    if not _OPEN:
        with _quiet():
            if not _terminate(sd):
                _replace(sd)
            try:
                sd._initialize()
            except sd.PortAudioError as error:
                reason = " ".join(str(error.args[0]).split())
                raise DeviceError(
                    f"PortAudio can't start, is a sound server just going? ({reason})"
                ) from None


def _terminate(sd: Any) -> bool:
    """End PortAudio; False where that would hang or abort, and it was given up as it is."""
    given_up = bool(_HUNG) or (sd._initialized > 0 and not _jack_lives(sd))
    if given_up:
        sd._initialized = 0
        _HUNG.clear()
    while sd._initialized:
        sd._terminate()
    return not given_up


def _jack_lives(sd: Any) -> bool:
    """Whether the JACK server that PortAudio is a client of, if it is, still answers.

    Tried by opening a stream: once that server has died, PortAudio's JACK part aborts the
    process when it is told to close a stream or to end (assertions in pa_jack.c).
    """
    api = next((api for api in sd.query_hostapis() if api["name"] == JACK), None)
    if api is None or not api["devices"]:
        return True
    device = api["devices"][0]
    info = sd.query_devices(device)
    kind = "input" if info["max_input_channels"] else "output"
    trial: list[Any] = []

    def attempt() -> None:
        with contextlib.suppress(sd.PortAudioError):
            stream = sd._StreamBase(kind, device=device, channels=1, dtype="float32")
            stream.close()
            trial.append(stream)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return bool(trial)


def _replace(sd: Any) -> None:
    """Go on with a fresh copy of the PortAudio library, leaving the one in use alone for good.

    When a JACK server dies, PortAudio's JACK part waits up to ten minutes (pa_jack.c,
    `RealStop`) for an answer from it before a stream is stopped, and aborts when it is ended.
    """
    with open("/proc/self/maps") as maps:
        path = next(line.split()[-1] for line in maps if "libportaudio" in line)
    with tempfile.NamedTemporaryFile(suffix=".so") as copy, open(path, "rb") as original:
        shutil.copyfileobj(original, copy)
        copy.flush()
        _LEFT.append(sd._lib)
        sd._lib = sd._ffi.dlopen(copy.name)


def _stopped(stream: Any) -> bool:
    """Stop a stream, from a thread since that may hang; False if it was not done in time."""
    if stream.stopped:
        return True
    # A lost device can never play what is still pending: that is thrown away.
    thread = threading.Thread(target=stream.stop if stream.active else stream.abort, daemon=True)
    patience_s = PATIENCE_S if stream.active else PATIENCE_LOST_S
    thread.start()
    thread.join(patience_s)
    return not thread.is_alive()


def list_devices() -> list[DeviceInfo]:
    """What there is now: PortAudio's devices, then the sources and sinks of a Pulse server."""
    sd = library()
    _rescan(sd)
    apis = sd.query_hostapis()
    default = list(sd.default.device)
    devices = [
        DeviceInfo(
            index=entry["index"],
            name=entry["name"],
            host_api=apis[entry["hostapi"]]["name"],
            in_channels=entry["max_input_channels"],
            out_channels=entry["max_output_channels"],
            default_rate=round(entry["default_samplerate"]),
            in_latency_s=entry["default_low_input_latency"] if entry["max_input_channels"] else 0.0,
            out_latency_s=entry["default_low_output_latency"] if entry["max_output_channels"] else 0.0,
            default_input=entry["index"] == default[0],
            default_output=entry["index"] == default[1],
        )
        for entry in sd.query_devices()
    ]
    return devices + _pulse_nodes(devices)


def _gate(devices: list[DeviceInfo]) -> DeviceInfo | None:
    """The ALSA device through which the Pulse server is reached."""
    return next((device for device in devices if device.name == "pulse" and not device.node), None)


def _pulse_nodes(devices: list[DeviceInfo]) -> list[DeviceInfo]:
    gate = _gate(devices)
    if gate is None:
        return []
    try:
        nodes = [(node, True) for node in pulse.sources()] + [(node, False) for node in pulse.sinks()]
    except DeviceError:  # `pulse` may be there without pactl; it then serves the default alone
        return []
    return [
        DeviceInfo(
            index=index,
            name=node.description,
            host_api="PulseAudio",
            in_channels=node.channels if records else 0,
            out_channels=0 if records else node.channels,
            default_rate=node.sample_rate,
            in_latency_s=gate.in_latency_s if records else 0.0,
            out_latency_s=0.0 if records else gate.out_latency_s,
            node=node.name,
        )
        for index, (node, records) in enumerate(nodes, len(devices))
    ]


def find_device(query: int | str | None, kind: Kind) -> DeviceInfo:
    """The device meant by an index, a name or a part of one; DeviceError names the near matches."""
    return find(list_devices(), query, kind)


def native_block(device: DeviceInfo) -> int | None:
    """Frames in which the device's server works, where it has such a size: JACK's period.

    Any other block makes PortAudio gather or split, which costs up to one block of delay.
    """
    return round(device.in_latency_s * device.default_rate) if device.host_api == JACK else None


def burst(device: DeviceInfo) -> int:
    """Blocks the device may hand over at once.

    A Pulse server passes sound on in pieces of its own, so every few seconds two blocks come
    together (in 8 s with blocks of 480 on a busy machine, up to 41 times).
    """
    return 2 if _reaches_pulse(device) else 1


def _reaches_pulse(device: DeviceInfo) -> bool:
    return device.node is not None or device.name in PULSE_DEVICES


class PortAudioDevice:
    """A microphone and a speaker (or what stands for them) behind one pair of compiled callbacks.

    `input` and `output` are found as `find_device` does; `latency_s` is what PortAudio is asked
    for on each side, one block unless told. One duplex stream serves both where they share a
    clock; otherwise there are two streams and `one_clock` is False.

    Raises DeviceError where a device is unknown, busy, gone, or refuses the format.
    """

    def __init__(
        self,
        input: int | str | None = None,
        output: int | str | None = None,
        *,
        sample_rate: int = 48000,
        block: int = 480,
        in_channels: int = 1,
        out_channels: int = 1,
        latency_s: float | None = None,
    ) -> None:
        self.sample_rate, self.block = sample_rate, block
        self.in_channels, self.out_channels = in_channels, out_channels
        self._latency_s = block / sample_rate if latency_s is None else latency_s
        self._query = (input, output)
        self._streams: list[Any] = []
        self.capture_latency_s = self.playback_latency_s = 0.0
        self._resolve(list_devices())

    def _resolve(self, devices: list[DeviceInfo]) -> None:
        self.input = find(devices, self._query[0], "input")
        self.output = find(devices, self._query[1], "output")
        # From now on by name: after a loss, indices may have moved. A default stays "the default".
        wanted_input, wanted_output = self._query
        self._query = (
            wanted_input if wanted_input is None else self.input.node or self.input.name,
            wanted_output if wanted_output is None else self.output.node or self.output.name,
        )
        _check_channels(self.input, "input", self.in_channels)
        _check_channels(self.output, "output", self.out_channels)
        self._ends = _end(devices, self.input), _end(devices, self.output)
        self._source, self._sink = _source(self.input), self.output.node
        self.one_clock = self._ends[0] == self._ends[1] and (
            self.input.host_api == JACK or not self._is_pulse or _pulse_clock(self._source, self._sink)
        )

    @property
    def _block_asked(self) -> int:
        """0, "as it comes", where that is JACK's period: naming it costs one more block of delay."""
        return 0 if self.block == native_block(self.input) else self.block

    @property
    def _is_pulse(self) -> bool:
        return _reaches_pulse(self.input) and _reaches_pulse(self.output)

    def open(self, callbacks: Callbacks) -> None:
        self.close()
        self._resolve(list_devices())
        _OPEN.add(self)
        try:
            with _quiet(), pulse.pulse_environment(self._source, self._sink):
                self._open_streams(library(), callbacks)
        except DeviceError:
            self.close()
            raise

    def _open_streams(self, sd: Any, callbacks: Callbacks) -> None:
        memory = sd._ffi.cast("void*", callbacks.memory)
        into, outof = self._ends
        if self.one_clock:
            channels = self.in_channels, self.out_channels
            stream = self._stream(sd, "duplex", (into, outof), channels, callbacks.duplex, memory)
            self.capture_latency_s, self.playback_latency_s = stream.latency
            return
        capture = self._stream(sd, "input", into, self.in_channels, callbacks.capture, memory)
        playback = self._stream(sd, "output", outof, self.out_channels, callbacks.playback, memory)
        self.capture_latency_s, self.playback_latency_s = capture.latency, playback.latency

    def _stream(self, sd: Any, kind: str, device: Any, channels: Any, callback: int, memory: Any) -> Any:
        try:
            stream = sd._StreamBase(
                kind,
                samplerate=self.sample_rate,
                blocksize=self._block_asked,
                device=device,
                channels=channels,
                dtype="float32",
                latency=self._latency_s,
                callback=sd._ffi.cast("PaStreamCallback*", callback),
                userdata=memory,
            )
        except (sd.PortAudioError, ValueError) as error:
            raise self._explain(sd, error) from None
        self._streams.append(stream)
        return stream

    def start(self) -> None:
        sd = library()
        try:
            with _quiet():
                for stream in self._streams:
                    if not stream.active:
                        stream.start()
        except sd.PortAudioError as error:
            raise self._explain(sd, error) from None

    def stop(self) -> None:
        """Return once no callback runs any more; a stream that can't be stopped is given up."""
        with _quiet():
            hung = [stream for stream in self._streams if not _stopped(stream)]
        self._streams = [stream for stream in self._streams if stream not in hung]
        _HUNG.extend(hung)

    def close(self) -> None:
        self.stop()
        with _quiet():
            if self._streams and not _jack_lives(library()):
                _HUNG.extend(self._streams)
                self._streams.clear()
            for stream in self._streams:
                stream.close()
        self._streams.clear()
        _OPEN.discard(self)

    @property
    def active(self) -> bool:
        return bool(self._streams) and all(stream.active for stream in self._streams)

    @property
    def names(self) -> str:
        return " and ".join(dict.fromkeys(repr(device.name) for device in (self.input, self.output)))

    def _explain(self, sd: Any, error: Exception) -> DeviceError:
        code = error.args[1] if len(error.args) > 1 else None
        if code == sd._lib.paInvalidSampleRate:
            rates = supported_rates(self.input, self.output) or "none of the usual rates"
            return DeviceError(
                f"{self.names} cannot run at {self.sample_rate} Hz (works: {rates}):"
                " use such a rate and resample with soxr"
            )
        if code == sd._lib.paDeviceUnavailable:
            return DeviceError(f"{self.names} is busy: another program holds it, or its server is gone")
        return DeviceError(f"{self.names} could not be opened: {' '.join(str(error.args[0]).split())}")


def _check_channels(device: DeviceInfo, kind: Kind, asked: int) -> None:
    if not device.node and asked > device.channels(kind):  # the Pulse server mixes channels itself
        raise DeviceError(
            f"{device.name!r} has {device.channels(kind)} {kind} channels, {asked} were asked for"
        )


def _end(devices: list[DeviceInfo], device: DeviceInfo) -> int:
    """PortAudio's index for a device: its own, or that of the gate to the Pulse server."""
    gate = _gate(devices)
    return gate.index if device.node and gate else device.index


def _source(device: DeviceInfo) -> str | None:
    """The Pulse source to name when the stream opens; None where Pulse isn't what is recorded."""
    if device.node or device.name not in PULSE_DEVICES:
        return device.node
    try:
        return pulse.microphone()
    except DeviceError:
        return None


def _pulse_clock(source: str | None, sink: str | None) -> bool:
    try:
        return pulse.one_clock(source, sink)
    except DeviceError:
        return True


def supported_rates(input: DeviceInfo, output: DeviceInfo) -> list[int]:
    """Those of the usual rates that both devices accept."""
    sd, devices = library(), list_devices()
    accepted = []
    for rate in RATES:
        with _quiet(), contextlib.suppress(sd.PortAudioError, ValueError):
            sd.check_input_settings(_end(devices, input), samplerate=rate, channels=1, dtype="float32")
            sd.check_output_settings(_end(devices, output), samplerate=rate, channels=1, dtype="float32")
            accepted.append(rate)
    return accepted
