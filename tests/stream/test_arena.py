"""An arena as compiled code sees it: words first, then what their offsets point to."""

import ctypes

import numpy as np
import pytest

from rtaudio.stream.arena import ALIGNMENT, Arena


def seen(address, n_own):
    """The own words at an address, and the float32 each other word leads to."""
    words = (ctypes.c_int64 * (n_own + 3)).from_address(address)
    floats = [ctypes.c_float.from_address(address + offset).value for offset in words[n_own:]]
    return list(words[:n_own]), floats


def make():
    return Arena(
        (7, 8),
        constants={"a": np.float32([1, 2])},
        params={"b": 3.0},
        state={"c": 4.0},
        views={"other": {"a": np.float32([10, 20, 30])}},
    )


@pytest.mark.parametrize("arena", [make(), make().clone()], ids=["made", "cloned"])
def test_a_view_has_constants_of_its_own_and_shares_the_rest(arena):
    assert arena.address % ALIGNMENT == arena.address_of("other") % ALIGNMENT == 0
    assert seen(arena.address, 2) == ([7, 8], [1, 3, 4])
    assert seen(arena.address_of("other"), 2) == ([7, 8], [10, 3, 4])
    arena["other.a"][0] = 11
    arena["b"], arena["c"] = 5, 6
    assert seen(arena.address, 2) == ([7, 8], [1, 5, 6])
    assert seen(arena.address_of("other"), 2) == ([7, 8], [11, 5, 6])
    arena.reset()
    assert seen(arena.address_of("other"), 2) == ([7, 8], [11, 5, 4])


def test_a_view_there_is_not_is_the_arena_itself():
    arena = make()
    assert arena.address_of("none") == arena.address
    assert arena.state_bytes.size == ALIGNMENT  # views are no state
