"""Keys that turn strength and limit: as far as they go, and where there is nothing to turn."""

import pytest

from rtaudio.cli.dials import Dials
from rtaudio.dsp.resample import at_rate
from rtaudio.stream.pipeline import Pipeline
from rtaudio.tasks.denoise import build_denoiser, denoiser_of


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("", "strength 1 · limit 24 dB"),
        ("-", "strength 0.9 · limit 24 dB"),
        ("---+=", "strength 0.9 · limit 24 dB"),
        ("+", "strength 1 · limit 24 dB"),
        ("-" * 11, "strength 0 · limit 24 dB"),
        ("[", "strength 1 · limit 21 dB"),
        ("[" * 9 + "]", "strength 1 · limit 3 dB"),
        ("]" * 30, "strength 1 · limit 100 dB"),
    ],
)
def test_each_key_is_a_step_and_the_ends_hold(model, keys, told):
    dials = Dials(build_denoiser(model))
    assert all(dials.turn(key) for key in keys)
    assert dials.told == told


def test_what_is_told_is_what_the_denoiser_does(model):
    stage = at_rate(build_denoiser(model, strength=0.25, atten_limit_db=None), 48000, 44100)
    dials = Dials(stage)
    assert dials.told == "strength 0.25 · limit 100 dB"
    assert dials.turn("+")
    assert dials.turn("[")
    params = denoiser_of(stage).params
    assert params["strength"] == pytest.approx(0.35)
    assert params["floor"] == pytest.approx(10 ** (-97 / 20))


def test_other_keys_are_none_of_its_business(model):
    dials = Dials(build_denoiser(model))
    assert not any(dials.turn(key) for key in ("b", "q", "", "7"))


def test_a_model_without_dials_says_so_once_it_is_asked(model):
    dials = Dials(Pipeline(build_denoiser(model).stages[:1]))
    assert (dials.keys, dials.told) == ("", "")
    assert dials.turn("+")
    assert dials.told == "this model has no strength and no limit to change"
