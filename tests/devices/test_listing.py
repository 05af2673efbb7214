"""What is taken of PortAudio's list, which is a stand-in here."""

from types import SimpleNamespace

import pytest

from rtaudio.devices.portaudio import listing

ALSA, JACK = "ALSA", "JACK Audio Connection Kit"


def entry(index, name, api):
    return {
        "index": index, "name": name, "hostapi": api, "max_input_channels": 2, "max_output_channels": 2,
        "default_samplerate": 48000.0, "default_low_input_latency": 0.01, "default_low_output_latency": 0.01,
    }  # fmt: skip


def portaudio(first, apis):
    """An ALSA device of that name, which is the default, and one of JACK, where there is that."""
    devices = [entry(0, first, 0), entry(1, "system", 1)][: len(apis)]
    told = [
        {"name": name, "default_input_device": i, "default_output_device": i} for i, name in enumerate(apis)
    ]
    return SimpleNamespace(
        query_hostapis=lambda: told,
        query_devices=lambda index=None: devices if index is None else devices[index],
        default=SimpleNamespace(device=(0, 0)),
    )


@pytest.mark.parametrize(
    ("first", "apis", "default"),
    [
        ("jack", (ALSA, JACK), "system"),
        ("jack", (ALSA,), "jack"),
        ("default", (ALSA, JACK), "default"),
    ],
)
def test_jack_is_reached_by_its_own_road(monkeypatch, first, apis, default):
    monkeypatch.setattr(listing, "library", lambda: portaudio(first, apis))
    monkeypatch.setattr(listing, "rescan", lambda sd: None)
    devices = listing.list_devices()
    assert [device.name for device in devices if device.default_input] == [default]
    assert [device.name for device in devices if device.default_output] == [default]
