"""`rtaudio warm` without the packages that live audio doesn't need."""

import sys

import pytest

from rtaudio.cli.warm import import_all


def test_modules_of_a_missing_package_are_left_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "rtaudio.nn.torch.cuda", raising=False)
    names = import_all()
    assert "rtaudio.kernels.ring" in names
    assert "rtaudio.nn.torch.cuda" not in names


def test_a_module_of_our_own_that_is_missing_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "rtaudio.kernels.ring", None)
    with pytest.raises(ModuleNotFoundError):
        import_all()
