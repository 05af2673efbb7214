import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import ShortTimeFFT

from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.errors import ConfigError
from rtaudio.kernels.window import make_window
from rtaudio.stream.offline import run_frames, run_offline
from rtaudio.stream.pipeline import Pipeline

NOISE = np.random.default_rng(0).standard_normal(9600).astype(np.float32)
BOUND = 5e-7  # largest error over the largest true value


def frames_of(x, n_fft, hop_length):
    padded = np.concatenate([np.zeros(n_fft - hop_length), x.astype(np.float64)])
    return np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop_length]


@pytest.mark.parametrize(
    ("n_fft", "hop_length"), [(240, 120), (320, 100), (480, 160), (512, 512), (960, 480), (1024, 1)]
)
def test_analysis_is_the_rfft_of_the_latest_windowed_samples(n_fft, hop_length):
    x = NOISE[: 9 * hop_length]
    got = run_frames(Analysis(n_fft, hop_length), x.reshape(-1, hop_length))
    true = np.fft.rfft(frames_of(x, n_fft, hop_length) * make_window("sqrt_hann", n_fft))
    assert np.max(np.abs(got @ [1, 1j] - true)) <= BOUND * np.max(np.abs(true))


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([240, 320, 480, 512, 960, 1024]),
    st.floats(0.01, 0.6),
    st.sampled_from(["sqrt_hann", "hann", "hamming", "vorbis", "rect"]),
)
def test_analysis_and_synthesis_are_a_pure_delay(n_fft, overlap, window):
    hop_length = round(n_fft * overlap)
    stage = Pipeline([Analysis(n_fft, hop_length, window), Synthesis(n_fft, hop_length, window)])
    assert stage.latency == n_fft - hop_length
    out = run_offline(stage, NOISE)
    assert (
        np.max(np.abs(out[: stage.latency]), initial=0) <= 1e-5
    )  # rounding of frames that hold the first samples
    assert np.max(np.abs(out[stage.latency :] - NOISE)) <= 2 * BOUND * np.max(np.abs(NOISE))


@pytest.mark.parametrize(
    ("n_fft", "hop_length"), [(240, 120), (320, 160), (480, 240), (512, 128), (960, 480), (1024, 256)]
)
def test_reconstruction_within_the_bound_at_the_usual_hops(n_fft, hop_length):
    out = run_offline(Pipeline([Analysis(n_fft, hop_length), Synthesis(n_fft, hop_length)]), NOISE)
    assert np.max(np.abs(out[n_fft - hop_length :] - NOISE)) <= BOUND * np.max(np.abs(NOISE))


def test_modified_spectra_invert_as_scipys_do():
    n_fft, hop_length = 512, 128
    window = make_window("hann", n_fft)
    gains = np.random.default_rng(1).uniform(0, 1, n_fft // 2 + 1)
    spectra = run_frames(Analysis(n_fft, hop_length, "hann"), NOISE[:8192].reshape(-1, hop_length))
    changed = (spectra * gains[:, None]).astype(np.float32)
    got = run_frames(Synthesis(n_fft, hop_length, "hann"), changed).ravel()
    oracle = ShortTimeFFT(window, hop_length, 48000, fft_mode="onesided")
    frames = np.fft.irfft(changed.astype(np.float64) @ [1, 1j]) * oracle.dual_win
    true = np.zeros(8192 + n_fft)
    for i, frame in enumerate(frames):
        true[i * hop_length :][:n_fft] += frame
    np.testing.assert_allclose(got, true[: got.size], atol=1e-6)


def test_own_windows_reconstruct():
    """A long analysis window with a short synthesis window at its end."""
    n_fft, hop_length = 512, 64
    rise, fall = np.sin(np.linspace(0, np.pi / 2, 448)), np.cos(np.linspace(0, np.pi / 2, 64))
    window = np.concatenate([rise, fall])
    shape = np.where(np.arange(n_fft) < n_fft - 192, 0, np.sin(np.pi * (np.arange(n_fft) - 320) / 192))
    stage = Pipeline([Analysis(n_fft, hop_length, window), Synthesis(n_fft, hop_length, window, shape)])
    np.testing.assert_allclose(run_offline(stage, NOISE)[stage.latency :], NOISE, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Analysis(481, 240), "n_fft=481"),
        (lambda: Analysis(480, 0), "hop_length=0"),
        (lambda: Analysis(480, 481), "hop_length=481"),
        (lambda: Analysis(480, 240, "square"), "square"),
        (lambda: Analysis(480, 240, np.ones(240)), r"\(240,\).*n_fft=480"),
        (lambda: Analysis(480, 240, np.full(480, np.nan)), "finite"),
        (lambda: Synthesis(480, 480, "hann"), "hop_length=480 can't be inverted"),
        (lambda: Synthesis(480, 240, np.zeros(480)), "can't be inverted"),
    ],
)
def test_misuse_is_named(make, named):
    with pytest.raises(ConfigError, match=named):
        make()


@pytest.mark.parametrize(("n_fft", "hop_length"), [(1920, 480), (1536, 192), (960, 480), (1024, 100)])
def test_asymmetric_windows_wait_for_two_hops_alone(n_fft, hop_length):
    sizes = (n_fft, hop_length, "asymmetric")
    stage = Pipeline([Analysis(*sizes), Synthesis(*sizes)])
    assert stage.latency == hop_length
    out = run_offline(stage, NOISE)
    assert np.max(np.abs(out[hop_length:] - NOISE)) <= BOUND * np.max(np.abs(NOISE))


def test_asymmetric_windows_of_two_hops_are_the_sqrt_hann():
    asymmetric, hann = (
        run_frames(Analysis(960, 480, name), NOISE.reshape(-1, 480)) for name in ("asymmetric", "sqrt_hann")
    )
    np.testing.assert_allclose(asymmetric, hann, atol=1e-4)


def test_asymmetric_windows_longer_than_their_hops_allow_are_refused():
    with pytest.raises(ConfigError, match="hop_length=300"):
        Analysis(512, 300, "asymmetric")
