"""Sound cards and sound servers through PortAudio, with compiled callbacks.

The one place that knows sounddevice, and the hook it keeps for library authors:
`_StreamBase(callback=<C pointer>, userdata=<C pointer>)` hands a compiled callback to
PortAudio as it is, so that no Python runs when the device asks for sound.
"""

from rtaudio.devices.portaudio.device import PortAudioDevice
from rtaudio.devices.portaudio.library import JACK, library
from rtaudio.devices.portaudio.listing import burst, common_rate, find_device, list_devices, native_block

__all__ = [
    "JACK",
    "PortAudioDevice",
    "burst",
    "common_rate",
    "find_device",
    "library",
    "list_devices",
    "native_block",
]
