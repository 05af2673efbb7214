from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toy_recordings import SMALL_MIX

from rtaudio.errors import ConfigError
from rtaudio.training.measure import active_power, bandwidth_hz, dynamic_db, power
from rtaudio.training.mixing import Mixer, at_snr, drawn
from rtaudio.training.rooms import simulate_room

PLAIN = replace(
    SMALL_MIX, noise_only=0, clean_only=0, reverberant=0, transients=0, equalised=0, band_limited=0,
    two_noises=0, synthetic_noise=0, babble=0, leading_pause=0, other_throat=0, wide_share=1,
    snr_wide_db=(7.0, 7.0),
)  # fmt: skip


def item(store, config, seed=0):
    return Mixer(store, "train", config, seed).item(np.random.default_rng(seed))


def test_sources_left_out_are_not_drawn(store):
    clips = [replace(clip, source=clip.group) for clip in store.select("speech", "train")]
    few = SimpleNamespace(clips=clips, select=lambda kind, split: clips)
    left = drawn(few, "speech", "train", replace(SMALL_MIX, without=["made-here/g0"]))
    assert {clip.source for clip in left} == {"made-here/g1", "made-here/g2"}
    with pytest.raises(ConfigError, match="without='elsewhere': must be of made-here/g0, "):
        drawn(few, "speech", "train", replace(SMALL_MIX, without=["elsewhere"]))
    with pytest.raises(ConfigError, match="leaves no speech"):
        Mixer(store, "train", replace(SMALL_MIX, without=["made-here"]), 0)


@pytest.mark.parametrize("snr_db", [-6.0, 0.0, 25.0])
def test_at_snr_is_the_ratio_of_active_speech_to_noise(snr_db):
    rng = np.random.default_rng(0)
    speech = np.concatenate([np.zeros(20480), rng.standard_normal(20480)]).astype(np.float32)
    noise = at_snr(speech, rng.standard_normal(40960).astype(np.float32), snr_db)
    assert 10 * np.log10(active_power(speech) / power(noise)) == pytest.approx(snr_db, abs=1e-3)


def test_items_have_the_snr_they_were_drawn_with(store):
    one = item(store, PLAIN)
    assert 10 * np.log10(active_power(one.speech) / power(one.noise)) == pytest.approx(7.0, abs=1e-3)


def test_the_same_seed_and_number_give_the_same_batch_in_any_order(store):
    first, again = (Mixer(store, "train", SMALL_MIX, seed=3) for _ in range(2))
    batches = [first.batch(number, 4) for number in (0, 1)]
    repeated = [again.batch(number, 4) for number in (1, 0)][::-1]
    for a, b in zip(batches, repeated, strict=True):
        torch.testing.assert_close(a.noisy, b.noisy, rtol=0, atol=0)
        torch.testing.assert_close(a.target, b.target, rtol=0, atol=0)
    other = Mixer(store, "train", SMALL_MIX, seed=4).batch(0, 4)
    assert not torch.equal(batches[0].noisy, other.noisy)


def test_noise_only_items_have_no_target_and_clean_items_no_noise(store):
    silent = Mixer(store, "train", replace(PLAIN, noise_only=1.0), 0).batch(0, 2)
    assert silent.target.abs().max() == 0
    assert silent.noisy.abs().max() > 0
    clean = Mixer(store, "train", replace(PLAIN, clean_only=1.0), 0).batch(0, 2)
    torch.testing.assert_close(clean.noisy, clean.target, rtol=0, atol=0)


def test_a_leading_pause_is_silent_in_the_target(store):
    one = item(store, replace(PLAIN, leading_pause=1.0))
    assert not one.target[:9600].any()
    assert one.noise[:9600].any()


def test_another_throat_changes_the_speech_alone(store):
    as_it_was, other = (item(store, replace(PLAIN, other_throat=share)) for share in (0.0, 1.0))
    assert np.abs(other.speech - as_it_was.speech).max() > 0.01
    assert other.target is other.speech


def test_levels_lie_in_the_range_they_are_drawn_from(store):
    mixer = Mixer(store, "train", replace(PLAIN, level_db=(-30.0, -30.0)), 0)
    one = mixer.item(np.random.default_rng(2))
    assert 10 * np.log10(power((one.speech + one.noise) * one.level)) == pytest.approx(-30, abs=0.01)


def test_a_band_limit_takes_the_highs_of_speech_and_noise_and_out_of_the_loss(store):
    mixer = Mixer(store, "train", replace(PLAIN, band_limited=1.0), 0)
    batch = mixer.batch(0, 4)
    highs, lows = batch.noisy[:, :, 400:].square().mean(), batch.noisy[:, :, :60].square().mean()
    assert highs < 1e-6 * lows
    assert not batch.mask[:, :, 400:].any()
    assert batch.mask[:, :, :60].all()


def test_reverberant_targets_keep_the_first_30_ms_only(store):
    one = item(store, replace(PLAIN, reverberant=1.0))
    assert power(one.speech - one.target) > 1e-4 * power(one.speech)
    assert np.abs(one.target).max() > 0


def test_rooms_start_with_the_direct_sound_and_decay():
    rng = np.random.default_rng(0)
    for _ in range(5):
        room = simulate_room(rng, 48000)
        assert room.full[0] == 1.0
        assert room.target.size == 1920
        np.testing.assert_array_equal(room.target[:1440], room.full[:1440])
        quarters = [power(part) for part in np.array_split(room.full[2880:], 4)]
        assert quarters == sorted(quarters, reverse=True)


def test_measures_know_a_narrow_and_a_noisy_clip():
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal(96000))
    spectrum[np.fft.rfftfreq(96000, 1 / 48000) > 7000] = 0
    narrow = np.fft.irfft(spectrum).astype(np.float32)
    assert bandwidth_hz(narrow, 48000, limit_hz=24000) == pytest.approx(7000, abs=500)  # bands of 375 Hz
    assert bandwidth_hz(rng.standard_normal(96000).astype(np.float32), 48000, 24000) == 24000
    assert dynamic_db(narrow) < 3
    assert dynamic_db(np.concatenate([narrow, 0.01 * narrow])) == pytest.approx(40, abs=2)
