"""Records from a native thread to Python: none torn, none twice."""

import threading

import numpy as np
import pytest

from rtaudio.kernels.ring import ring_push
from rtaudio.stream.events import EventRing
from rtaudio.stream.listen import Tell

RECORD = np.dtype([("number", "i8"), ("twice", "f8"), ("small", "f4")])


def record(number):
    return np.array([(number, 2 * number, number)], RECORD)


def push(ring, number):
    made = record(number)
    return ring_push(ring.address, made.ctypes.data, made.nbytes // 4)


def test_records_come_out_as_they_went_in():
    ring = EventRing(RECORD, 8)
    for number in range(1000):
        assert push(ring, number)
        assert push(ring, -number)
        np.testing.assert_array_equal(ring.take(), np.concatenate([record(number), record(-number)]))
    assert ring.take().size == 0


def test_a_full_ring_takes_no_part_of_a_record():
    ring = EventRing(RECORD, 8)
    pushed = 0
    while push(ring, pushed):
        pushed += 1
    assert pushed >= 8
    np.testing.assert_array_equal(ring.take()["number"], np.arange(pushed))
    assert push(ring, 7)
    assert ring.take()["number"] == [7]


def test_two_threads_lose_and_tear_nothing():
    ring, n, seen = EventRing(RECORD, 32), 20_000, []

    def produce():
        for number in range(n):
            while not push(ring, number):
                pass

    producer = threading.Thread(target=produce)
    producer.start()
    while len(seen) < n:
        taken = ring.take()
        np.testing.assert_array_equal(taken["twice"], 2 * taken["number"])
        seen += taken["number"].tolist()
    producer.join()
    assert seen == list(range(n))


@pytest.mark.parametrize("shape", [(1,), (5,), (4, 2)])
def test_a_teller_tells_every_hop_and_counts_what_nobody_took(shape):
    stage, out = Tell(shape, capacity=16), np.empty(shape, np.float32)
    hops = np.random.default_rng(0).standard_normal((40, *shape)).astype(np.float32)
    for hop in hops:
        stage.process(hop, out)
        np.testing.assert_array_equal(out, hop)
    heard = stage.heard()
    assert len(heard) >= 16
    np.testing.assert_array_equal(heard, hops[: len(heard)])
    assert stage.lost == 40 - len(heard)
    assert stage.heard().shape == (0, *shape)
