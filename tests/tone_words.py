"""Words made of tones, and a net that knows them: what a spotter's tests need of a spotter's net."""

import numpy as np

from rtaudio.dsp.mel import MelSpectrogram
from rtaudio.nn.embedding import TAPS, EmbeddingNet, WordHead
from rtaudio.nn.embedding_config import EmbeddingConfig
from rtaudio.nn.keywords import KeywordNet
from rtaudio.nn.keywords_config import KeywordConfig
from rtaudio.nn.layers import Dense
from rtaudio.nn.speech import tensor_shapes
from rtaudio.nn.speech_config import mel_bands
from rtaudio.nn.vad import VadNet
from rtaudio.nn.vad_config import VadConfig
from rtaudio.nn.weights import save_weights
from rtaudio.stream.pipeline import Pipeline

WORDS = ("low", "high")
TONES_HZ = (500.0, 2000.0)
WORD_S = 0.3


def tone_net():
    """Scores near 1 while a word's tone stands out over the other bands, near 0 otherwise."""
    n_mels, rows = 20, []
    mel = MelSpectrogram(320, 16000, n_mels, log="ln", floor=1e-2)
    for hz in TONES_HZ:
        bands = np.zeros(n_mels, np.float32)
        loudest = int(np.argmax(_bands(mel, hz)))
        bands[:] = -1.0 / (n_mels - 3)
        bands[max(0, loudest - 1) : loudest + 2] = 0.0
        bands[loudest] = 1.0
        rows.append(bands)
    return Pipeline([mel, Dense(2 * np.stack(rows), np.full(2, -7.0, np.float32), "sigmoid")])


def _bands(mel, hz):
    out = np.zeros(mel.out_spec.shape, np.float32)
    spectrum = np.zeros(mel.in_spec.shape, np.float32)
    spectrum[round(hz / 50), 0] = 10.0
    mel.process(spectrum, out)
    return out


def say(word, rate, seconds=WORD_S, level=0.3):
    """A word: its tone, with soft edges."""
    t = np.arange(round(seconds * rate)) / rate
    edge = np.minimum(1.0, np.minimum(t, seconds - t) / 0.02)
    return (level * edge * np.sin(2 * np.pi * TONES_HZ[WORDS.index(word)] * t)).astype(np.float32)


def script(rate, *said, seconds):
    """Silence of `seconds` with words in it, each `(at_s, word)`."""
    x = np.zeros(round(seconds * rate), np.float32)
    for at_s, word in said:
        tone, at = say(word, rate), round(at_s * rate)
        x[at : at + tone.size] += tone
    return x


def tone_model(path, words=WORDS, tones_hz=TONES_HZ, **card):
    """Weights of a keyword net that knows tones: a band stands out by four of log10 over its own mean."""
    config = KeywordConfig(words=words, stride=1, channels=len(words), kernel_size=1, dilations=(1,))
    tensors = _tone_tensors(config, tones_hz)
    tensors["out.weight"][:] = 1.5 * np.eye(len(words))
    tensors["out.bias"][:] = -3.0
    return save_weights(path, KeywordNet.net_name, config, tensors, **card)


def vad_model(path):
    """Weights of a voice activity net to which any word's tone is speech."""
    config = VadConfig(stride=1, channels=len(WORDS), kernel_size=1, dilations=(1,))
    tensors = _tone_tensors(config, TONES_HZ)
    tensors["out.weight"][:] = 1.5
    tensors["out.bias"][:] = -3.0
    return save_weights(path, VadNet.net_name, config, tensors)


def embedding_model(path):
    """Weights of an embedding net that points where a word's tone is, else aside."""
    config = EmbeddingConfig(stride=1, channels=3, kernel_size=1, dilations=(1,), size=3)
    tensors = _tone_tensors(config, TONES_HZ)
    tensors["inp.bias"][2] = 1.0
    tensors["out.weight"][:] = np.eye(3)
    return save_weights(path, EmbeddingNet.net_name, config, tensors)


def fit_tone(clips, *, shares, false_accepts_per_hour, caution, weights):
    """In place of `fit_word`: a head for the first word's tone, whatever the recordings say."""
    weight = np.zeros(TAPS * 3, np.float32)
    weight[-3] = 20.0
    return WordHead(weight, -10.0, 0.5)


def as_alike(likeness):
    """In place of `alike`: that recordings and others, and each of them, are as alike as that."""
    return lambda clips, others, *, weights: (likeness, np.full(len(others), likeness))


def _tone_tensors(config, tones_hz):
    tensors = {name: np.zeros(shape, np.float32) for name, shape in tensor_shapes(config).items()}
    bands = mel_bands(config)
    for word, hz in enumerate(tones_hz):
        tensors["inp.weight"][word, np.argmax(bands[:, round(hz / 50)])] = 1.0
    tensors["inp.bias"][:] = -4.0
    return tensors
