"""The live engine between real servers and a probe that is a program of its own.

What must hold, to the bit: the engine's input is what the probe played, its output is what the
offline runner makes of that input, and what the probe hears is that output. A server without
hardware loses blocks where the machine is busy, so a run in which one was lost is repeated.
"""

import time

import numpy as np
import pytest
import soundfile

from rtaudio.devices.portaudio import PortAudioDevice
from rtaudio.devices.recorder import Recorder
from rtaudio.devices.servers import eventually
from rtaudio.dsp.gains import Gain
from rtaudio.engine.budget import plan_budget
from rtaudio.engine.live import LiveEngine
from rtaudio.engine.watchdog import Watchdog
from rtaudio.stream.offline import run_offline
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.denoise import build_denoiser
from rtaudio.tasks.live import open_engine
from rtaudio.tasks.probe import ProbeProcess, delay_between

RATE = 48000
SIGNAL = np.concatenate([0.3 * np.random.default_rng(0).standard_normal(RATE), np.zeros(RATE // 2)]).astype(
    np.float32
)
ATTEMPTS = 5


def wire(jack, target_client="PortAudio"):
    """Put the engine between the probe's two ends."""
    clients = {port.split(":")[0] for port in jack.ports()} - {"system", target_client}
    (probe,) = clients
    jack.wire(f"{probe}:out_0", f"{target_client}:in_0")
    jack.cut(f"{target_client}:out_0", "system:playback_1")
    jack.cut("system:capture_1", f"{probe}:in_0")
    jack.wire(f"{target_client}:out_0", f"{probe}:in_0")


def found_in(part, whole):
    """Whether `part`, from its first sound to its last, is in `whole` to the bit."""
    sounding = np.flatnonzero(part)
    part = part[sounding[0] : sounding[-1] + 1]
    at = delay_between(part, whole)
    return np.array_equal(whole[at : at + part.size], part)


def run_once(tmp_path, model, device, probe, prepare=lambda: None):
    """One run: the two recordings, what the probe heard, the statistics."""
    stage = build_denoiser(model)
    names = tmp_path / "in.wav", tmp_path / "out.wav"
    with Recorder(*names, RATE) as tap, LiveEngine(stage, device, tap=tap) as engine, probe:
        prepare()
        heard, _ = probe.play()
        stats = engine.stats()
    x, y = (soundfile.read(name, dtype="float32")[0] for name in names)
    assert x.size == y.size > RATE
    if stats.jumps == stats.nan_hops == stats.overload_level == 0:
        np.testing.assert_array_equal(y, run_offline(build_denoiser(model), x)[: y.size])
    return x, y, heard, stats


def assert_denoises_to_the_bit(tmp_path, model, make_device, make_probe, prepare=lambda: None):
    for _attempt in range(ATTEMPTS):
        x, y, heard, stats = run_once(tmp_path, model, make_device(), make_probe(), prepare)
        assert np.any(np.abs(y) > 0.01)
        if found_in(SIGNAL, x) and found_in(heard[:RATE], y):
            return stats
    return pytest.fail(f"no run of {ATTEMPTS} came through whole: {stats}")


def test_denoising_through_jack_is_what_it_is_offline(jack, tmp_path, model):
    stats = assert_denoises_to_the_bit(
        tmp_path,
        model,
        lambda: PortAudioDevice(block=jack.period),
        lambda: ProbeProcess(tmp_path / "probe", SIGNAL, jack.period),
        lambda: wire(jack),
    )
    assert stats.nan_hops == 0


def test_denoising_through_pulse_is_what_it_is_offline(pulse_server, tmp_path, model):
    assert_denoises_to_the_bit(
        tmp_path,
        model,
        lambda: PortAudioDevice("mic.monitor", "spk", block=480),
        lambda: ProbeProcess(tmp_path / "probe", SIGNAL, 480, "spk.monitor", "mic"),
    )


@pytest.mark.parametrize("server", ["jack", "pulse_server"])
def test_the_watchdog_brings_sound_back_when_the_server_died_and_returned(server, request, model):
    server = request.getfixturevalue(server)
    engine, told = LiveEngine(build_denoiser(model), PortAudioDevice(block=480)), []
    watchdog = Watchdog(engine, told.append)
    with engine:
        watchdog.start()
        eventually(lambda: engine.stats().hops > 20, "hops")
        server.kill()
        eventually(lambda: watchdog.lost, "notice of the loss")
        server.start()
        eventually(lambda: told[-1] == "the device is back", "the return of the device")
        hops = engine.stats().hops
        eventually(lambda: engine.stats().hops > hops + 20, "hops after the return")
        watchdog.stop()
    assert engine.stats().restarts >= 1
    assert told == ["the device is gone; waiting for it to come back", "the device is back"]


def test_pulse_is_well_again_after_the_server_stood_still(pulse_server, model):
    """A duplex stream of PortAudio's would stumble and busy a core from here on."""
    stage, device = build_denoiser(model), PortAudioDevice("mic.monitor", "spk", block=480)
    plan = plan_budget(stage, RATE, block=480, burst=2, duplex=device.duplex)

    def after_hops(engine, count):
        hops = engine.stats().hops
        eventually(lambda: engine.stats().hops >= hops + count, "hops")
        return engine.stats(), time.process_time()

    with LiveEngine(stage, device, plan) as engine:
        before, _ = after_hops(engine, 100)
        pulse_server.pause(0.3)
        well, begin_s = after_hops(engine, 50)
        later, end_s = after_hops(engine, 200)
    assert later.output_underflows - well.output_underflows <= 1  # a busy machine may add one
    assert end_s - begin_s < 0.5 * 200 * 480 / RATE  # of a core; it was all of it
    assert abs(later.ring_latency_s - before.ring_latency_s) * RATE <= 2 * 480 + 1  # seen between callbacks


def test_on_pulse_a_worker_is_not_late_with_a_hop_of_every_burst(pulse_server):
    """The server passes blocks of 16 ms on in pieces of its own: every eleventh or so comes with the next."""
    stage = WorkerStage(Gain(768, -6.0))
    engine = open_engine(stage, RATE, "mic.monitor", "spk", None)
    try:
        for _window in range(10):  # a busy machine is late here and there, bursts in every one
            before = engine.stats()
            eventually(lambda before=before: engine.stats().hops >= before.hops + 60, "hops")
            late = engine.stats().late_worker_hops - before.late_worker_hops
            if late <= 1:
                break
    finally:
        engine.stop()
    assert late <= 1
    assert engine.latency_parts()["worker"] == pytest.approx(2 * 16)


def test_a_full_disk_ends_the_recording_and_not_the_sound(jack, small_folder, model):
    names = small_folder / "in.wav", small_folder / "out.wav"
    with (
        Recorder(*names, RATE) as tap,
        LiveEngine(build_denoiser(model), PortAudioDevice(block=jack.period), tap=tap) as engine,
    ):
        eventually(lambda: tap.error, "a full disk")
        hops = engine.stats().hops
        eventually(lambda: engine.stats().hops > hops + 50, "hops after the disk was full")
    assert str(tap.error).endswith("s: the disk is full")
    for name in names:
        assert soundfile.info(name).frames > RATE // 8


def test_the_audio_threads_run_in_real_time_or_say_why_not(pulse_server, model):
    with LiveEngine(build_denoiser(model), PortAudioDevice("mic.monitor", "spk", block=480)) as engine:
        if engine.priority.granted:
            assert engine.native_thread_id in engine.priority.raised
            assert len(engine.priority.raised) >= 3  # the engine's, PortAudio's, ALSA's for Pulse
        else:
            assert "real-time priority" in engine.priority.reason
