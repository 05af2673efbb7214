import threading

import pytest

from rtaudio.tasks import bench_load


@pytest.mark.parametrize("kind", bench_load.LOADS)
def test_a_load_ends_with_its_block(kind, monkeypatch):
    started = []
    popen = bench_load.subprocess.Popen

    def start(command):
        started.append(popen(command))
        return started[-1]

    monkeypatch.setattr(bench_load.subprocess, "Popen", start)
    before = threading.active_count()
    with bench_load.load(kind):
        assert (threading.active_count() > before) is (kind == "gil")
        assert all(process.poll() is None for process in started)
    assert threading.active_count() == before
    assert bool(started) is (kind == "cpu")
    assert all(process.poll() is not None for process in started)
