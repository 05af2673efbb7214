import librosa
import numpy as np
import pytest

from rtaudio.dsp.mel import MelSpectrogram, Mfcc
from rtaudio.dsp.stft import Analysis
from rtaudio.errors import ConfigError
from rtaudio.kernels.mel import mel_filters
from rtaudio.stream.offline import run_frames
from rtaudio.stream.pipeline import Pipeline

RATE, N_FFT, HOP = 16000, 512, 128
NOISE = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)[: RATE // HOP * HOP]
WHOLE = N_FFT // HOP - 1  # hops until the frame holds the signal only; librosa starts there
STFT = {"sr": RATE, "n_fft": N_FFT, "hop_length": HOP, "center": False}


def run(*stages):
    return run_frames(Pipeline([Analysis(N_FFT, HOP, "hann"), *stages]), NOISE.reshape(-1, HOP))[WHOLE:].T


@pytest.mark.parametrize("htk", [False, True])
@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize(
    ("n_fft", "rate", "n_mels", "low_hz", "high_hz"), [(512, 16000, 40, 0, 8000), (960, 48000, 64, 50, 20000)]
)
def test_filters_are_librosas(n_fft, rate, n_mels, low_hz, high_hz, htk, norm):
    got = mel_filters(n_fft, rate, n_mels, low_hz, high_hz, htk=htk, area=norm == "slaney")
    true = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=low_hz, fmax=high_hz, htk=htk, norm=norm, dtype=np.float64
    )
    np.testing.assert_allclose(got, true, atol=1e-12 * true.max())


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("norm", ["slaney", None])
def test_mel_spectrogram_is_librosas(power, norm):
    got = run(MelSpectrogram(N_FFT, RATE, 40, power=power, norm=norm, low_hz=60, high_hz=7600))
    true = librosa.feature.melspectrogram(
        y=NOISE, power=power, norm=norm, n_mels=40, fmin=60, fmax=7600, **STFT
    )
    assert got.shape == true.shape
    np.testing.assert_allclose(got, true, rtol=1e-5)


@pytest.mark.parametrize("lifter", [0, 22])
def test_mfcc_is_librosas(lifter):
    got = run(MelSpectrogram(N_FFT, RATE, 40, log="db"), Mfcc(40, 13, lifter))
    mel = librosa.feature.melspectrogram(y=NOISE, n_mels=40, **STFT)
    true = librosa.feature.mfcc(S=librosa.power_to_db(mel, top_db=None), n_mfcc=13, lifter=lifter)
    np.testing.assert_allclose(got, true, atol=1e-4 * np.max(np.abs(true)))


def test_natural_log_and_its_floor():
    linear, natural = (
        run(MelSpectrogram(N_FFT, RATE, 40)),
        run(MelSpectrogram(N_FFT, RATE, 40, log="ln", floor=1.0)),
    )
    np.testing.assert_allclose(natural, np.log(np.maximum(linear, 1.0)), atol=1e-5)
    silent = np.empty(40, np.float32)
    MelSpectrogram(N_FFT, RATE, 40, log="db").process(np.zeros((N_FFT // 2 + 1, 2), np.float32), silent)
    np.testing.assert_allclose(silent, -100, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"n_mels": 0}, "n_mels=0"),
        ({"n_mels": 400}, "n_mels=400 is too many for n_fft=512"),
        ({"power": 3}, "power=3"),
        ({"low_hz": 9000}, "low_hz=9000"),
        ({"high_hz": 9000}, "high_hz=9000"),
        ({"norm": "area"}, "norm='area'"),
        ({"log": "log2"}, "log='log2'"),
        ({"floor": 0}, "floor=0"),
    ],
)
def test_misuse_is_named(options, named):
    with pytest.raises(ConfigError, match=named):
        MelSpectrogram(N_FFT, RATE, **{"n_mels": 40, **options})


def test_mfcc_misuse_is_named():
    with pytest.raises(ConfigError, match="n_mfcc=41"):
        Mfcc(40, 41)
    with pytest.raises(ConfigError, match="lifter=-1"):
        Mfcc(40, 13, -1)
