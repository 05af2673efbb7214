"""A microphone and a loudspeaker through PortAudio."""

from __future__ import annotations

from typing import Any

from rtaudio.devices import pulse
from rtaudio.devices.base import Callbacks
from rtaudio.devices.catalogue import DeviceInfo, Kind, find
from rtaudio.devices.portaudio.library import HUNG, OPEN, jack_lives, library, quiet, stopped
from rtaudio.devices.portaudio.listing import (
    PULSE_DEVICES,
    end_of,
    list_devices,
    native_block,
    reaches_pulse,
    usable_rates,
)
from rtaudio.errors import DeviceError, RateError


class PortAudioDevice:
    """A microphone and a speaker (or what stands for them) behind one pair of compiled callbacks.

    `input` and `output` are found as `find_device` does; `latency_s` is what PortAudio is asked
    for on each side, one block unless told. One duplex stream serves both where they are one
    device, two streams where they are two. At the ends of a Pulse server there are always two,
    unless `duplex` is asked for: from its first xrun on, PortAudio's duplex stream on ALSA's Pulse
    plug-in busies a core and stumbles on (pa_linux_alsa.c, `ContinuePoll`). With `out_channels=0` it is
    a microphone alone: no speaker is looked for or opened, and `output` is the input again.

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
        duplex: bool = False,
    ) -> None:
        self.sample_rate, self.block = sample_rate, block
        self.in_channels, self.out_channels = in_channels, out_channels
        self._latency_s = block / sample_rate if latency_s is None else latency_s
        self._query = (input, output)
        self._streams: list[Any] = []
        self.capture_latency_s = self.playback_latency_s = 0.0
        self._resolve(list_devices())
        is_pulse = reaches_pulse(self.input) and reaches_pulse(self.output)
        alone, one = not self.out_channels, self._ends[0] == self._ends[1]
        self.duplex = alone or (one and (duplex or not is_pulse))
        self.one_clock = alone or (_pulse_clock(self._source, self._sink) if is_pulse else one)

    def _resolve(self, devices: list[DeviceInfo]) -> None:
        self.input = find(devices, self._query[0], "input")
        self.output = find(devices, self._query[1], "output") if self.out_channels else self.input
        # From now on by name: after a loss, indices may have moved. A default stays "the default".
        wanted_input, wanted_output = self._query
        self._query = (
            wanted_input if wanted_input is None else self.input.node or self.input.name,
            wanted_output if wanted_output is None else self.output.node or self.output.name,
        )
        _check_channels(self.input, "input", self.in_channels)
        _check_channels(self.output, "output", self.out_channels)
        self._ends = end_of(devices, self.input), end_of(devices, self.output)
        self._source, self._sink = _source(self.input), self.output.node if self.out_channels else None

    @property
    def _block_asked(self) -> int:
        """0, "as it comes", where that is JACK's period: naming it costs one more block of delay."""
        return 0 if self.block == native_block(self.input) else self.block

    def open(self, callbacks: Callbacks) -> None:
        self.close()
        self._resolve(list_devices())
        if self.duplex and self._ends[0] != self._ends[1]:
            raise DeviceError(f"{self.names} are two devices now, and were one at the start")
        OPEN.add(self)
        try:
            with quiet(), pulse.pulse_environment(self._source, self._sink):
                self._open_streams(library(), callbacks)
        except DeviceError:
            self.close()
            raise

    def _open_streams(self, sd: Any, callbacks: Callbacks) -> None:
        memory = sd._ffi.cast("void*", callbacks.memory)
        into, outof = self._ends
        if not self.out_channels:
            capture = self._stream(sd, "input", into, self.in_channels, callbacks.capture, memory)
            self.capture_latency_s = capture.latency
            return
        if self.duplex:
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
            with quiet():
                for stream in self._streams:
                    if not stream.active:
                        stream.start()
        except sd.PortAudioError as error:
            raise self._explain(sd, error) from None

    def stop(self) -> None:
        """Return once no callback runs any more; a stream that can't be stopped is given up."""
        with quiet():
            hung = [stream for stream in self._streams if not stopped(stream)]
        self._streams = [stream for stream in self._streams if stream not in hung]
        HUNG.extend(hung)

    def close(self) -> None:
        self.stop()
        with quiet():
            if self._streams and not jack_lives(library()):
                HUNG.extend(self._streams)
                self._streams.clear()
            for stream in self._streams:
                stream.close()
        self._streams.clear()
        OPEN.discard(self)

    def change_rate(self, sample_rate: int) -> None:
        block = round(self.block * sample_rate / self.sample_rate)
        self.sample_rate, self.block = sample_rate, native_block(self.input) or block

    @property
    def active(self) -> bool:
        return bool(self._streams) and all(stream.active for stream in self._streams)

    @property
    def names(self) -> str:
        return " and ".join(dict.fromkeys(repr(device.name) for device in (self.input, self.output)))

    def _explain(self, sd: Any, error: Exception) -> DeviceError:
        code = error.args[1] if len(error.args) > 1 else None
        if code == sd._lib.paInvalidSampleRate:
            rates = usable_rates(self.input, self.output)
            return RateError(
                f"{self.names} cannot run at {self.sample_rate} Hz (works: {rates or 'no usual rate'}):"
                " use such a rate, with rtaudio.dsp.resample.at_rate around the stage",
                rates,
            )
        if code == sd._lib.paDeviceUnavailable:
            return DeviceError(f"{self.names} is busy: another program holds it, or its server is gone")
        return DeviceError(f"{self.names} could not be opened: {' '.join(str(error.args[0]).split())}")


def _check_channels(device: DeviceInfo, kind: Kind, asked: int) -> None:
    if not device.node and asked > device.channels(kind):  # the Pulse server mixes channels itself
        raise DeviceError(
            f"{device.name!r} has {device.channels(kind)} {kind} channels, {asked} were asked for"
        )


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
    except DeviceError:  # it can't be asked: the servo will see
        return False
