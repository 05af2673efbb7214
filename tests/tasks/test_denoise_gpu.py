"""The denoiser by torch behind a deadline. Torch runs on the CPU here: what surrounds it is the same."""

import threading

import numpy as np
import pytest

from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.live import LiveEngine
from rtaudio.errors import DeviceError
from rtaudio.kernels.worker import WARM_HOPS
from rtaudio.nn.weights import find_weights, load_weights
from rtaudio.stream.offline import run_offline
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.demo import load_demo
from rtaudio.tasks.denoise import build_denoiser, denoiser_of, set_strength
from rtaudio.tasks.denoise_gpu import behind_a_deadline, on_gpu

torch = pytest.importorskip("torch")

from rtaudio.nn.torch.denoise_stream import DenoiseStream  # noqa: E402

HOP = 480
SPEECH = load_demo().noisy[: 250 * HOP]


@pytest.fixture(scope="module")
def whole():
    """What the native denoiser makes of it, a hop later."""
    return np.concatenate([np.zeros(HOP, np.float32), run_offline(build_denoiser(), SPEECH)])


@pytest.fixture
def stage():
    stream = DenoiseStream.from_weights(load_weights(find_weights("standard")))
    return behind_a_deadline(stream, build_denoiser())


def power(x):
    return float(np.mean(np.square(x, dtype=np.float64)))


def test_in_time_it_is_the_native_denoiser_a_hop_later(stage, whole):
    assert stage.latency == 2 * HOP
    np.testing.assert_allclose(run_offline(stage, SPEECH), whole, atol=1e-5)
    assert stage.late_hops == 0


def test_strength_and_limit_rule_both(stage):
    set_strength(stage, 0.0)
    out = run_offline(stage, SPEECH)[stage.latency :]
    np.testing.assert_allclose(out, SPEECH, atol=1e-5)
    assert denoiser_of(stage).params["strength"] == 0


def test_late_hops_are_denoised_by_the_native_net(stage, whole):
    out = np.empty_like(SPEECH)
    for i in range(SPEECH.size // HOP):
        hop = slice(i * HOP, (i + 1) * HOP)
        super(WorkerStage, stage).process(SPEECH[hop], out[hop])  # as the engine runs it
        if not 100 <= i < 200:
            stage._work_off()
    dry = np.concatenate([np.zeros(2 * HOP, np.float32), SPEECH])[: out.size]
    before, late = slice(0, 101 * HOP), slice((102 + WARM_HOPS) * HOP, 201 * HOP)
    np.testing.assert_allclose(out[before], whole[before], atol=1e-5)
    assert power((out - whole[: out.size])[late]) < 0.05 * power((dry - whole[: out.size])[late])
    after = slice(202 * HOP, None)  # hops that queued up while it was late are its state, too
    assert power((out - whole[: out.size])[after]) < 0.2 * power((dry - whole[: out.size])[after])
    assert stage.late_hops == 101  # with one for which the queue had no room
    assert stage.spare_hops == 101 - WARM_HOPS


class Gated:
    """A stage that does nothing more once `gate` is closed: a backend that hangs."""

    def __init__(self, inner):
        self.inner, self.gate = inner, threading.Event()
        self.gate.set()
        self.in_spec, self.out_spec, self.latency = inner.in_spec, inner.out_spec, inner.latency

    def process(self, x, out):
        self.gate.wait(10)
        self.inner.process(x, out)

    def reset(self):
        self.inner.reset()


def test_live_a_backend_that_hangs_from_the_start_is_stood_in_for(stage):
    stage.inner = gated = Gated(stage.inner)
    gated.gate.clear()
    device = SimulatedDevice(SPEECH[: 150 * HOP], clock="real")
    with LiveEngine(stage, device) as engine:
        assert engine.wait(30)
        stats = engine.stats()
        gated.gate.set()
    assert 0 < stats.spare_worker_hops < stats.late_worker_hops
    assert stats.ring_overflows == 0


def test_a_backend_that_fails_is_late_for_ever_and_the_reason_is_kept(stage):
    def fail(x, out):
        raise RuntimeError("the device is gone")

    stage.inner.process = fail
    device = SimulatedDevice(SPEECH[: 150 * HOP], clock="real")
    with LiveEngine(stage, device) as engine:
        assert engine.wait(30)
        assert engine.stats().spare_worker_hops > 0
    assert str(stage.failure) == "the device is gone"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_a_device_error():
    with pytest.raises(DeviceError, match="device cuda: torch"):
        on_gpu("standard", build_denoiser())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_it_is_the_native_denoiser_a_hop_later(whole):
    out = run_offline(on_gpu("standard", build_denoiser()), SPEECH)
    np.testing.assert_allclose(out, whole, atol=1e-5)
