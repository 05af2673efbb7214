import os

import pytest

from rtaudio.devices import pulse
from rtaudio.errors import DeviceError, MissingLibraryError


def test_nodes_are_read_with_format_default_and_monitors(pactl, make_node):
    pactl.set(
        info={"default_source_name": "mic", "default_sink_name": "out"},
        sources=[make_node("mic", spec="float32le 1ch 48000Hz"), make_node("out.monitor", monitor="out")],
        sinks=[make_node("out", monitor="out.monitor")],
    )
    mic, monitor = pulse.sources()
    assert (mic.channels, mic.sample_rate, mic.default, mic.monitor_of) == (1, 48000, True, "")
    assert (monitor.default, monitor.monitor_of) == (False, "out")
    assert [sink.name for sink in pulse.sinks() if sink.default] == ["out"]


def test_a_description_that_pactl_cannot_tell_is_the_name(pactl, make_node):
    pactl.set(sources=[make_node("usb", description="(null)")])
    assert pulse.sources()[0].description == "usb"


def test_the_microphone_is_never_our_own_virtual_one(pactl, make_node):
    ours = make_node("rtaudio_mic", **{pulse.OWNER: "1.2"})
    monitor = make_node("out.monitor", monitor="out")
    pactl.set(info={"default_source_name": "rtaudio_mic"}, sources=[monitor, ours, make_node("usb")])
    assert pulse.microphone() == "usb"
    pactl.set(sources=[monitor, ours])
    assert pulse.microphone() is None
    pactl.set(info={"default_source_name": "out.monitor"})
    assert pulse.microphone() == "out.monitor"


@pytest.mark.parametrize(
    ("source", "sink", "same"),
    [
        ("usb_in", "usb_out", True),
        ("usb_in", "hda_out", False),
        ("null.monitor", "null", True),
        ("null.monitor", "usb_out", False),
        ("usb_out.monitor", "usb_out", True),
        ("remapped", "usb_out", True),
        (None, None, False),
    ],
)
def test_clocks_are_those_of_the_cards(pactl, make_node, source, sink, same):
    usb, hda = {"alsa.card": "2"}, {"alsa.card": "0"}
    pactl.set(
        info={"default_source_name": "usb_in", "default_sink_name": "hda_out"},
        sinks=[make_node("usb_out", **usb), make_node("hda_out", **hda), make_node("null")],
        sources=[
            make_node("usb_in", **usb),
            make_node("usb_out.monitor", monitor="usb_out"),
            make_node("null.monitor", monitor="null"),
            make_node("remapped", **{"device.master_device": "usb_in"}),
        ],
    )
    assert pulse.one_clock(source, sink) is same


def test_failures_are_one_line_each(pactl, monkeypatch):
    pactl.set(error="Connection failure: Connection refused\npa_context_connect() failed")
    with pytest.raises(DeviceError, match=r"^no PulseAudio server \(Connection failure.*failed\): start one"):
        pulse.sources()
    assert not pulse.available()
    pactl.set(error="Failure: No such entity")
    with pytest.raises(DeviceError, match=r"^pactl unload-module failed: Failure: No such entity$"):
        pulse.unload_module(3)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingLibraryError, match="apt-get install -y pulseaudio-utils"):
        pulse.modules()


def test_the_environment_is_put_back(monkeypatch):
    monkeypatch.setenv("PULSE_SINK", "before")
    monkeypatch.delenv("PULSE_SOURCE", raising=False)
    with pulse.pulse_environment("mic", "spk"):
        assert (os.environ["PULSE_SOURCE"], os.environ["PULSE_SINK"]) == ("mic", "spk")
        with pulse.pulse_environment(None, None):
            assert os.environ["PULSE_SINK"] == "spk"
    assert "PULSE_SOURCE" not in os.environ
    assert os.environ["PULSE_SINK"] == "before"
