import re
from types import SimpleNamespace

import pytest

from benchmarks import ablations
from benchmarks.ablations import CHANGES, file_name, row_of
from rtaudio.nn.torch.denoise import DenoiseNet


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_every_row_is_a_net_of_the_size_it_says(change):
    n_parameters = sum(p.numel() for p in DenoiseNet(change.recipe().net).parameters())
    said = re.search(r"([\d.]+) M parameters", change.name)
    assert not said or float(said[1]) == pytest.approx(n_parameters / 1e6, abs=0.01)


def test_a_row_that_is_done_is_trained_again_only_if_it_would_be_another(tmp_path, monkeypatch):
    steps = []
    monkeypatch.setattr(ablations, "trained", lambda change, store, n, seed: steps.append(n))
    monkeypatch.setattr(ablations, "scores_of", lambda trainer, pairs: {"gain_db": float(len(steps))})
    for n in (10, 10, 20):
        settings = SimpleNamespace(steps=n, seed=1)
        scores = row_of(CHANGES[0], tmp_path / "row.json", None, [], settings)
    assert steps == [10, 20]
    assert scores == {"gain_db": 2.0}


def test_every_row_is_kept_in_a_file_of_its_own():
    assert len({file_name(change) for change in CHANGES}) == len(CHANGES)
