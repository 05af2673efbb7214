import os

import pytest

from rtaudio.devices import pulse, virtual_mic
from rtaudio.devices.catalogue import DeviceInfo
from rtaudio.devices.virtual_mic import VirtualMic, find_cable
from rtaudio.errors import ConfigError, DeviceError, MissingLibraryError

GONE = f"{pulse.OWNER}=999999999.5"


def test_it_loads_a_described_source_over_a_sink_and_unloads_both(pactl):
    with VirtualMic("my_mic", 'the "best" mic') as mic:
        assert mic.sink == "my_mic_sink"
        (_, sink, sink_arguments), (_, source, source_arguments) = pactl.modules
        assert (sink, source) == ("module-null-sink", "module-remap-source")
        assert "sink_name=my_mic_sink" in sink_arguments
        assert "source_name=my_mic master=my_mic_sink.monitor" in source_arguments
        assert "device.description='the best mic'" in source_arguments
        (status,) = virtual_mic.status()
        assert (status.name, status.pid, status.alive, len(status.modules)) == (
            "my_mic",
            os.getpid(),
            True,
            2,
        )
    assert pactl.modules == []


def test_a_description_of_several_lines_is_put_in_one(pactl):
    pactl.set(modules=[[1, "module-other", "text=of\nseveral\tlines"]])
    with VirtualMic("my_mic", "the\nbest\tmic"):
        (_, _, _), (_, _, _), (_, _, source_arguments) = pactl.modules
        assert "device.description='the best mic'" in source_arguments
        assert [mic.name for mic in virtual_mic.status()] == ["my_mic"]


def test_leftovers_of_dead_processes_are_healed_and_others_stay(pactl):
    stranger = [1, "module-null-sink", "sink_name=other"]
    left = [2, "module-null-sink", f"sink_name=rtaudio_mic_sink {GONE}"]
    # Our own number, but a process that started at another time: a leftover too.
    reused = [3, "module-remap-source", f"source_name=old {pulse.OWNER}={os.getpid()}.1"]
    pactl.set(modules=[stranger, left, reused])
    assert [mic.alive for mic in virtual_mic.status()] == [False, False]
    with VirtualMic():
        assert len(pactl.modules) == 3
    assert pactl.modules == [stranger]


def test_a_half_loaded_microphone_is_taken_down(pactl):
    pactl.set(refuse="module-remap-source")
    with pytest.raises(DeviceError, match="load-module failed"), VirtualMic():
        pass
    assert pactl.modules == []


def test_a_name_in_use_is_refused(pactl, make_node):
    with (
        VirtualMic("a"),
        pytest.raises(DeviceError, match=f"'a' is in use by process {os.getpid()}"),
        VirtualMic("a"),
    ):
        pass
    pactl.set(sources=[make_node("b")])
    with pytest.raises(DeviceError, match="another program has a device named 'b'"), VirtualMic("b"):
        pass
    with pytest.raises(ConfigError, match="'a b' may hold letters"):
        VirtualMic("a b")


def test_unload_takes_those_in_use_too(pactl):
    with VirtualMic("a"):
        assert [mic.name for mic in virtual_mic.unload()] == ["a"]
        assert pactl.modules == []


def test_elsewhere_a_loopback_driver_is_found_or_named():
    def device(name):
        return DeviceInfo(0, name, "Core Audio", 0, 2, 48000, 0.0, 0.0)

    assert find_cable([device("Speakers"), device("BlackHole 2ch")], "darwin").name == "BlackHole 2ch"
    with pytest.raises(MissingLibraryError, match="brew install blackhole-2ch"):
        find_cable([device("Speakers")], "darwin")
    with pytest.raises(MissingLibraryError, match="VB-Cable"):
        find_cable([], "win32")
    with pytest.raises(DeviceError, match="not supported on 'plan9'"):
        find_cable([], "plan9")
