import numpy as np
import pytest

from rtaudio.errors import ConfigError
from rtaudio.training.data import SPEEDS, build_store, read_index


def test_store_keeps_splits_and_makes_copies_of_training_clips_only(store):
    assert len(store.select("speech", "train")) == 3 * len(SPEEDS["speech"])
    assert {clip.speed for clip in store.select("speech", "valid")} == {1.0}
    assert {clip.group for clip in store.select("noise", "valid")} == {"made-here/g3"}
    assert all(clip.licence == "CC0" for clip in store.clips)


def test_a_faster_copy_is_shorter_by_its_speed(store):
    slow, fast = (next(c for c in store.select("noise", "train") if c.speed == s) for s in (0.8, 1.25))
    assert slow.length / fast.length == pytest.approx(1.25 / 0.8, rel=1e-3)


def test_an_interrupted_build_goes_on_to_the_same_store(recordings, store, tmp_path):
    build_store(recordings, tmp_path)
    lines = (tmp_path / "clips.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "clips.jsonl").write_text("".join(lines[:5]) + lines[5][:200])  # killed while writing a line
    again = build_store(recordings, tmp_path)
    assert sorted(c.path for c in again.clips) == sorted(c.path for c in store.clips)
    assert again.samples.size == store.samples.size
    for clip in store.clips:
        twin = next(c for c in again.clips if (c.path, c.speed) == (clip.path, clip.speed))
        np.testing.assert_array_equal(again.read(twin, 0, 5000), store.read(clip, 0, 5000))


def test_missing_data_is_named_in_one_line(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        read_index(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"no speech/index\.csv"):
        read_index(tmp_path)
