from itertools import cycle

import numpy as np
import pytest

from rtaudio.dsp.resample import at_rate
from rtaudio.errors import ConfigError, WeightsError
from rtaudio.kernels.chain import step_arrays
from rtaudio.nn.denoise import NET_NAME, tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.weights import load_weights, save_weights
from rtaudio.stream.offline import run_offline
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import HOLD
from rtaudio.tasks.denoise import build_denoiser, denoiser_of, set_atten_limit, set_strength

SMALL = DenoiseConfig(n_bands=16, channels=16, dilations=(1, 2), hidden=8)
NOISE = (np.random.default_rng(0).standard_normal(20 * 480) * 0.1).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    rng = np.random.default_rng(0)
    tensors = {name: rng.standard_normal(shape) * 0.3 for name, shape in tensor_shapes(SMALL).items()}
    return save_weights(tmp_path_factory.mktemp("models") / "random.npz", NET_NAME, SMALL, tensors)


def level(x):
    return np.sqrt(np.mean(x**2))


def test_sizes_and_latency(model):
    pipeline = build_denoiser(model)
    assert pipeline.in_spec.shape == pipeline.out_spec.shape == (480,)
    assert pipeline.latency == 480


def test_strength_0_is_a_pure_delay(model):
    out = run_offline(build_denoiser(model, strength=0), NOISE)
    np.testing.assert_allclose(out[480:], NOISE, atol=1e-6)


def test_net_changes_the_sound_and_the_limit_bounds_by_how_much(model):
    free = run_offline(build_denoiser(model), NOISE)
    assert 0 < level(free) < 0.9 * level(NOISE)
    pipeline = build_denoiser(model, atten_limit_db=6)
    denoiser_of(pipeline).arena["gains"][:] = 0
    step = pipeline.step_at(HOLD)  # with gains of 0 the limit alone decides
    hops, held = NOISE.reshape(-1, 480), np.empty((20, 480), np.float32)
    for x, y in zip(hops, held, strict=True):
        step_arrays(*step, 480, 480, x, y)
    held = held.ravel()[960:]
    np.testing.assert_allclose(held, NOISE[480:-480] * 10 ** (-6 / 20), atol=1e-6)


def test_split_into_blocks_does_not_matter(model):
    pipeline = build_denoiser(model)
    whole = run_offline(pipeline, NOISE)
    pipeline.reset()
    np.testing.assert_array_equal(run_offline(pipeline, NOISE, blocks=cycle([1, 700, 33])), whole)


def test_parameters_change_while_running(model):
    pipeline = build_denoiser(model)
    set_strength(pipeline, 0.25)
    set_atten_limit(pipeline, 20)
    assert denoiser_of(pipeline).params == {"strength": 0.25, "floor": pytest.approx(0.1)}
    set_atten_limit(pipeline, None)
    assert denoiser_of(pipeline).params["floor"] == 0
    set_strength(at_rate(pipeline, 48000, 44100), 0.5)
    assert denoiser_of(pipeline).params["strength"] == 0.5


def roughness(x):
    """Largest step of the slope, from sample to sample to sample: what a click is made of."""
    return np.abs(np.diff(x, 2)).max()


@pytest.mark.parametrize(
    "change",
    [
        lambda stage: set_strength(stage, 0),
        lambda stage: set_strength(stage, 0.9),
        lambda stage: set_atten_limit(stage, 0),
        lambda stage: set_atten_limit(stage, 21),
    ],
)
def test_a_change_while_running_is_no_click(model, change):
    """Overlap-add smooths it: the gains of one hop fade into those of the next."""
    hop, turned, n_hops = 480, 20, 40
    t = np.arange(n_hops * hop)
    tone = (0.5 * np.cos(2 * np.pi * t / hop)).astype(np.float32)  # loudest where hops meet
    stage = build_denoiser(model)
    denoiser_of(stage).arena["gains"][:] = 0  # all that is heard is what strength and limit leave
    held, out = stage.step_at(HOLD), np.empty((n_hops, hop), np.float32)
    for k, (x, y) in enumerate(zip(tone.reshape(-1, hop), out, strict=True)):
        if k == turned:
            before = out[:k].copy()
            change(stage)
        step_arrays(*held, hop, hop, x, y)
    before, after = out[2:turned].ravel(), out[turned + 2 :].ravel()
    around = out[turned - 1 : turned + 3].ravel()
    limit = 3 * max(roughness(before), roughness(after))
    assert level(after) > 1.2 * level(before)
    assert roughness(around) < limit
    assert roughness(np.concatenate([before, after])) > limit  # had it come from one sample to the next


@pytest.mark.parametrize(("name", "limit_db"), [("standard", 36), ("cnn", 30), ("low-latency", 30)])
def test_shipped_models_have_the_limits_that_the_help_names(name, limit_db):
    floor = denoiser_of(build_denoiser(name)).params["floor"]
    assert -20 * np.log10(floor) == pytest.approx(limit_db)


def test_weights_may_name_a_limit_of_their_own(model, tmp_path):
    weights = load_weights(model)

    def limit_db(**card):
        path = save_weights(tmp_path / "net.npz", weights.net, weights.config, weights.tensors, **card)
        return -20 * np.log10(denoiser_of(build_denoiser(path)).params["floor"])

    assert limit_db() == pytest.approx(24)
    assert limit_db(atten_limit_db=36) == pytest.approx(36)
    with pytest.raises(WeightsError, match="atten_limit_db='low' must be 0 or more"):
        limit_db(atten_limit_db="low")


@pytest.mark.parametrize("change", [{"strength": 1.5}, {"strength": float("nan")}, {"atten_limit_db": -1}])
def test_values_out_of_range_are_named(model, change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        build_denoiser(model, **change)


def test_unknown_models_and_foreign_pipelines(model):
    with pytest.raises(WeightsError, match="nonesuch"):
        build_denoiser("nonesuch")
    with pytest.raises(WeightsError, match="No such file"):
        build_denoiser(model.with_name("none.npz"))
    with pytest.raises(ConfigError, match="no denoiser"):
        denoiser_of(Pipeline(build_denoiser(model).stages[:1]))


def test_sound_of_another_rate_is_resampled(model):
    stage = build_denoiser(model, sample_rate=44100)
    assert stage.in_spec.shape == stage.out_spec.shape == (441,)
    expected = run_offline(at_rate(build_denoiser(model), 48000, 44100), NOISE)
    np.testing.assert_array_equal(run_offline(stage, NOISE), expected)
    for rate in (0, -5):
        with pytest.raises(ConfigError, match="at least 1"):
            build_denoiser(model, sample_rate=rate)
