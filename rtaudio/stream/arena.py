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


def _of_views(views: Mapping[str, Values], header: np.ndarray) -> dict[str, np.ndarray]:
    """What the views add to the memory: each one's words, and the constants it has to itself."""
    return {
        f"{view}.{name}": _as_array(value)
        for view, own in views.items()
        for name, value in {"words": header, **own}.items()
    }


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

    A view is another way to look at the same memory: words of its own, the same but for the
    constants it names, which lie elsewhere. A step that is given `address_of(view)` for its state
    works on the arena's parameters and state, and on the view's constants (`arena["view.name"]`).
    """

    def __init__(
        self,
        words: Sequence[int] = (),
        *,
        constants: Values | None = None,
        params: Values | None = None,
        state: Values | None = None,
        views: Mapping[str, Values] | None = None,
    ) -> None:
        groups = [{k: _as_array(v) for k, v in (g or {}).items()} for g in (constants, params, state)]
        arrays = {name: array for group in groups for name, array in group.items()}
        if len(arrays) != sum(map(len, groups)):
            raise ValueError("constants, params and state must have different names")
        header = np.array([*words, *([0] * len(arrays))], np.int64)
        all_arrays = {"words": header, **_of_views(views or {}, header), **arrays}
        offsets, end = {}, 0
        for name, array in all_arrays.items():
            offsets[name] = end
            end += _aligned(array.nbytes)
        self.dtype = np.dtype(
            {
                "names": [*all_arrays],
                "formats": [(a.dtype, a.shape) for a in all_arrays.values()],
                "offsets": [*offsets.values()],
                "itemsize": max(end, ALIGNMENT),
            }
        )
        self.param_names = tuple(groups[1])
        self._view_starts = {view: offsets[f"{view}.words"] for view in views or {}}
        self._state_start = min((offsets[name] for name in groups[2]), default=self.dtype.itemsize)
        self._place(aligned_bytes(self.dtype.itemsize))
        for name, array in all_arrays.items():
            self.record[name] = array
        for prefix, start in {"": 0, **{f"{view}.": at for view, at in self._view_starts.items()}}.items():
            places = [offsets.get(prefix + name, offsets[name]) - start for name in arrays]
            self.record[f"{prefix}words"] = [*words, *places]
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

    def address_of(self, view: str) -> int:
        """Where a step finds the arena as `view` has it; the arena's own address where there is no such."""
        return self.address + self._view_starts.get(view, 0)

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
        other._view_starts = self._view_starts
        other._state_start, other._initial = self._state_start, self._initial
        other._place(aligned_bytes(self.bytes.size))
        other.bytes[:] = self.bytes
        return other
