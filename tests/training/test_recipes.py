import pytest

from rtaudio.errors import ConfigError
from rtaudio.training.recipes import load_recipe, names


@pytest.mark.parametrize("name", names())
def test_a_recipes_mixes_have_the_stft_of_its_net(name):
    recipe = load_recipe(name)
    net, mix = recipe.net, recipe.mix
    assert (mix.n_fft, mix.hop_length, mix.window) == (net.n_fft, net.hop_length, net.window)


@pytest.mark.parametrize(("name", "most_ms"), [("standard", 20), ("low-latency", 10), ("cnn", 20)])
def test_the_delay_of_a_window_is_what_a_model_of_that_name_promises(name, most_ms):
    net = load_recipe(name).net
    assert 1000 * (net.latency + net.hop_length) / net.sample_rate <= most_ms


def test_the_cnn_has_no_recurrence():
    assert load_recipe("cnn").net.hidden == 0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[net]\nchanels = 3", "chanels"),
        ("[net]\nn_bands = 1", "n_bands=1"),
        ("[net]\nwindow = 'kaiser'", "window='kaiser'"),
        ("[net]\nwindow = 'asymmetric'\nhop_length = 481", "hop_length=481"),
        ("[net]\nn_fft = 962", "962"),
        ("[net]\nsample_rate = 16000", "sample_rate=16000"),
        ("[mix]\nbabble = 1.5", "babble=1.5"),
        ("[mix]\nseconds = -1", "seconds=-1"),
        ("[mix]\nseconds = 'long'", "seconds|str"),
        ("[loss]\nsnr = -1", "snr=-1"),
        ("[loss]\nmagnitude = 0\ncomplex = 0", "magnitude=0"),
        ("[loss]\nphase = 1", "phase"),
        ("[nets]", "nets"),
        ("net = 3", "net"),
        ("[net", "not a recipe"),
    ],
)
def test_a_wrong_recipe_is_named_in_one_line(tmp_path, text, named):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=named) as error:
        load_recipe(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_recipe_lists_those_there_are():
    with pytest.raises(ConfigError, match="cnn, low-latency, standard"):
        load_recipe("standrad")
