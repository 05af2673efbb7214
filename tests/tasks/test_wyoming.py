"""The wake-word server, spoken to by the real `wyoming` client, and by clients that misbehave."""

import asyncio
import json

import numpy as np
import pytest

from rtaudio.errors import ConfigError, DeviceError
from rtaudio.tasks.spot import Vocabulary, build_listener, build_spotter
from tests.tone_words import script, tone_model

wyoming = pytest.importorskip("wyoming")

from wyoming.audio import AudioChunk, AudioStart, AudioStop  # noqa: E402
from wyoming.client import AsyncTcpClient  # noqa: E402
from wyoming.error import Error  # noqa: E402
from wyoming.info import Describe, Info  # noqa: E402
from wyoming.ping import Ping, Pong  # noqa: E402
from wyoming.wake import Detect, Detection, NotDetected  # noqa: E402

from rtaudio.tasks.wyoming import WyomingServer  # noqa: E402

SECONDS = 1.5


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    vocabulary = Vocabulary(tone_model(tmp_path_factory.mktemp("models") / "tones.npz"))
    return lambda rate: build_listener(build_spotter(sample_rate=rate, vocabulary=vocabulary))


def served(build, talk):
    """Run `talk(port)` beside a server; what it returns."""

    async def both():
        server = WyomingServer("tcp://127.0.0.1:0", build)
        await server.start()
        port = server._server._server.sockets[0].getsockname()[1]
        try:
            return await asyncio.wait_for(talk(port), 60)
        finally:
            await server.stop()

    return asyncio.run(both())


def pcm(x, width, channels):
    """Float samples as `width` bytes of PCM, the same on every channel."""
    x = np.repeat(x, channels)
    if width == 1:
        return (128 + 127 * x).astype(np.uint8).tobytes()
    values = (x * (2 ** (8 * width - 1) - 1)).astype("<i4")
    return (
        b"".join(values[i].tobytes()[:width] for i in range(values.size))
        if width == 3
        else values.astype(f"<i{width}").tobytes()
    )


async def hear(client, said, rate=16000, width=2, channels=1, names=None, start=True):
    """Stream words as Home Assistant does; the events that come back until the last."""
    if names is not None:
        await client.write_event(Detect(names=names).event())
    form = {"rate": rate, "width": width, "channels": channels}
    if start:
        await client.write_event(AudioStart(**form).event())
    data, size = pcm(script(rate, *said, seconds=SECONDS), width, channels), rate // 50 * width * channels
    for at in range(0, len(data), size):
        await client.write_event(AudioChunk(**form, audio=data[at : at + size], timestamp=at).event())
    await client.write_event(AudioStop().event())
    await client.write_event(Ping(text="over").event())
    answers = []
    while not Pong.is_type((event := await client.read_event()).type):
        answers.append(event)
    return answers


def detected(answers):
    return [Detection.from_event(event).name for event in answers if Detection.is_type(event.type)]


def test_it_says_what_it_knows(build):
    async def talk(port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Describe().event())
            return Info.from_event(await client.read_event())

    (program,) = served(build, talk).wake
    assert program.name == "rtaudio"
    assert [model.name for model in program.models] == ["low", "high"]
    assert all(model.installed for model in program.models)


@pytest.mark.parametrize(
    ("rate", "width", "channels"), [(16000, 2, 1), (48000, 2, 2), (44100, 4, 1), (22050, 3, 2), (8000, 1, 1)]
)
def test_sound_of_any_format(build, rate, width, channels):
    async def talk(port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            first = await hear(client, [(0.3, "low"), (0.9, "high")], rate, width, channels)
            second = await hear(client, [], rate, width, channels)  # the same connection, anew
            return first, second

    first, second = served(build, talk)
    assert detected(first) == ["low", "high"]
    assert [NotDetected.is_type(event.type) for event in second] == [True]


def test_only_the_words_asked_for_are_detected(build):
    async def talk(port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            said = [(0.3, "low"), (0.9, "high")]
            return [
                detected(await hear(client, said, names=names))
                for names in (["high"], ["nobody"], [], ["low"])
            ]

    assert served(build, talk) == [["high"], [], ["low", "high"], ["low"]]


def test_a_detection_carries_the_time_of_its_chunk(build):
    async def talk(port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            return await hear(client, [(0.3, "low")])

    (event,) = served(build, talk)
    assert 0.3 < Detection.from_event(event).timestamp / 32000 < 0.5  # chunks are stamped with bytes here


def test_sound_without_a_start_is_heard(build):
    async def talk(port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            return await hear(client, [(0.3, "low")], start=False)

    assert detected(served(build, talk)) == ["low"]


def test_clients_at_once_do_not_hear_each_other(build):
    async def one(port, word):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            return detected(await hear(client, [(0.3, word)]))

    async def talk(port):
        return await asyncio.gather(*(one(port, word) for word in ("low", "high") * 4))

    assert served(build, talk) == [["low"], ["high"]] * 4


def line(**fields):
    return json.dumps(fields).encode() + b"\n"


NONSENSE = {
    "text": b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
    "binary": bytes(range(256)) * 10,
    "no type": line(data={}),
    "a list": b"[1, 2, 3]\n",
    "a number": b"7\n",
    "torn header": b'{"type": "audio-ch',
    "torn payload": line(type="audio-chunk", payload_length=4000) + b"123",
    "torn data": line(type="audio-chunk", data_length=4000) + b"{",
    "negative length": line(type="audio-chunk", payload_length=-4),
    "a length that is text": line(type="describe", payload_length="many"),
    "an endless line": b"x" * 200_000,
    "names that are none": line(type="detect", data={"names": 5}),
    "a name that is none": line(type="detect", data={"names": [5]}),
    "unknown event": line(type="dance"),
    "stop without start": line(type="audio-stop"),
    "no format": line(type="audio-start"),
    **{
        f"sound at {rate}, {width}, {channels}": line(
            type="audio-start", data={"rate": rate, "width": width, "channels": channels}
        )
        for rate, width, channels in [
            (0, 2, 1), (-16000, 2, 1), (10**12, 2, 1), (16000, 0, 1), (16000, 9, 1), (16000, 2, 0),
            (16000, 2, 10**9), ("fast", 2, 1), (16000.5, 2, 1), (None, None, None),
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("name", NONSENSE)
@pytest.mark.parametrize("leaves", [True, False], ids=["and leaves", "and waits"])
def test_nonsense_ends_at_most_its_own_connection(build, name, leaves, caplog):
    async def talk(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(NONSENSE[name])
        await writer.drain()
        if leaves:
            writer.close()
        async with AsyncTcpClient("127.0.0.1", port) as client:
            answers = await hear(client, [(0.3, "low")])
        writer.close()
        del reader
        return detected(answers)

    assert served(build, talk) == ["low"]
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


def test_a_format_that_can_not_be_is_answered(build):
    async def talk(port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(AudioStart(rate=1, width=2, channels=1).event())
            return Error.from_event(await client.read_event()), await client.read_event()

    error, after = served(build, talk)
    assert "1 Hz" in error.text
    assert after is None


def test_a_torn_frame_in_a_chunk_is_left_out(build):
    async def talk(port):
        async with AsyncTcpClient("127.0.0.1", port) as client:
            for size in (0, 1, 3, 321):
                await client.write_event(AudioChunk(16000, 2, 2, audio=b"\1" * size).event())
            return await hear(client, [(0.3, "low")], channels=2)

    assert detected(served(build, talk)) == ["low"]


def test_a_client_that_leaves_in_the_middle_is_forgotten(build):
    async def talk(port):
        for _ in range(20):
            client = AsyncTcpClient("127.0.0.1", port)
            await client.connect()
            await client.write_event(AudioStart(16000, 2, 1).event())
            await client.write_event(AudioChunk(16000, 2, 1, audio=b"\0" * 3200).event())
            client._writer.transport.abort()
        async with AsyncTcpClient("127.0.0.1", port) as client:
            return detected(await hear(client, [(0.3, "high")]))

    assert served(build, talk) == ["high"]


@pytest.mark.parametrize(
    "uri", ["tcp://", "tcp://127.0.0.1", "http://127.0.0.1:80", "stdio://", "here", "tcp://h:x"]
)
def test_a_bad_address_is_refused(build, uri):
    with pytest.raises(ConfigError):
        WyomingServer(uri, build)


def test_an_address_in_use_is_told(build):
    async def talk(port):
        second = WyomingServer(f"tcp://127.0.0.1:{port}", build)
        with pytest.raises(DeviceError, match="in use"):
            await second.start()
        await second.stop()
        return True

    assert served(build, talk)
