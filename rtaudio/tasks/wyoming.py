"""A wake-word server in Home Assistant's Wyoming protocol, over the `wyoming` package.

A client says which words it wants (`detect`), streams sound of any rate, width and number of
channels, and is told of every word heard (`detection`), or at the end that there was none
(`not-detected`). Each client has a spotter of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rtaudio.devices.pipe import as_frames
from rtaudio.dsp.spotter import NET_RATE, SpotEvent, Spotter
from rtaudio.errors import ConfigError, DeviceError, MissingLibraryError, RtaudioError
from rtaudio.stream.listen import Listen
from rtaudio.tasks.listen import Hearing
from rtaudio.tasks.spotting import AFTER_S, spotter_of
from rtaudio.tasks.words import plain_name

if TYPE_CHECKING:
    from wyoming.event import Event

RATES = range(4000, 384001)
MOST_CHANNELS = 32
WIDTHS = range(1, 5)
"""Bytes a sample."""

LARGEST_PAYLOAD = 1 << 22
"""Bytes of sound at once: 20 s at 48 kHz in stereo."""


class Ear:
    """One client's spotter: sound of any format in, events out."""

    def __init__(self, listener: Listen) -> None:
        self._listener = listener
        self.spotter: Spotter = spotter_of(listener)
        self._served = [word for word, on in self.spotter.enabled.items() if on]
        self._format: tuple[int, int, int] | None = None
        self._hearing: Hearing | None = None

    def choose(self, names: list[str] | None) -> None:
        """Which words are wanted; None or an empty list for all that are served."""
        wanted = {plain_name(name) for name in names} if names else set(self._served)
        for word in self._served:
            self.spotter.enable(word, word in wanted)

    def begin(self, rate: int, width: int, channels: int) -> None:
        """A new stream of sound. Raises ConfigError for a format that can't be."""
        if rate not in RATES or width not in WIDTHS or not 1 <= channels <= MOST_CHANNELS:
            raise ConfigError(f"sound at {rate} Hz, {width} bytes wide, {channels} channels is not taken")
        self._format = rate, width, channels
        self._listener.reset()
        self._hearing = Hearing(self._listener, self.spotter.sample_rate, rate)

    def hear(self, payload: bytes, rate: int, width: int, channels: int) -> list[SpotEvent]:
        """Go on with the stream; a change of format begins a new one."""
        if len(payload) > LARGEST_PAYLOAD:
            raise ConfigError(f"{len(payload)} bytes of sound at once are too many")
        if self._hearing is None or self._format != (rate, width, channels):
            self.begin(rate, width, channels)
        assert self._hearing is not None
        self._hearing.hear(as_frames(payload, 8 * width, channels))
        return self.spotter.events()

    def end(self) -> list[SpotEvent]:
        """The stream is over: what is still to be told of it."""
        if self._hearing is None:
            return []
        self._hearing.finish(AFTER_S)
        self._hearing = None
        return self.spotter.events()


def _handler(ear: Ear, describe: Callable[[], Event]) -> Any:
    """The connection of one client, made when the `wyoming` package is known to be there."""
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.error import Error
    from wyoming.info import Describe
    from wyoming.ping import Ping, Pong
    from wyoming.server import AsyncEventHandler
    from wyoming.wake import Detect, Detection, NotDetected

    class Client(AsyncEventHandler):
        detected = False

        async def handle_event(self, event: Event) -> bool:
            try:
                await self._handle(event)
            except (RtaudioError, AttributeError, KeyError, TypeError, ValueError) as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                await self.write_event(Error(text=reason, code=type(error).__name__).event())
                return False
            return True

        async def _handle(self, event: Event) -> None:
            if Describe.is_type(event.type):
                await self.write_event(describe())
            elif Ping.is_type(event.type):
                await self.write_event(Pong(text=Ping.from_event(event).text).event())
            elif Detect.is_type(event.type):
                ear.choose(Detect.from_event(event).names)
            elif AudioStart.is_type(event.type):
                start = AudioStart.from_event(event)
                ear.begin(start.rate, start.width, start.channels)
                self.detected = False
            elif AudioChunk.is_type(event.type):
                chunk = AudioChunk.from_event(event)
                heard = ear.hear(chunk.audio, chunk.rate, chunk.width, chunk.channels)
                await self._tell(heard, chunk.timestamp)
            elif AudioStop.is_type(event.type):
                await self._tell(ear.end(), AudioStop.from_event(event).timestamp)
                if not self.detected:
                    await self.write_event(NotDetected().event())

        async def _tell(self, events: list[SpotEvent], timestamp_ms: int | None) -> None:
            for event in events:
                self.detected = True
                when = round(1000 * event.time_s) if timestamp_ms is None else timestamp_ms
                await self.write_event(Detection(name=event.word, timestamp=when).event())

        async def run(self) -> None:
            with contextlib.suppress(Exception):  # whatever a client does, only its own connection ends
                await super().run()

    return Client


def _info(words: tuple[str, ...]) -> Event:
    from wyoming.info import Attribution, Info, WakeModel, WakeProgram

    from rtaudio import __version__

    us = Attribution(name="rtaudio", url="")
    models = [
        WakeModel(
            name=word, attribution=us, installed=True, description=word.replace("_", " "),
            version=__version__, languages=[], phrase=word.replace("_", " "),
        )
        for word in words
    ]  # fmt: skip
    program = WakeProgram(
        name="rtaudio", attribution=us, installed=True, description="words, spotted as they are spoken",
        version=__version__, models=models,
    )  # fmt: skip
    return Info(wake=[program]).event()


class WyomingServer:
    """Serves `build(sample_rate)`'s words at `uri`, until `stop`.

    Raises MissingLibraryError without the `wyoming` package, ConfigError for a bad address, and
    DeviceError where it can't be listened at.
    """

    def __init__(self, uri: str, build: Callable[[int], Listen]) -> None:
        try:
            from wyoming.server import AsyncServer
        except ImportError:
            raise MissingLibraryError(
                "--wyoming needs the wyoming package: pip install 'rtaudio[wyoming]'"
            ) from None
        if not uri.startswith(("tcp://", "unix://")):
            raise ConfigError(f"{uri!r} must be tcp://HOST:PORT or unix://PATH")
        self.uri, self._original = uri, build(NET_RATE)
        spotter = spotter_of(self._original)
        self.words = tuple(word for word, on in spotter.enabled.items() if on)
        try:
            self._server = AsyncServer.from_uri(uri)
        except ValueError as error:
            raise ConfigError(f"{uri!r}: {error}") from None

    async def start(self) -> None:
        """Begin to take clients."""
        try:
            await self._server.start(self._connect)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise DeviceError(f"{self.uri}: can't be listened at ({reason})") from None

    def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
        ear = Ear(self._original.clone())
        return _handler(ear, lambda: _info(self.words))(reader, writer)

    async def stop(self) -> None:
        await self._server.stop()
