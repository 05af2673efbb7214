"""The memory of a native stage: one aligned block that compiled code reads by address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

ALIGNMENT = 64  # a cache line, and the widest vector register

Values = Mapping[str, Any]


def _as_array(value: Any) -> np.ndarray:
    """Python floats become float32 and Python integers int64; arrays keep their dtype."""
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value)
    return np.array(value, np.int64 if isinstance(value, int | np.integer) else np.float32)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def aligned_bytes(size: int) -> np.ndarray:
    """Zeros that begin on a cache line: copies between such buffers cost a third less."""
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


class Arena:
    """Int64 words, then named arrays: constants, parameters, state, each on its own cache line.

    The words are `words` followed by the byte offset of every array from the start of the
    arena, in the order given, so a kernel finds array k at `state + words[len(words) + k]`.

    Constants never change. Parameters (`params`) may be set by any thread while audio flows:
    each is read once a hop and survives `reset`. State is what the stage remembers.
    """

    def __init__(
        self,
        words: Sequence[int] = (),
        *,
        constants: Values | None = None,
        params: Values | None = None,
        state: Values | None = None,
    ) -> None:
        groups = [{k: _as_array(v) for k, v in (g or {}).items()} for g in (constants, params, state)]
        arrays = {name: array for group in groups for name, array in group.items()}
        if len(arrays) != sum(map(len, groups)):
            raise ValueError("constants, params and state must have different names")
        n_words = len(words) + len(arrays)
        offsets, end = {}, _aligned(8 * n_words)
        for name, array in arrays.items():
            offsets[name] = end
            end += _aligned(array.nbytes)
        self.dtype = np.dtype(
            {
                "names": ["words", *arrays],
                "formats": [(np.int64, (n_words,)), *((a.dtype, a.shape) for a in arrays.values())],
                "offsets": [0, *offsets.values()],
                "itemsize": max(end, ALIGNMENT),
            }
        )
        self.param_names = tuple(groups[1])
        self._state_start = min((offsets[name] for name in groups[2]), default=self.dtype.itemsize)
        self._place(aligned_bytes(self.dtype.itemsize))
        self.record["words"] = [*words, *offsets.values()]
        for name, array in arrays.items():
            self.record[name] = array
        self._initial = self.state_bytes.copy()

    def _place(self, memory: np.ndarray) -> None:
        self.bytes = memory
        self.record = memory.view(self.dtype)[0]
        self.state_bytes = memory[self._state_start :]
        self.address = int(memory.ctypes.data)

    def __getitem__(self, name: str) -> Any:
        return self.record[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.record[name] = value

    @property
    def reset_copy(self) -> tuple[int, int, int]:
        """(destination, source, bytes) of the copy that resets the state."""
        return int(self.state_bytes.ctypes.data), int(self._initial.ctypes.data), self._initial.size

    def reset(self) -> None:
        """Put the state back to what it was when the arena was made."""
        self.state_bytes[:] = self._initial

    def clone(self) -> Arena:
        """An independent copy: same constants, parameters and state."""
        other = object.__new__(Arena)
        other.dtype, other.param_names = self.dtype, self.param_names
        other._state_start, other._initial = self._state_start, self._initial
        other._place(aligned_bytes(self.bytes.size))
        other.bytes[:] = self.bytes
        return other
