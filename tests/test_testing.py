"""The kit itself: each law must catch a stage that breaks it, and only then."""

import numpy as np
import pytest

from rtaudio import testing
from rtaudio.stream.native import native_stage
from rtaudio.stream.stage import Spec
from rtaudio.testing import Case, check_stage, chirp, impulse, laws_for, pink_noise, sine, white_noise


class Good:
    """One hop of delay, in numpy; the stages below each break one law."""

    latency = 64

    def __init__(self):
        self.in_spec = self.out_spec = Spec((64,))
        self.kept = np.zeros(64, np.float32)

    def process(self, x, out):
        out[:] = self.kept
        self.kept[:] = x

    def reset(self):
        self.kept.fill(0)

    def save_state(self):
        return self.kept.tobytes()

    def load_state(self, saved):
        self.kept[:] = np.frombuffer(saved, np.float32)

    def clone(self):
        other = type(self)()
        other.load_state(self.save_state())
        return other


class KeepsX(Good):
    def process(self, x, out):
        out[:] = self.kept
        self.kept = x


class LeavesOutUnfilled(Good):
    def process(self, x, out):
        out[1:] = self.kept[1:]
        self.kept[:] = x


class Global(Good):
    calls = 0

    def process(self, x, out):
        super().process(x, out)
        Global.calls += 1
        out += np.float32(1e-3) * np.float32(Global.calls)


class WrongLatency(Good):
    latency = 63


class LosesTheTail(Good):
    def process(self, x, out):
        super().process(x, out)
        if not x.any():
            out *= 0.5


class PartialReset(Good):
    def reset(self):
        self.kept[:63] = 0


class Explodes(Good):
    def process(self, x, out):
        super().process(x, out)
        out *= 100


class Divides(Good):
    def process(self, x, out):
        super().process(x, out)
        with np.errstate(all="ignore"):
            out *= out / out


class Overwrites(Good):
    def process(self, x, out):
        super().process(x, out)
        x *= 0.5


class Allocates(Good):
    def process(self, x, out):
        self.kept, out[:] = np.concatenate([self.kept[:0], x]) if x.size else x, self.kept
        self.log = np.zeros(10_000, np.float32)


class ForgetsToSave(Good):
    def save_state(self):
        return bytes(256)


class SharesState(Good):
    def clone(self):
        other = type(self)()
        other.kept = self.kept
        return other


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (KeepsX, testing.any_split_gives_the_same_samples),
        (LeavesOutUnfilled, testing.any_split_gives_the_same_samples),
        (Global, testing.causality),
        (Global, testing.reset_equals_new),
        (WrongLatency, testing.declared_latency_is_the_true_one),
        (LosesTheTail, testing.flush_delivers_the_tail),
        (PartialReset, testing.reset_equals_new),
        (Explodes, testing.finite_and_bounded),
        (Divides, testing.finite_and_bounded),
        (Overwrites, testing.input_untouched),
        (Allocates, testing.no_allocation),
        (ForgetsToSave, testing.saved_state_goes_on),
        (SharesState, testing.clone_goes_on),
    ],
)
def test_each_law_catches_a_stage_that_breaks_it(broken, law):
    case = Case(broken, passes_delta=True, bound=2)
    assert law in laws_for(case)
    with pytest.raises(AssertionError):
        law(case)


def test_causality_catches_a_stage_that_sees_the_future():
    """Only one that is told the future can: it is given the whole recording beforehand."""
    recording = iter(())

    class Clairvoyant(Good):
        def __init__(self):
            super().__init__()
            self.level = next(recording)

        def process(self, x, out):
            super().process(x, out)
            out *= self.level

    recording = iter([1.0, 1.0, 2.0])  # one for its shapes, then one for each recording
    with pytest.raises(AssertionError, match="causality"):
        testing.causality(Case(Clairvoyant))


def test_native_allocations_are_seen():
    @native_stage
    def allocates(state, x, out):
        out[:] = x + x

    with pytest.raises(AssertionError, match="compiled code allocates"):
        testing.no_allocation(Case(lambda: allocates(64)))


def test_a_good_stage_passes_every_law():
    check_stage(Good, passes_delta=True, bound=1)
    assert len(laws_for(Case(Good, passes_delta=True))) == 10


def test_a_failure_names_the_law():
    with pytest.raises(AssertionError, match="declared latency is 63, an impulse took 64"):
        check_stage(WrongLatency, passes_delta=True)


def test_sine_and_chirp_have_the_frequencies_they_say():
    x = sine(48000, 1000, 48000, level_db=-6.0206)
    assert np.max(np.abs(x)) == pytest.approx(0.5, abs=1e-5)
    assert np.argmax(np.abs(np.fft.rfft(x))) == 1000
    sweep = chirp(480_000, 100, 1600, 48000).astype(float)
    for second, frequency_hz in ((0, 100), (2.5, 200), (5, 400), (7.5, 800)):
        crossings = np.diff(np.signbit(sweep[int(second * 48000) :][:4800])).sum()
        mean_hz = frequency_hz * (16 ** (0.1 / 10) - 1) / np.log(16 ** (0.1 / 10))
        assert crossings == pytest.approx(2 * mean_hz * 0.1, abs=1.5)


def test_noise_is_seeded_and_has_its_level_and_colour():
    np.testing.assert_array_equal(white_noise(100, seed=3), white_noise(100, seed=3))
    assert not np.array_equal(white_noise(100, seed=3), white_noise(100, seed=4))
    assert np.std(white_noise(100_000, rms=0.2)) == pytest.approx(0.2, rel=0.02)
    power = np.abs(np.fft.rfft(pink_noise(2**18).astype(float))) ** 2
    octaves = [power[2**k : 2 ** (k + 1)].sum() for k in range(10, 17)]
    assert max(octaves) / min(octaves) < 1.2
    assert np.sqrt(np.mean(pink_noise(1000, rms=0.3) ** 2)) == pytest.approx(0.3, rel=1e-6)


def test_impulse():
    np.testing.assert_array_equal(impulse(4, 2), [0, 0, 1, 0])
