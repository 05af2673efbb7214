"""Where compiled code is kept, and that it runs where it can't be."""

import os
import subprocess
import sys

import pytest

from rtaudio import kernels


def candidates(monkeypatch, **environment):
    for name in ("RTAUDIO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value))


def test_the_cache_lies_where_the_user_says_then_in_the_users_cache(monkeypatch, tmp_path):
    candidates(monkeypatch, HOME=tmp_path)
    assert kernels.cache_folder().parent == tmp_path / ".cache/rtaudio/jit"
    candidates(monkeypatch, XDG_CACHE_HOME=tmp_path / "xdg")
    assert kernels.cache_folder().parent == tmp_path / "xdg/rtaudio/jit"
    candidates(monkeypatch, XDG_CACHE_HOME=tmp_path / "xdg", RTAUDIO_CACHE=tmp_path / "own")
    assert kernels.cache_folder().parent == tmp_path / "own/rtaudio/jit"


def test_a_folder_that_can_not_be_written_is_passed_over(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    candidates(monkeypatch, RTAUDIO_CACHE=tmp_path / "file", HOME=tmp_path / "file")
    monkeypatch.setattr(kernels.tempfile, "tempdir", str(tmp_path))
    assert kernels.cache_folder().parent == tmp_path


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX rights")
def test_code_is_not_loaded_from_where_others_may_write(monkeypatch, tmp_path):
    candidates(monkeypatch, RTAUDIO_CACHE=tmp_path / "own", HOME=tmp_path)
    kernels.cache_folder().chmod(0o777)
    assert kernels.cache_folder().parent == tmp_path / ".cache/rtaudio/jit"


def test_the_fingerprint_changes_with_any_kernel(monkeypatch, tmp_path):
    for name in ("a.py", "b.py", "__init__.py"):
        (tmp_path / name).touch()
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "__init__.py"))
    before = kernels._fingerprint()
    assert kernels._fingerprint() == before
    (tmp_path / "b.py").write_text("changed")
    assert kernels._fingerprint() != before


def test_kernels_run_without_a_home(tmp_path):
    code = "from rtaudio.kernels.ring import Ring; print(Ring(8).fill)"
    (tmp_path / "file").touch()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "file"), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
