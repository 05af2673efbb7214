from fractions import Fraction
from math import gcd

import numpy as np
import pytest
import soxr

from rtaudio.dsp.delay import Delay
from rtaudio.dsp.gains import Gain
from rtaudio.dsp.resample import MOST_HOPS, Resample, at_rate, hops_at_once
from rtaudio.dsp.stft import Analysis, Synthesis
from rtaudio.errors import ConfigError
from rtaudio.kernels.polyphase import DELAY, KAISER_BETA
from rtaudio.stream.offline import run_frames, run_offline
from rtaudio.stream.pipeline import Pipeline

RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 192000)
PAIRS = [(a, b) for a in RATES for b in RATES if 48000 in (a, b) or {a, b} <= {44100, 16000, 96000}]
PASS, STOP = 0.92, 1.08  # of the lower Nyquist frequency


def make(in_rate, out_rate, hops=1):
    """A resampler with the least hop there is, or one of about 10 ms."""
    least = in_rate // gcd(in_rate, out_rate)
    return Resample(in_rate, out_rate, least * max(1, hops * in_rate // 100 // least))


def band_limited_noise(size, edge, seed=0):
    """Noise with nothing above `edge` cycles a sample, and silence at either end."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(size))
    spectrum[np.fft.rfftfreq(size) > edge] = 0
    x = np.fft.irfft(spectrum, size)
    return (0.2 * x / np.std(x) * np.hanning(size)).astype(np.float32)


def levels_db(in_rate, out_rate, frequencies_hz):
    """Gain at each frequency, aliases and images not counted: the response of the prototype."""
    stage = make(in_rate, out_rate)
    rows = stage.arena["table"].astype(np.float64)
    up, taps = rows.shape
    # Row p holds h at p/up + taps - 1 - k: all rows together are h, sampled `up` times as often.
    times = np.arange(up)[:, None] / up + np.arange(taps)[::-1]
    turns = np.exp(-2j * np.pi * np.multiply.outer(frequencies_hz / in_rate, times))
    return 20 * np.log10(np.abs((turns * rows).sum(axis=(1, 2))) / up)


def aligned(in_rate, out_rate, x):
    """The resampled `x` with the declared latency, whole or not, taken off in frequency."""
    stage = make(in_rate, out_rate)
    got = np.pad(run_offline(stage, x).astype(np.float64), (0, out_rate // 10))
    shift = 2j * np.pi * np.fft.rfftfreq(got.size) * float(stage.exact_latency * stage.ratio)
    return np.fft.irfft(np.fft.rfft(got) * np.exp(shift), got.size)


def snr_db(expected, got):
    return 10 * np.log10(np.mean(expected**2) / np.mean((got[: expected.size] - expected) ** 2))


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_it_agrees_with_fourier_in_band(in_rate, out_rate):
    """Resampling a periodic signal by its spectrum is exact."""
    x = band_limited_noise(in_rate, 0.9 * min(in_rate, out_rate) / 2 / in_rate)
    spectrum = np.fft.rfft(x.astype(np.float64))[: out_rate // 2 + 1]
    expected = np.fft.irfft(spectrum * (out_rate / in_rate), out_rate)
    assert snr_db(expected, aligned(in_rate, out_rate, x)) > 100


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_it_agrees_with_soxr_in_band(in_rate, out_rate):
    """Up to 0.7 of the lower Nyquist frequency: above it soxr HQ itself falls by up to 0.01 dB."""
    x = band_limited_noise(in_rate, 0.7 * min(in_rate, out_rate) / 2 / in_rate)
    expected = soxr.resample(x.astype(np.float64), in_rate, out_rate, "HQ")
    assert snr_db(expected, aligned(in_rate, out_rate, x)) > 90


@pytest.mark.parametrize(("in_rate", "out_rate"), PAIRS)
def test_pass_band_and_stop_band_are_as_stated(in_rate, out_rate):
    nyquist_hz = min(in_rate, out_rate) / 2
    passed = levels_db(in_rate, out_rate, np.linspace(0, PASS, 50) * nyquist_hz)
    assert np.max(np.abs(passed)) < 0.001
    stage_ratio = Fraction(out_rate, in_rate).as_integer_ratio()
    if in_rate != out_rate:
        stopped = levels_db(in_rate, out_rate, np.linspace(STOP, min(3, max(stage_ratio)), 100) * nyquist_hz)
        assert np.max(stopped) < -98
        assert levels_db(in_rate, out_rate, np.array([nyquist_hz]))[0] == pytest.approx(-6, abs=0.1)


@pytest.mark.parametrize(("in_rate", "out_rate"), [(44100, 48000), (48000, 44100), (48000, 8000)])
def test_it_is_the_windowed_sinc_sum(in_rate, out_rate):
    """The definition in float64, sample by sample, no table."""
    x, stage = np.random.default_rng(0).standard_normal(3000).astype(np.float32), make(in_rate, out_rate)
    got, half, ratio = run_offline(stage, x), float(stage.exact_latency), float(stage.ratio)
    room = int(half) + 2
    padded = np.pad(x.astype(np.float64), 2 * room)
    for n in (0, 1, 77, 478, 479, 480, got.size // 2, got.size - 1):
        offset = n / ratio - half - np.arange(-2 * room, x.size + 2 * room)
        taper = np.i0(KAISER_BETA * np.sqrt(np.clip(1 - (offset / half) ** 2, 0, 1))) * (abs(offset) < half)
        taps = np.sinc(min(1.0, ratio) * offset) * taper
        assert got[n] == pytest.approx(padded @ taps / taps.sum(), abs=3e-6)


def test_equal_rates_are_a_pure_delay():
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    out = run_offline(Resample(48000, 48000, 480), x)
    np.testing.assert_array_equal(out, np.concatenate([np.zeros(DELAY, np.float32), x]))


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate % 100 == 0])
def test_there_and_back_is_a_whole_number_of_samples(rate):
    """Around a stage at 48 kHz, at any rate that has whole hops of 10 ms."""
    hop = rate // 100
    inner = Pipeline([Analysis(960, 480), Synthesis(960, 480)])
    around = Pipeline([Resample(rate, 48000, hop), inner, Resample(48000, rate, 480)])
    assert around.ratio == 1
    assert around.exact_latency == around.latency == hop + 2 * DELAY * max(1, Fraction(rate, 48000))
    x = band_limited_noise(rate // 2, 0.9 * min(rate, 48000) / 2 / rate)
    error = run_offline(around, x)[around.latency :] - x
    assert 10 * np.log10(np.mean(x**2) / np.mean(error**2)) > 90


def test_a_pipeline_counts_latency_in_samples_of_its_input():
    down = Pipeline([Gain(441), Resample(44100, 16000, 441), Pipeline([Analysis(512, 160)])])
    assert down.ratio == Fraction(160, 441)
    assert (down.latency, down.exact_latency) == (110, Fraction(40 * 441, 160))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((44100, 16000, 440), r"hop_length=440 at 44100 Hz is 159.637 samples.*a multiple of 441"),
        ((0, 16000, 441), "in_rate=0"),
        ((44100, -1, 441), "out_rate=-1"),
        ((44100, 48000, 0), "hop_length=0"),
    ],
)
def test_misuse_is_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Resample(*arguments)


def test_what_was_brought_to_a_rate_is_not_resampled_twice():
    stage = Delay(480, 3)
    at_44100 = at_rate(stage, 48000, 44100)
    assert at_rate(at_44100, 44100, 48000) is stage
    at_96000 = at_rate(at_44100, 44100, 96000)
    assert at_96000.stages[1] is stage
    assert at_96000.in_spec.size == 960
    assert at_rate(at_44100.clone(), 44100, 48000).in_spec == stage.in_spec


@pytest.mark.parametrize(
    ("hop_length", "rate", "hops", "size"),
    [
        (480, 44100, 1, 441),
        (240, 44100, 2, 441),
        (192, 44100, 5, 882),
        (240, 22050, 4, 441),
        (480, 11025, 4, 441),
        (192, 16000, 1, 64),
        (240, 8000, 1, 40),
        (192, 96000, 1, 384),
    ],
)
def test_as_many_hops_at_once_as_are_whole(hop_length, rate, hops, size):
    inner = Delay(hop_length, 100)
    stage = at_rate(inner, 48000, rate)
    assert (stage.hops, stage.in_spec.size, stage.out_spec.size) == (hops, size, size)
    assert stage.inner is inner
    assert stage.exact_latency == Fraction(100 * rate, 48000) + 2 * DELAY * max(1, Fraction(rate, 48000))
    assert hops_at_once(stage, rate, 48000) == 1
    assert at_rate(stage, rate, 48000) is inner


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hop_length", [192, 240, 480])
def test_all_usual_rates_serve(hop_length, rate):
    assert hops_at_once(Delay(hop_length, 0), 48000, rate) <= MOST_HOPS


def test_a_rate_that_is_whole_for_no_few_hops_is_refused():
    with pytest.raises(ConfigError, match=r"hops of 480 samples at 48000 Hz.*44101 Hz, nor are 10 at once"):
        at_rate(Delay(480, 0), 48000, 44101)


def test_several_hops_at_once_between_resamplers_are_those_hops():
    x = np.random.default_rng(0).standard_normal(10 * 441).astype(np.float32)
    stage = at_rate(Pipeline([Analysis(960, 240), Synthesis(960, 240)]), 48000, 44100)
    got = run_offline(stage, x)
    up, inner, down = Resample(44100, 48000, 441), stage.inner.clone(), Resample(48000, 44100, 480)
    inner.reset()
    hops = got.size // 441
    padded = np.pad(x, (0, hops * 441 - x.size)).reshape(-1, 441)
    y = run_frames(inner, run_frames(up, padded).reshape(-1, 240)).reshape(-1, 480)
    np.testing.assert_array_equal(got[: hops * 441], run_frames(down, y).ravel())
