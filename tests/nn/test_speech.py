"""The nets over speech: native against torch and against plain numpy, hop by hop."""

import dataclasses

import numpy as np
import pytest

from rtaudio.dsp.stft import Analysis
from rtaudio.errors import ConfigError, WeightsError
from rtaudio.nn.embedding import LAG, TAPS, EmbeddingNet, WordHead, WordNet, average_embedding
from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.keywords import KeywordNet
from rtaudio.nn.keywords_config import KeywordConfig
from rtaudio.nn.negatives import load_negatives
from rtaudio.nn.sequence import CONTEXT, STATES, WordStates
from rtaudio.nn.speech import Features, tensor_shapes
from rtaudio.nn.speech_config import mel_bands
from rtaudio.nn.vad import VadNet
from rtaudio.nn.vad_config import VadConfig
from rtaudio.nn.weights import Weights, find_weights, load_weights, save_weights
from rtaudio.stream.offline import run_frames
from rtaudio.tasks.demo import load_demo

WORDS = KeywordConfig(words=("yes", "no", "stop"))
NETS = {
    "keywords": (KeywordNet, WORDS),
    "keywords, every hop": (KeywordNet, dataclasses.replace(WORDS, stride=1)),
    "keywords, every third hop": (KeywordNet, dataclasses.replace(WORDS, stride=3)),
    "vad": (VadNet, VadConfig()),
    "embedding": (EmbeddingNet, EmbeddingConfig()),
}


def lively_tensors(config, seed=0):
    """Random weights under which outputs move over their range, but rounding errors don't grow."""
    rng, tensors = np.random.default_rng(seed), {}
    for name, shape in tensor_shapes(config).items():
        fan_in = np.prod(shape[1:]) if len(shape) > 1 else 4
        gain = 0.5 if name.startswith("blocks") else 1.0
        tensors[name] = (rng.standard_normal(shape) * gain / np.sqrt(fan_in)).astype(np.float32)
    return tensors


def noisy_spectra(frames, seed=0):
    """Noise coming and going over 60 dB, with silence in between, as spectra of windowed frames."""
    rng, time = np.random.default_rng(seed), np.arange(frames)[:, None]
    level = 10 ** (-2 + 1.5 * np.sin(time / 37)) * (time % 500 > 60)
    tilt = np.exp(-np.arange(161) / 161 * (3 + 2 * np.sin(time / 11)))
    spectra = rng.standard_normal((frames, 161, 2)) * (level * tilt)[..., None]
    return (spectra * np.sqrt(320 / 4)).astype(np.float32)


def numpy_outputs(config, tensors, spectra, finish):
    """The definition in `speech_torch`, in float64 and with no thought for speed."""
    w = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    bands, decay = mel_bands(config).astype(np.float64), config.level_decay
    mean = weight = 0.0
    past = [[] for _ in config.dilations]
    waiting, held = [], np.zeros(config.n_outputs)
    for spectrum in spectra.astype(np.float64):
        e = np.log10(bands @ (spectrum**2).sum(-1) + config.power_floor)
        mean, weight = decay * mean + (1 - decay) * e.mean(), decay * weight + 1 - decay
        waiting.append(e - mean / weight)
        if len(waiting) == config.stride:
            x = np.maximum(w["inp.weight"] @ np.concatenate(waiting) + w["inp.bias"], 0)
            waiting = []
            for i, dilation in enumerate(config.dilations):
                past[i].append(x)
                d = w[f"blocks.{i}.depthwise.bias"].copy()
                for k in range(config.kernel_size):
                    then = len(past[i]) - 1 - (config.kernel_size - 1 - k) * dilation
                    if then >= 0:
                        d += w[f"blocks.{i}.depthwise.weight"][:, 0, k] * past[i][then]
                mixed = w[f"blocks.{i}.pointwise.weight"][:, :, 0] @ d + w[f"blocks.{i}.pointwise.bias"]
                x = x + np.maximum(mixed, 0)
            held = finish(w["out.weight"] @ x + w["out.bias"])
        yield held


def torch_outputs(config, tensors, spectra, *, hop_by_hop):
    torch = pytest.importorskip("torch")
    from rtaudio.nn.torch.speech import SpeechNet

    net = SpeechNet(config).eval()
    net.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    x = torch.from_numpy(spectra)
    with torch.no_grad():
        if not hop_by_hop:
            return net(x[None])[0].numpy()
        state, outputs = net.initial_state(), []
        for spectrum in x:
            y, state = net.step(spectrum[None], state)
            outputs.append(y[0].numpy())
    return np.array(outputs)


@pytest.mark.parametrize("name", NETS)
def test_native_equals_numpy(name):
    net, config = NETS[name]
    tensors, spectra = lively_tensors(config), noisy_spectra(300)
    finish = (lambda y: y / np.linalg.norm(y)) if net is EmbeddingNet else lambda y: 1 / (1 + np.exp(-y))
    expected = np.array(list(numpy_outputs(config, tensors, spectra, finish)))
    assert np.median(np.ptp(expected[60:], axis=0)) > 0.1
    np.testing.assert_allclose(run_frames(net(config, tensors), spectra), expected, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_native_equals_torch_over_60_s(name):
    net, config = NETS[name]
    tensors, spectra = lively_tensors(config), noisy_spectra(6000)
    expected = torch_outputs(config, tensors, spectra, hop_by_hop=False)
    np.testing.assert_allclose(run_frames(net(config, tensors), spectra), expected, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
def test_torch_hop_by_hop_equals_torch_over_the_whole_clip(name):
    _, config = NETS[name]
    tensors, spectra = lively_tensors(config), noisy_spectra(200)
    whole = torch_outputs(config, tensors, spectra, hop_by_hop=False)
    np.testing.assert_allclose(torch_outputs(config, tensors, spectra, hop_by_hop=True), whole, atol=1e-5)


def test_a_third_of_the_denoisers_spectrum_is_the_nets_own():
    """One STFT at 48 kHz serves both: bins 0 to 160, divided by 3, up to what a resampler removes."""
    import soxr

    speech = load_demo().noisy[: 48000 * 3]
    wide = run_frames(Analysis(960, 480), speech.reshape(-1, 480))[:, :161] / np.float32(3)
    narrow = run_frames(Analysis(320, 160), soxr.resample(speech, 48000, 16000).reshape(-1, 160))
    features = [run_frames(Features(WORDS), np.ascontiguousarray(x)) for x in (wide, narrow)]
    low = slice(0, 36)  # up to 6 kHz: above, the resampler's own slope begins
    assert np.abs(features[0][50:, low] - features[1][50:, low]).mean() < 0.02  # of decades: 0.2 dB


def test_features_do_not_depend_on_the_level():
    spectra = noisy_spectra(400)[61:400]
    loud, quiet = (run_frames(Features(WORDS), spectra * np.float32(gain)) for gain in (100.0, 10.0))
    assert np.abs(loud - quiet).mean() < 0.02


def word_heads(config, count, seed=1):
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((count, TAPS * config.size)).astype(np.float32)
    return [WordHead(weight, 0.1 * k, 0.5) for k, weight in enumerate(weights)]


def test_word_scores_are_logistic_functions_of_the_last_embeddings():
    config = EmbeddingConfig()
    tensors, spectra, heads = lively_tensors(config), noisy_spectra(300), word_heads(EmbeddingConfig(), 3)
    embeddings = run_frames(EmbeddingNet(config, tensors), spectra)
    scores = run_frames(WordNet(config, tensors, heads), spectra)
    back = config.stride * LAG
    for t in (back * TAPS, 150, 299):
        window = np.concatenate([embeddings[t - back * (TAPS - 1 - tap)] for tap in range(TAPS)])
        expected = [1 / (1 + np.exp(-(head.weight @ window + head.bias))) for head in heads]
        np.testing.assert_allclose(scores[t], expected, atol=1e-5)


def test_a_word_net_gives_the_logits_of_its_heads_at_any_time():
    config = EmbeddingConfig()
    tensors, spectra = lively_tensors(config), noisy_spectra(300)
    rng, plain = np.random.default_rng(3), word_heads(config, 3)
    weight = 0.1 * rng.standard_normal((STATES, CONTEXT * config.size)).astype(np.float32)
    bias, before = np.zeros(STATES, np.float32), rng.standard_normal(config.size).astype(np.float32) / 8
    states = [WordStates(weight, bias, 0.1, 3), None, WordStates(-weight, bias, 0.2, 7)]
    heads = [dataclasses.replace(head, states=one) for head, one in zip(plain, states, strict=True)]
    net = WordNet.from_weights(Weights("embedding", vars(config), tensors, {"average": before}), heads)
    embeddings = run_frames(EmbeddingNet(config, tensors), spectra)[config.stride - 1 :: config.stride]
    for _ in range(2):
        net.reset()
        scores = run_frames(net, spectra)[config.stride - 1 :: config.stride]
        for k, head in enumerate(heads):
            expected = 1 / (1 + np.exp(-head.logits(embeddings, before)))
            np.testing.assert_allclose(scores[:, k], expected, atol=1e-5)


def test_before_the_first_sound_a_word_hears_what_it_is_told():
    config, spectra = EmbeddingConfig(), noisy_spectra(20)
    tensors, (head,) = lively_tensors(config), word_heads(EmbeddingConfig(), 1)
    before = np.random.default_rng(0).standard_normal(config.size).astype(np.float32) / 8
    net = WordNet.from_weights(Weights("embedding", vars(config), tensors, {"average": before}), [head])
    embeddings = run_frames(EmbeddingNet(config, tensors), spectra)
    for _ in range(2):
        net.reset()
        scores = run_frames(net, spectra)
        for t in range(1, config.stride * LAG):
            window = np.concatenate([*[before] * (TAPS - 1), embeddings[t]])
            expected = 1 / (1 + np.exp(-(head.weight @ window + head.bias)))
            np.testing.assert_allclose(scores[t, 0], expected, atol=1e-5)


def test_the_shipped_words_begin_with_average_sound():
    weights = load_weights(find_weights("embedding"))
    average = np.concatenate(load_negatives(weights).streams).mean(0)
    np.testing.assert_allclose(average_embedding(weights), average, atol=0.01)


def test_word_nets_that_cannot_work_are_refused():
    config = EmbeddingConfig()
    tensors = lively_tensors(config)
    with pytest.raises(ConfigError, match="at least one"):
        WordNet(config, tensors, [])
    with pytest.raises(ConfigError, match=r"before of shape \(3,\)"):
        WordNet(config, tensors, word_heads(config, 1), before=[0.0, 0.0, 1.0])
    with pytest.raises(ConfigError, match="shape"):
        WordNet(config, tensors, [WordHead(np.zeros(3, np.float32), 0.0, 0.5)])
    (head,) = word_heads(config, 1)
    with pytest.raises(ConfigError, match="states of shapes"):
        WordNet(config, tensors, [dataclasses.replace(head, states=WordStates.none(3))])


@pytest.mark.parametrize("words", [(), ("a", "a")])
def test_words_must_be_there_and_different(words):
    with pytest.raises(ConfigError, match="words"):
        KeywordConfig(words=words)


def test_weights_of_another_net_or_size_are_refused(tmp_path):
    tensors = lively_tensors(WORDS)
    path = save_weights(tmp_path / "a.npz", "keywords", WORDS, tensors)
    assert KeywordNet.from_weights(load_weights(path)).config == WORDS
    with pytest.raises(WeightsError, match="keywords"):
        VadNet.from_weights(load_weights(path))
    other = dataclasses.replace(WORDS, words=("yes",))
    path = save_weights(tmp_path / "b.npz", "keywords", other, tensors)
    with pytest.raises(WeightsError, match="shape"):
        KeywordNet.from_weights(load_weights(path))
    path = save_weights(tmp_path / "c.npz", "keywords", {"layers": 3}, tensors)
    with pytest.raises(WeightsError, match="layers"):
        KeywordNet.from_weights(load_weights(path))


def test_the_keyword_net_stays_small():
    assert (
        sum(np.prod(shape) for shape in tensor_shapes(KeywordConfig(words=tuple("abcdefghijkl"))).values())
        < 1e5
    )
    assert 100 <= KeywordConfig(words=("a",)).receptive_field <= 150
