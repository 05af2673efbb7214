import pytest

from rtaudio.devices.catalogue import DeviceInfo, find
from rtaudio.errors import DeviceError


def device(index, name, inputs=1, outputs=0, **more):
    return DeviceInfo(index, name, "ALSA", inputs, outputs, 48000, 0.01, 0.01, **more)


DEVICES = [
    device(0, "HDA Intel Speakers", 0, 2, default_output=True),
    device(1, "HDA Intel Mic"),
    device(2, "USB Headset", 1, 2, default_input=True),
    device(3, "Scarlett 2i2", 2, 2, node="alsa_input.usb-focusrite"),
    device(4, "mic"),
]


@pytest.mark.parametrize(
    ("query", "kind", "index"),
    [
        (None, "input", 2),
        (None, "output", 0),
        (1, "input", 1),
        ("3", "output", 3),
        ("headset", "input", 2),
        ("HDA INTEL", "output", 0),
        ("hda intel", "input", 1),
        ("Mic", "input", 4),  # the whole name wins over a part of an earlier one
        ("focusrite", "input", 3),
    ],
)
def test_devices_are_found_by_index_name_or_part(query, kind, index):
    assert find(DEVICES, query, kind).index == index


@pytest.mark.parametrize(
    ("query", "kind", "rule"),
    [
        ("USB Headst", "input", "did you mean 'USB Headset'"),
        ("scarlet 2i3", "output", "'Scarlett 2i2'"),
        ("zzz", "input", "there are 'alsa_input.usb-focusrite', 'HDA Intel Mic'"),
        ("", "input", "no input device matches ''; there are"),
        (0, "input", "device 0 .* has no input channels"),
        (9, "input", "no device has index 9: the list goes from 0 to 4"),
    ],
)
def test_unknown_devices_name_the_near_ones(query, kind, rule):
    with pytest.raises(DeviceError, match=rule):
        find(DEVICES, query, kind)


def test_without_devices_the_error_asks_for_a_server():
    with pytest.raises(DeviceError, match="no audio input device: is a sound server"):
        find([], None, "input")
