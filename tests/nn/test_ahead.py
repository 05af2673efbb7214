"""Hops launched before their samples are there. On the CPU a thread stands in for the GPU that waits."""

import ctypes
import gc
import queue
import threading
import time

import numpy as np
import pytest

from rtaudio.devices.servers import eventually
from rtaudio.kernels.ring import Ring

torch = pytest.importorskip("torch")

from rtaudio.nn.torch import ahead  # noqa: E402
from rtaudio.nn.torch.ahead import Ahead  # noqa: E402
from rtaudio.nn.torch.cuda import make_runner  # noqa: E402
from rtaudio.nn.torch.denoise_stream import DenoiseStream  # noqa: E402
from rtaudio.stream.worker import WorkerStage  # noqa: E402
from tests.nn.test_denoise_stream import SMALL, copies, noise, random_tensors, run  # noqa: E402


class Waiter:
    """Runs what is launched in the order it is, in a thread; a step launched ahead when its turn has come."""

    def __init__(self, step):
        self.step, self.work, self.gate, self.steps = step, queue.Queue(), threading.Event(), 0
        self.broken = False
        self.gate.set()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        torch.set_num_threads(1)
        while True:
            work, done = self.work.get()
            work()
            done.set()

    def _put(self, work):
        done = threading.Event()
        self.work.put((work, done))
        return done

    def launch(self):
        self.launched = self._put(self.step)

    def wait(self):
        assert self.launched.wait(10)

    def run(self, work):
        assert self._put(work).wait(10), "a hop waits for ever"

    def check(self):
        if self.broken:
            raise RuntimeError("the device is gone")

    def launch_ahead(self, go, done, turn):
        go, done = (ctypes.c_int32.from_address(address) for address in (go, done))

        def hop():
            while go.value < turn:
                time.sleep(1e-4)
            assert self.gate.wait(10)
            self.step()
            self.steps += 1
            done.value = turn

        self._put(hop)
        return True


@pytest.fixture
def make(monkeypatch):
    monkeypatch.setattr(
        "rtaudio.nn.torch.denoise_stream.make_runner", lambda step, device, graph: Waiter(step)
    )
    return lambda: DenoiseStream(SMALL, random_tensors(SMALL))


def expected(x):
    return run(DenoiseStream(SMALL, random_tensors(SMALL)), x)


def prepared(stream, x):
    """`x` through the stream, with hops launched ahead of each."""
    out = np.empty_like(x)
    for source, target in zip(x, out, strict=True):
        stream.prepare()
        assert len(stream._ahead) == ahead.HOPS
        stream.process(source[0], target[0])
    return out


def test_it_is_the_same_sound(make):
    x = noise(60, 1)
    np.testing.assert_array_equal(prepared(make(), x), expected(x))


def test_streams_side_by_side_of_int16(monkeypatch, make):
    def streams():
        return DenoiseStream(SMALL, random_tensors(SMALL), 3, audio="int16")

    x = (noise(20, 3) * 3000).astype(np.int16)
    out, stream = np.empty_like(x), streams()
    for source, target in zip(x, out, strict=True):
        stream.prepare()
        stream.process(source, target)
    monkeypatch.undo()
    np.testing.assert_array_equal(out, run(streams(), x))


def test_ways_can_change_in_mid_stream(make):
    x, stream = noise(60, 1), make()
    parts = [prepared(stream, x[:20])]
    stream.settle()
    parts.append(run(stream, x[20:30]))
    parts.append(prepared(stream, x[30:40]))
    for hop in x[40:]:
        stream.x[:] = hop
        stream.launch()
        stream.wait()
        parts.append(stream.out.copy()[None])
    np.testing.assert_array_equal(np.concatenate(parts), expected(x))


def test_settling_changes_nothing_and_leaves_nothing(make):
    x, stream = noise(30, 1), make()
    prepared(stream, x)
    stream.settle()  # one that waits after the last hop
    before = copies(stream)
    stream.prepare()
    ran = stream._runner.steps
    stream.settle()
    assert stream._runner.steps == ran + ahead.HOPS
    assert len(stream._ahead) == 0
    for name, tensor in copies(stream).items():
        assert torch.equal(tensor, before[name]), name
    assert stream._active.all()


def test_whatever_else_is_done_between_hops_does_not_wait_for_ever(make):
    x, stream = noise(20, 1), make()
    prepared(stream, x)
    other = stream.clone()
    np.testing.assert_array_equal(run(other, x), run(stream, x))
    stream.prepare()
    stream.reset()
    np.testing.assert_allclose(prepared(stream, x), expected(x), atol=1e-6)
    make()  # to capture another's graph is to wait for all of the GPU's work
    assert len(stream._ahead) == 0


@pytest.mark.parametrize("late", [False, True])
def test_samples_of_any_kind_and_late_hops(make, late, monkeypatch):
    x, stream = noise(10, 1), make()
    want = expected(x)
    out = np.empty((10, 1, 2 * SMALL.hop_length))
    if late:
        monkeypatch.setattr(ahead, "SPIN_S", 0.0)
    for source, target in zip(x, out, strict=True):
        stream.prepare()
        stream._runner.gate.clear()
        threading.Timer(0.005 if late else 0, stream._runner.gate.set).start()
        stream.process(source[0].astype(np.float64)[::1], target[0, ::2])
    np.testing.assert_array_equal(out[..., ::2], want)


def test_a_device_that_is_gone_is_an_error_and_no_wait_for_ever(make):
    stream, x = make(), noise(1, 1)
    stream.prepare()
    stream._runner.broken = True
    stream._runner.gate.clear()
    with pytest.raises(RuntimeError, match="the device is gone"):
        run(stream, x)
    stream._runner.broken = False
    stream._runner.gate.set()
    stream.settle()


def test_hops_of_a_stream_that_is_gone_wait_no_more(make):
    stream = make()
    stream.prepare()
    runner = stream._runner
    del runner.step.__self__._ahead, stream
    gc.collect()
    runner.run(lambda: None)
    assert runner.steps == ahead.HOPS


def test_where_the_device_cannot_wait_nothing_is_launched():
    stream, x = DenoiseStream(SMALL, random_tensors(SMALL)), noise(3, 1)
    stream.prepare()
    assert len(stream._ahead) == 0
    np.testing.assert_array_equal(run(stream, x), expected(x))
    assert not make_runner(lambda: None, torch.device("cpu")).launch_ahead(0, 0, 1)


def test_it_waits_for_the_time_that_a_hop_is_due_and_tells_when_it_was_done(make):
    stream, x = make(), noise(2, 1)
    out = np.empty_like(x)
    for k, prepared in enumerate((True, False)):
        if prepared:
            stream.prepare()
        due = time.monotonic_ns() + 2_000_000
        begun, done = stream.process_at(x[k, 0], out[k, 0], due)
        assert due <= begun < done <= time.monotonic_ns()
        stream.settle()
    np.testing.assert_array_equal(out, expected(x))


class Hops:
    """What a worker has: hops in a ring, each behind its tag, and a ring for results."""

    def __init__(self):
        self.hops, self.results = Ring(1 << 16), Ring(1 << 16)
        self.frames = np.zeros((2, SMALL.hop_length + 1), np.float32)

    def put(self, tag, x):
        assert self.hops.push(np.concatenate([[tag], x]).astype(np.float32))

    def served_by(self, stream):
        return stream.serve(self.hops, self.results, self.frames)

    def result(self):
        result = np.empty(SMALL.hop_length + 1, np.float32)
        assert self.results.pull(result)
        return result[0], result[1:].copy()


@pytest.mark.parametrize("late", [False, True])
def test_hops_go_from_ring_to_ring(make, late, monkeypatch):
    if late:
        monkeypatch.setattr(ahead, "SPIN_S", 0.0)
    stream, x, ring = make(), noise(10, 1), Hops()
    for k, hop in enumerate(expected(x)):
        stream.prepare()
        ring.put(7 + k, x[k, 0])
        assert ring.served_by(stream)
        tag, result = ring.result()
        assert tag == 7 + k
        np.testing.assert_array_equal(result, hop[0])
    assert not ring.served_by(stream)  # none came


def test_what_python_must_do_stays_in_the_ring(make, monkeypatch):
    monkeypatch.setattr(ahead, "SERVE_S", 1e9)  # it is not waited for either
    stream, x, ring = make(), noise(1, 1)[0, 0], Hops()
    ring.put(3, x)
    assert not ring.served_by(stream)  # none is launched
    stream.prepare()
    ring.hops.pull(ring.frames[0])
    ring.put(-4, x)
    assert not ring.served_by(stream)  # it shall be reset first
    assert ring.hops.fill == 1 + x.size
    stream.settle()
    whole = DenoiseStream(SMALL, random_tensors(SMALL), 2)
    whole.prepare()
    assert not ring.served_by(whole)  # of two streams no hop is a worker's


def test_a_device_that_is_gone_lets_go_of_the_lock(make):
    stream, ring = make(), Hops()
    stream.prepare()
    stream._runner.broken = True
    stream._runner.gate.clear()
    ring.put(0, noise(1, 1)[0, 0])
    with pytest.raises(RuntimeError, match="the device is gone"):
        ring.served_by(stream)
    stream._runner.broken = False
    stream._runner.gate.set()
    stream.settle()


def test_another_thread_can_settle_between_hops_of_a_worker(make):
    """Which is what building another stream does; every hop is still the same sound."""
    stream, x, ring, out = make(), noise(300, 1), Hops(), []
    done = threading.Event()

    def settle():
        while not done.is_set():
            ahead.settle_all()

    thread = threading.Thread(target=settle)
    thread.start()
    for hop in x[:, 0]:
        stream.prepare()
        ring.put(0, hop)
        if ring.served_by(stream):
            out.append(ring.result()[1])
        else:
            ring.hops.pull(ring.frames[0])
            out.append(np.empty(SMALL.hop_length, np.float32))
            stream.process(ring.frames[0, 1:], out[-1])
    done.set()
    thread.join(10)
    np.testing.assert_allclose(np.stack(out)[:, None], expected(x), atol=1e-6)


def as_the_engine_does(worker, x):
    out = np.empty_like(x)
    super(WorkerStage, worker).process(x, out)
    return out


def test_a_worker_has_hops_prepared_and_served_and_settles_at_its_end(make, monkeypatch):
    stream, x, served = make(), noise(20, 1)[:, 0], []
    monkeypatch.setattr(
        stream._ahead, "serve", lambda *rings: served.append(Ahead.serve(stream._ahead, *rings)) or served[-1]
    )
    worker, out = WorkerStage(stream), []
    worker.start()
    for hop in x:
        out.append(as_the_engine_does(worker, hop))
        eventually(lambda: worker._out.fill > 0 or worker.failure, "a result")
    worker.stop()
    assert worker.failure is None
    assert worker.late_hops == 0
    np.testing.assert_array_equal(np.stack(out)[1:, None], expected(x[:, None])[:-1])
    assert sum(served) == len(x)
    assert len(stream._ahead) == 0
