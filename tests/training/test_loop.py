import itertools
import json
from dataclasses import replace

import pytest
import torch
from rich.console import Console
from toy_recordings import SMALL_MIX, SMALL_NET

from rtaudio.errors import ConfigError, WeightsError
from rtaudio.nn.weights import load_weights
from rtaudio.training.checkpoint import load_checkpoint, save_checkpoint
from rtaudio.training.data import build_store
from rtaudio.training.denoise import TrainPaths, checkpoint_to_ship, follow, stale, train_denoise
from rtaudio.training.loop import Progress, RunConfig, Trainer
from rtaudio.training.mixing import Mixer
from rtaudio.training.recipes import Recipe

SMALL = Recipe(SMALL_NET, SMALL_MIX)
RUN = RunConfig(hours=None, steps=6, batch=2, workers=0)


def trainer(store, run=RUN):
    return Trainer(SMALL_NET, run, Mixer(store, "train", SMALL_MIX, run.seed))


def same(a, b):
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_steps_on_one_batch_bring_its_loss_down(store):
    one = trainer(store)
    batch = one._prepare(0)
    losses = [one.step(*batch) for _ in range(30)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_resumed_run_is_the_run_that_was_never_stopped(store, tmp_path):
    whole = trainer(store)
    losses = list(whole.steps())
    first = trainer(store)
    before = list(itertools.islice(first.steps(), 3))
    first.save(tmp_path / "c.pt")
    second = trainer(store)
    second.resume(tmp_path / "c.pt")
    assert before + list(second.steps()) == losses
    assert same(whole.net, second.net)
    assert same(whole.average, second.average)


def test_mixing_ahead_changes_nothing(store):
    ahead = trainer(store, RunConfig(hours=None, steps=3, batch=2, workers=2))
    inline = trainer(store, RunConfig(hours=None, steps=3, batch=2, workers=0))
    assert list(ahead.steps()) == list(inline.steps())


def test_a_run_of_hours_keeps_what_it_used():
    run = RunConfig(hours=2.0)
    assert Progress(elapsed_s=3600).share(run) == 0.5
    assert Progress(step=5).share(RunConfig(hours=None, steps=20)) == 0.25


@pytest.mark.parametrize("bad", [{"hours": -1}, {"hours": 1, "steps": 5}, {"batch": 0}, {"workers": -1}])
def test_runs_that_cannot_work_are_refused(bad):
    with pytest.raises(ConfigError):
        RunConfig(**bad)


def test_a_checkpoint_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "c.pt"
    save_checkpoint({"net": {"w": torch.ones(3)}}, path)

    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint({"net": {"w": torch.zeros(3)}}, path)
    assert load_checkpoint(path)["net"]["w"].sum() == 3


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read"):
        load_checkpoint(tmp_path / "c.pt")


def test_a_run_is_stale_once_its_best_is_as_far_back_as_its_patience():
    history = [{"si_sdr_gain_db": score} for score in (1.0, 3.0, 2.0, 2.9)]
    assert not stale(history, None)
    assert not stale(history, 3)
    assert stale(history, 2)
    assert not stale([], 1)


def test_a_stale_run_ends_and_leaves_its_best_weights(recordings, tmp_path, monkeypatch):
    scores = iter([2.0, 1.0, 1.5, 9.0])

    def validate(trainer, pairs, paths, loss):
        trainer.progress.history.append({"si_sdr_gain_db": next(scores)})

    monkeypatch.setattr("rtaudio.training.denoise.validate", validate)
    run = replace(RUN, steps=50, validate_every_steps=1, patience=2)
    one = trainer(build_store(recordings, tmp_path), run)
    assert "no better for 2" in [*follow(one, None, None)][-1]
    assert one.progress.step == 3


def test_the_end_of_a_schedule_ships_and_the_best_of_one_that_ended_before(store, tmp_path):
    paths = TrainPaths(tmp_path, tmp_path / "out", tmp_path)
    one = trainer(store, replace(RUN, steps=4))
    one.progress.step = 3
    assert checkpoint_to_ship(one, paths) == paths.best
    one.progress.step = 4
    assert checkpoint_to_ship(one, paths) == paths.checkpoint


@pytest.mark.parametrize(("steps", "validated"), [(5, [2, 4, 5]), (4, [2, 4])])
def test_a_run_of_steps_is_validated_by_steps_however_long_they_take(store, monkeypatch, steps, validated):
    told = []
    monkeypatch.setattr(
        "rtaudio.training.denoise.validate", lambda trainer, *_: told.append(trainer.progress.step)
    )
    one = trainer(store, replace(RUN, steps=steps, validate_every_s=0.0, validate_every_steps=2))
    for _ in follow(one, None, None):
        pass
    assert told == validated


def test_checkpoints_run_no_code(tmp_path):
    torch.save({"net": print}, tmp_path / "c.pt")
    with pytest.raises(WeightsError):
        load_checkpoint(tmp_path / "c.pt")


def test_training_end_to_end_leaves_checkpoint_history_and_pictures(recordings, tmp_path):
    paths = TrainPaths(recordings, tmp_path / "out", tmp_path / "cache")
    quiet = Console(quiet=True)
    run = RunConfig(hours=None, steps=2, batch=2, workers=1)
    train_denoise(paths, run, SMALL, console=quiet)
    for name in ("curves.png", "spectrogram.png"):
        assert (paths.out / name).read_bytes().startswith(b"\x89PNG")
    progress = load_checkpoint(paths.checkpoint)["progress"]
    assert progress["step"] == 2
    assert 0 < progress["history"][-1]["validation_loss"] < 1
    assert json.loads((paths.out / "history.json").read_text())["history"][-1]["step"] == 2
    with pytest.raises(ConfigError, match="--resume"):
        train_denoise(paths, run, SMALL, console=quiet)
    nowhere = TrainPaths(recordings, tmp_path / "no", paths.cache)
    with pytest.raises(ConfigError, match="nothing to resume"):
        train_denoise(nowhere, run, SMALL, resume=True, console=quiet)
    assert load_weights(paths.weights).tensors["out.bias"].shape == (481,)
