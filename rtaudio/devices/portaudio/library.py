"""PortAudio itself: found, started, asked to look again, and survived when a sound server dies."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Any, Protocol

from rtaudio.errors import DeviceError, MissingLibraryError

INSTALL = {
    "linux": "sudo apt-get install -y libportaudio2 libasound2-plugins",
    "darwin": "brew install portaudio",
}
JACK = "JACK Audio Connection Kit"


class Closes(Protocol):
    """What has streams open: it can be closed."""

    def close(self) -> None: ...


OPEN: set[Closes] = set()
"""Devices with open streams: while there are any, PortAudio can't look for new hardware."""

HUNG: list[Any] = []
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
        _silence_alsa()
    return sounddevice


def _silence_alsa() -> None:
    """Keep ALSA from printing "underrun occurred" over the meters: xruns are counted and shown.

    Its messages come from the audio thread, so their handler must not be Python. `labs` of the C
    library does for one: it takes a word, looks at nothing, and returns.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc, alsa = ctypes.CDLL(None), ctypes.CDLL("libasound.so.2")
        alsa.snd_lib_error_set_handler(ctypes.cast(libc.labs, ctypes.c_void_p))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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
    for device in list(OPEN):
        device.close()
    with quiet():
        _terminate(sys.modules["sounddevice"])


def rescan(sd: Any) -> None:
    """Let PortAudio look for devices again (40-100 ms), unless a stream is open."""
    if not OPEN:
        with quiet():
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
    given_up = bool(HUNG) or (sd._initialized > 0 and not jack_lives(sd))
    if given_up:
        sd._initialized = 0
        HUNG.clear()
    while sd._initialized:
        sd._terminate()
    return not given_up


def jack_lives(sd: Any) -> bool:
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


def stopped(stream: Any) -> bool:
    """Stop a stream, from a thread since that may hang; False if it was not done in time."""
    if stream.stopped:
        return True
    # A lost device can never play what is still pending: that is thrown away.
    thread = threading.Thread(target=stream.stop if stream.active else stream.abort, daemon=True)
    patience_s = PATIENCE_S if stream.active else PATIENCE_LOST_S
    thread.start()
    thread.join(patience_s)
    return not thread.is_alive()
