"""What PortAudio refuses is told in a line; PortAudio itself is a stand-in that refuses."""

from types import SimpleNamespace

import pytest

from rtaudio.devices.base import Callbacks
from rtaudio.devices.catalogue import DeviceInfo
from rtaudio.devices.portaudio import device, listing
from rtaudio.errors import DeviceError, RateError

CARD = DeviceInfo(0, "USB card", "ALSA", 2, 2, 44100, 0.01, 0.01, True, True)
UNAVAILABLE, BAD_RATE, OTHER = -9985, -9997, -9999


class PortAudioError(Exception):
    pass


def refusing(code):
    """sounddevice, of whose devices none opens, for the reason of that code, and one rate is accepted."""

    def refuse(*arguments, **options):
        raise PortAudioError("Error opening Stream:\n unanticipated host error", code)

    def check(device, samplerate, **options):
        if samplerate != 44100:
            refuse()

    return SimpleNamespace(
        PortAudioError=PortAudioError,
        _StreamBase=refuse,
        _ffi=SimpleNamespace(cast=lambda kind, value: value),
        _lib=SimpleNamespace(paDeviceUnavailable=UNAVAILABLE, paInvalidSampleRate=BAD_RATE),
        check_input_settings=check,
        check_output_settings=check,
    )


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (UNAVAILABLE, "'USB card' is busy: another program holds it, or its server is gone"),
        (BAD_RATE, r"'USB card' cannot run at 48000 Hz \(works: \[44100\]\)"),
        (OTHER, "'USB card' could not be opened: Error opening Stream: unanticipated host error"),
    ],
)
def test_a_device_that_does_not_open_is_named_with_the_reason(monkeypatch, code, told):
    for module in (device, listing):
        monkeypatch.setattr(module, "list_devices", lambda: [CARD])
        monkeypatch.setattr(module, "library", lambda: refusing(code))
    with pytest.raises(DeviceError, match=told) as caught:
        device.PortAudioDevice().open(Callbacks(0, 0, 0, 0))
    assert caught.value.exit_code == 3
    if code == BAD_RATE:
        assert isinstance(caught.value, RateError)
        assert caught.value.rates == (44100,)
