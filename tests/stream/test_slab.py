"""Memory for arenas: aligned, zero, nobody else's, and given back."""

import gc
import sys

import numpy as np
import pytest

from rtaudio.stream.slab import ALIGNMENT, HUGE_PAGE, aligned_bytes


def mapped(address):
    """Whether that address is memory of this process."""
    with open("/proc/self/maps") as maps:
        ranges = (line.split()[0].split("-") for line in maps)
        return any(int(first, 16) <= address < int(last, 16) for first, last in ranges)


@pytest.mark.parametrize("size", [1, 63, 64, 4097, HUGE_PAGE, 3 * HUGE_PAGE + 1])
def test_zeros_on_a_cache_line(size):
    memory = aligned_bytes(size)
    assert memory.size == size
    assert memory.ctypes.data % ALIGNMENT == 0
    assert not memory.any()


def test_what_one_writes_no_other_sees():
    taken = [aligned_bytes(size) for size in (100, 64, HUGE_PAGE - 1, 1000)]
    for number, memory in enumerate(taken, 1):
        memory[:] = number
    assert [set(memory.tolist()) for memory in taken] == [{1}, {2}, {3}, {4}]
    assert not aligned_bytes(1000).any()


def test_small_ones_are_neighbours():
    aligned_bytes(HUGE_PAGE)  # and the next begin a slab
    first, second = aligned_bytes(100), aligned_bytes(100)
    assert second.ctypes.data - first.ctypes.data == 128


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what is mapped")
def test_a_slab_is_freed_with_the_last_in_it():
    memory = aligned_bytes(64 * HUGE_PAGE)  # whole pages: nothing else gets in
    inside = memory.ctypes.data + 32 * HUGE_PAGE
    part = np.asarray(memory[5:6])
    del memory
    gc.collect()
    assert mapped(inside)
    aligned_bytes(1)  # the newest slab is another one
    del part
    gc.collect()
    assert not mapped(inside)
