"""The ring: nothing torn, nothing lost, on one thread by a model and on two by counting."""

import threading

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtaudio.kernels.memory import f32, load_acquire
from rtaudio.kernels.ring import Ring, ring_first, ring_pull, ring_push, ring_skip

RUN_SAMPLES = 10_000_000
COUNT_MODULO = 1 << 24  # float32 counts exactly up to there


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 70)), max_size=60))
def test_a_ring_is_a_queue(operations):
    ring, queue, written = Ring(64), [], 0
    for push, size in operations:
        if push:
            x = np.arange(written, written + size, dtype=np.float32)
            fits = len(queue) + size <= 64
            assert ring.push(x) == fits
            if fits:
                queue += x.tolist()
                written += size
        else:
            out = np.full(size, -1, np.float32)
            enough = size <= len(queue)
            assert ring.pull(out) == enough
            if enough:
                assert out.tolist() == queue[:size]
                queue = queue[size:]
        assert ring.fill == len(queue)


def test_skip_drops_no_more_than_there_is():
    ring = Ring(16)
    ring.push(np.arange(10, dtype=np.float32))
    assert ring_skip(ring.address, 4) == 4
    out = np.empty(1, np.float32)
    ring.pull(out)
    assert out[0] == 4
    assert ring_skip(ring.address, 100) == 5


def test_the_first_sample_can_be_looked_at():
    ring, out = Ring(4), np.empty(3, np.float32)
    for k in range(5):  # over the end, too
        ring.push(np.arange(3, dtype=np.float32) + 10 * k)
        assert ring_first(ring.address) == 10 * k
        assert ring.pull(out)
        assert out[0] == 10 * k


@pytest.mark.parametrize("capacity", [0, 3, -8])
def test_capacity_must_be_a_power_of_two(capacity):
    with pytest.raises(ValueError, match=str(capacity)):
        Ring(capacity)


@numba.njit(nogil=True)
def produce(ring, scratch, sizes, total):
    x, done, turn = f32(scratch, 1024), 0, 0
    while done < total:
        size = min(sizes[turn % sizes.size], total - done)
        for i in range(size):
            x[i] = (done + i) % COUNT_MODULO
        if ring_push(ring, scratch, size) == 1:
            done += size
            turn += 1


@numba.njit(nogil=True)
def consume(ring, scratch, sizes, total):
    out, done, turn, wrong = f32(scratch, 1024), 0, 0, 0
    while done < total:
        size = min(sizes[turn % sizes.size], total - done)
        if ring_pull(ring, scratch, size) == 1:
            for i in range(size):
                wrong += out[i] != (done + i) % COUNT_MODULO
            done += size
            turn += 1
    return wrong


def test_two_threads_lose_and_tear_nothing():
    rng = np.random.default_rng(0)
    ring = Ring(4096)
    buffers = np.zeros((2, 1024), np.float32)
    sizes = rng.integers(1, 1025, (2, 1000))
    producer = threading.Thread(
        target=produce, args=(ring.address, buffers[0].ctypes.data, sizes[0], RUN_SAMPLES)
    )
    producer.start()
    wrong = consume(ring.address, buffers[1].ctypes.data, sizes[1], RUN_SAMPLES)
    producer.join()
    assert wrong == 0
    assert ring.fill == 0


def test_cursors_of_the_two_sides_share_no_cache_line_pair():
    from rtaudio.kernels.ring import READ, WRITE

    assert abs(READ - WRITE) * 8 >= 128
    assert Ring(8).address % 128 == 0


def test_addresses_are_all_a_cursor_needs():
    words = np.array([7], np.int64)

    @numba.njit
    def look(address):
        return load_acquire(address)

    assert look(words.ctypes.data) == 7
