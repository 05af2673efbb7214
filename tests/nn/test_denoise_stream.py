"""The denoiser by torch, samples to samples: equal to the native one, one stream or many, in fixed memory.

Where there is a GPU, all of it runs there, too.
"""

import collections
import dataclasses
import gc

import numpy as np
import pytest

from rtaudio.errors import ConfigError, DeviceError, WeightsError
from rtaudio.nn.denoise import NET_NAME, Denoiser, tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.weights import find_weights, list_models, load_weights
from rtaudio.stream.offline import run_offline
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.bench_backends import denoise_stages
from rtaudio.tasks.demo import load_demo
from rtaudio.testing import check_stage

torch = pytest.importorskip("torch")

from torch._C._profiler import _EventType as EventType  # noqa: E402

from rtaudio.dsp.stft import Analysis, Synthesis  # noqa: E402
from rtaudio.nn.torch.cuda import WARM_UPS, CudaRunner, cuda_device, wait_until  # noqa: E402
from rtaudio.nn.torch.denoise_hop import DenoiseHop  # noqa: E402
from rtaudio.nn.torch.denoise_stream import AUDIO, DenoiseStream  # noqa: E402
from rtaudio.nn.torch.stft import TRANSFORMS  # noqa: E402

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
SMALL = DenoiseConfig(
    n_fft=64, hop_length=32, n_bands=12, channels=20, dilations=(1, 3), mingru_every=2, hidden=9
)


def random_tensors(config):
    """Weights under which gains move, and rounding errors don't grow from hop to hop."""
    rng = np.random.default_rng(0)
    tensors = {}
    for name, shape in tensor_shapes(config).items():
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 4
        tensors[name] = (rng.standard_normal(shape) * 0.5 / np.sqrt(fan_in)).astype(np.float32)
    return tensors


def make(streams=1, config=SMALL, **options):
    return DenoiseStream(config, random_tensors(config), streams, **options)


def native(config=SMALL, strength=1.0, floor=0.0):
    sizes = (config.n_fft, config.hop_length, config.window)
    net = Denoiser(config, random_tensors(config), strength=strength, floor=floor)
    return Pipeline([Analysis(*sizes), net, Synthesis(*sizes)])


def noise(hops, streams, config=SMALL, seed=0):
    """`(hops, streams, hop_length)`, its level coming and going by 60 dB, each stream in its own time."""
    rng = np.random.default_rng(seed)
    time = np.arange(hops)[:, None, None] + 17 * np.arange(streams)[None, :, None]
    level = 10 ** (-2 + 1.5 * np.sin(time / 37))
    return (rng.standard_normal((hops, streams, config.hop_length)) * level).astype(np.float32)


def run(stream, x):
    """`x` `(hops, streams, hop_length)` through a stream or a stage; the same shape out."""
    out = np.empty_like(x)
    for source, target in zip(x, out, strict=True):
        stream.process(source.reshape(stream.in_spec.shape), target.reshape(stream.out_spec.shape))
    return out


def copies(stream):
    """What it remembers: of past frames all but the slot that is never read."""
    state = {name: tensor.clone() for name, tensor in vars(stream._state).items()}
    return state | {"past": state["past"][:, :-1]}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("model", list_models(NET_NAME))
def test_shipped_denoisers_equal_native_over_60_s(model, transform, device):
    """On noisy speech, between -40 and 0 dB of its own level, with the state carried."""
    weights = load_weights(find_weights(model))
    speech = np.tile(load_demo().noisy, 8)[: 60 * 48000]
    level = 10 ** (-1 + np.sin(np.arange(speech.size) / 200000))
    x = (speech * level).astype(np.float32)
    stream = DenoiseStream.from_weights(weights, transform=transform, device=device)
    expected = run_offline(Pipeline(denoise_stages(weights)), x)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(run_offline(stream, x), expected, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kernel_size": 1},
        {"kernel_size": 4, "dilations": (5, 1)},
        {"hop_length": 16, "window": "hann"},
        {"n_fft": 60, "hop_length": 20},
        {"hop_length": 16, "window": "asymmetric"},
        {"n_fft": 60, "hop_length": 14, "window": "asymmetric"},
        {"mingru_every": 0},
        {"mingru_every": 3},
        {"mingru_every": 0, "hidden": 0},
        {"mingru_every": 1, "hidden": 0},
    ],
)
def test_other_sizes_equal_native(changes, device):
    config = dataclasses.replace(SMALL, **changes)
    x = noise(200, 1, config)
    expected = run(native(config), x)
    for transform in TRANSFORMS:
        stream = make(config=config, transform=transform, device=device)
        np.testing.assert_allclose(run(stream, x), expected, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_a_batch_equals_its_streams_alone(device):
    x = noise(300, 5)
    together = run(make(5, device=device), x)
    for i in range(5):
        alone = run(make(device=device), x[:, i : i + 1])
        np.testing.assert_allclose(together[:, i : i + 1], alone, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_each_stream_has_its_own_strength_and_floor(device):
    params = [(1, 0.25), (0.5, 0), (0, 0.1)]
    x = np.repeat(noise(200, 1), 3, axis=1)
    stream = make(3, device=device)
    stream.strength[:], stream.floor[:] = np.transpose(params)
    out = run(stream, x)
    for i, (strength, floor) in enumerate(params):
        np.testing.assert_allclose(
            out[:, i : i + 1], run(native(SMALL, strength, floor), x[:, :1]), atol=1e-5
        )


@pytest.mark.parametrize("device", DEVICES)
def test_an_inactive_stream_is_silent_and_its_state_untouched(device):
    x = noise(120, 3)
    everyone, stream = make(3, device=device), make(3, device=device)
    expected = run(everyone, x)
    np.testing.assert_array_equal(run(stream, x[:50]), expected[:50])
    stream.deactivate(1)
    before = copies(stream)
    out = run(stream, x[50:])
    assert not out[:, 1].any()
    np.testing.assert_array_equal(out[:, [0, 2]], expected[50:, [0, 2]])
    for name, tensor in copies(stream).items():
        if name != "position":
            assert torch.equal(tensor[1], before[name][1]), name
            assert not torch.equal(tensor[0], before[name][0]), name


@pytest.mark.parametrize("device", DEVICES)
def test_a_stream_that_comes_back_is_new(device):
    x = noise(120, 2)
    stream = make(2, device=device)
    run(stream, x[:50])
    stream.deactivate(1)
    run(stream, x[50:61])
    stream.activate(1)
    out, expected = run(stream, x[61:]), run(make(2, device=device), x[61:])
    np.testing.assert_allclose(out[:, 1], expected[:, 1], atol=1e-6)
    assert np.abs(out[:, 0] - expected[:, 0]).max() > 1e-3  # the other one goes on


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_a_hop_that_is_not_finite_is_silent_and_forgotten(bad, device):
    x = noise(100, 3)
    expected = run(make(3, device=device), x)
    x[40, 1, 5] = bad
    stream = make(3, device=device)
    run(stream, x[:40])
    before = copies(stream)
    out = run(stream, x[40:])
    assert not out[0, 1].any()
    np.testing.assert_array_equal(out[:, [0, 2]], expected[40:, [0, 2]])
    assert np.isfinite(out).all()
    assert np.abs(out[1:, 1]).max() > 1e-3
    one = make(3, device=device)
    run(one, x[:40])
    run(one, x[40:41])
    for name, tensor in copies(one).items():
        assert name == "position" or torch.equal(tensor[1], before[name][1]), name


def test_the_hop_only_reads_state_and_samples():
    hop = DenoiseHop(SMALL, random_tensors(SMALL), 2, device=torch.device("cpu"))
    state, x = hop.initial_state(), torch.from_numpy(noise(30, 2))
    one, half, out = torch.ones(2, 1), torch.full((2, 1), 0.5), torch.empty(2, SMALL.hop_length)
    for samples in x:
        before = {name: tensor.clone() for name, tensor in vars(state).items()}
        y = hop(state, samples, one, half)[0].clone()
        for buffer in hop.scratch.values():
            buffer.fill_(1)  # what lies there is of no meaning
        again, heard = hop(state, samples, one, half)
        assert torch.equal(y, again)
        assert all(torch.equal(tensor, before[name]) for name, tensor in vars(state).items())
        hop.remember(state, heard, y, one, out)
        assert not torch.equal(state.past, before["past"])
        assert torch.equal(out, y)


@pytest.mark.parametrize("device", DEVICES)
def test_every_buffer_stays_where_it_is(device):
    stream = make(3, device=device)
    x, out = noise(1, 3)[0], np.empty((3, SMALL.hop_length), np.float32)

    def places():
        views = {"x": stream.x, "out": stream.out, "strength": stream.strength, "floor": stream.floor}
        return {name: tensor.data_ptr() for name, tensor in stream.buffers().items()} | {
            name: view.ctypes.data for name, view in views.items()
        }

    before = places()
    for k in range(1000):
        stream.process(x, out)
        if k % 100 == 50:
            stream.deactivate(1)
            stream.activate(1)
    stream.reset()
    assert places() == before
    state = {"history", "overlap", "level", "past", "gated", "hidden", "cell", "position"}
    assert state | {"host_x", "scratch_frame"} <= before.keys()


WARM, MEASURED = 3, 20  # hops: before memory is watched, and while it is


def memory_taken_by(stream):
    """Which operations take memory in MEASURED hops of a warm stream, and how often, as the profiler tells.

    Memory given back at once counts, too. "" takes what Python does outside of all operations.
    """
    x = noise(1, stream.streams, stream.config).reshape(stream.in_spec.shape)
    out = np.empty_like(x)
    for _ in range(WARM):
        stream.process(x, out)
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        for _ in range(MEASURED):
            stream.process(x, out)
    taken = collections.Counter()

    def count(events, operation):
        for event in events:
            if event.tag == EventType.Allocation and event.extra_fields.alloc_size > 0:
                taken[operation] += 1
            count(event.children, operation or event.name)

    count(profile.profiler.kineto_results.experimental_event_tree(), "")
    return taken


@pytest.mark.parametrize("audio", AUDIO)
@pytest.mark.parametrize("streams", [1, 4])
def test_on_the_cpu_a_warm_hop_takes_no_memory(streams, audio):
    """On a GPU the captured graph would have what an operation takes in memory of its own."""
    assert memory_taken_by(make(streams, transform="matrix", audio=audio)) == {}


def test_of_a_hop_with_ffts_they_alone_take_memory():
    taken = memory_taken_by(make(4, transform="fft"))
    assert taken == {"aten::fft_rfft": MEASURED, "aten::fft_irfft": MEASURED}


@pytest.mark.parametrize("model", list_models(NET_NAME))
def test_a_warm_hop_of_a_shipped_denoiser_takes_no_memory(model):
    assert memory_taken_by(DenoiseStream.from_weights(load_weights(find_weights(model)))) == {}


def test_one_more_operation_would_be_seen_to_take_memory():
    stream = make(4)
    inner = stream._compute

    def compute():
        inner()
        stream._buffers["out"].neg()

    stream._compute = compute
    assert memory_taken_by(stream) == {"aten::neg": MEASURED}


@pytest.mark.parametrize("device", DEVICES)
def test_laws(device):
    """Python must run, so a moment's memory is more than a native stage's: its tensors' handles."""
    check_stage(lambda: make(device=device), bound=4, allocation=20000)
    check_stage(lambda: make(3, device=device), bound=4, allocation=20000)


def test_int16_audio_is_the_same_sound():
    x = np.clip(noise(200, 2), -1, 1)
    expected, stream = run(make(2), x), make(2, audio="int16")
    whole = (x * 32768).round().clip(-32768, 32767).astype(np.int16)
    out = run(stream, whole)
    assert out.dtype == np.int16
    np.testing.assert_allclose(out / 32768, expected, atol=2e-3)
    assert np.abs(out / 32768 - expected).mean() < 3e-5  # a step is 3e-5


@pytest.mark.parametrize(("dtype", "snr_db"), [("float16", 55), ("bfloat16", 40)])
def test_narrow_types_are_near(dtype, snr_db):
    weights = load_weights(find_weights("standard"))
    x = load_demo().noisy[: 3 * 48000]
    expected = run_offline(Pipeline(denoise_stages(weights)), x)
    error = run_offline(DenoiseStream.from_weights(weights, dtype=dtype), x) - expected
    assert 10 * np.log10(np.sum(expected**2) / np.sum(error**2)) > snr_db


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_the_whole_hop_compiles(transform):
    """Traced without a break; in which code it ends is the compiler's business."""
    x = noise(50, 2)
    stream = make(2, transform=transform, compiler="aot_eager")
    np.testing.assert_allclose(run(stream, x), run(make(2, transform=transform), x), atol=1e-6)


def test_behind_a_worker_it_is_the_native_denoiser_a_hop_later():
    x = noise(100, 1).ravel()
    stage = WorkerStage(make(), spare=native())
    out, expected = run_offline(stage, x), run_offline(native(), x)
    np.testing.assert_allclose(out[SMALL.hop_length :], expected, atol=1e-5)
    assert (stage.late_hops, stage.spare_hops) == (0, 0)


def test_waiting_spins_then_sleeps():
    now, naps, asked = 0.0, [], 0

    def ready():
        nonlocal now, asked
        now, asked = now + 1.0, asked + 1
        return asked == 9

    wait_until(ready, spin_s=4, nap_s=0.5, clock=lambda: now, sleep=naps.append)
    assert asked == 9
    assert naps == [0.5] * 5  # after asking at 1, 2 and 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_told_in_one_line():
    with pytest.raises(DeviceError, match=r"torch .* CUDA") as told:
        cuda_device()
    assert "\n" not in str(told.value)


def test_misuse_is_named():
    with pytest.raises(ConfigError, match="streams=0"):
        make(0)
    for option in ("dtype", "audio", "transform"):
        with pytest.raises(ConfigError, match=f"{option}='odd' must be one of"):
            make(**{option: "odd"})
    tensors = random_tensors(SMALL)
    del tensors["inp.bias"]
    with pytest.raises(WeightsError, match=r"inp\.bias"):
        DenoiseStream(SMALL, tensors)


class FakeCuda:
    """What `CudaRunner` uses of `torch.cuda`, writing down what it is told."""

    def __init__(self):
        self.log = []

    def __getattr__(self, name):
        def told(*arguments, **_):
            self.log.append((name, *(a for a in arguments if isinstance(a, str))))
            return self

        return told

    def __enter__(self):
        self.log.append(("enter",))

    def __exit__(self, *_):
        self.log.append(("exit",))


@pytest.mark.parametrize("graph", [True, False])
def test_a_step_is_warmed_up_captured_once_and_then_replayed(graph, monkeypatch):
    fake = FakeCuda()
    for name in ("Stream", "Event", "CUDAGraph", "stream", "graph", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, getattr(fake, name))
    steps, collects = [], []

    def step():
        steps.append(len(fake.log))
        collects.append(gc.isenabled())

    runner = CudaRunner(step, torch.device("cuda"), graph=graph)
    names = [name for name, *_ in fake.log]
    assert len(steps) == WARM_UPS + graph
    assert names.index("wait_stream") < steps[0] < names.index("synchronize")
    if graph:
        assert names.index("graph") < steps[-1] < len(names)  # inside the capture
        assert names.index("synchronize") < names.index("graph")
        assert collects == [True] * WARM_UPS + [False]  # what is freed in a capture spoils it
    assert gc.isenabled()
    fake.log.clear()
    runner.launch()
    assert len(steps) == WARM_UPS + 1
    assert [name for name, *_ in fake.log] == ["stream", "enter", *["replay"] * graph, "record", "exit"]
    runner.wait()
    assert fake.log[-1] == ("query",)
