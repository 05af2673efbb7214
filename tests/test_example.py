"""The example stage, live on the simulated device."""

import numpy as np

from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.engine.live import LiveEngine
from rtaudio.examples import own_stage
from rtaudio.stream.offline import run_offline


def test_a_user_written_stage_runs_live_as_it_does_offline():
    x = own_stage.tone(1.0)
    device = SimulatedDevice(x, block=128)
    with LiveEngine(own_stage.tremolo(480, speed_hz=4.0), device) as engine:
        assert engine.wait(60)
    live = device.output[engine.plan.prefill :][: x.size]
    np.testing.assert_array_equal(live, run_offline(own_stage.tremolo(480, speed_hz=4.0), x)[: live.size])
    t = np.arange(live.size) / own_stage.SAMPLE_RATE
    expected = x[: live.size] * (1 - 0.8 * (0.5 + 0.5 * np.cos(2 * np.pi * 4.0 * t)))
    np.testing.assert_allclose(live, expected, atol=2e-3)


def test_the_program_runs(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["own_stage"])
    monkeypatch.setattr(own_stage, "tone", lambda seconds: np.zeros(24000, np.float32))
    own_stage.main()
    assert "hops of 10000 µs" in capsys.readouterr().out
