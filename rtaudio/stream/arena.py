"""The memory of a native stage: one aligned block that compiled code reads by address."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rtaudio.stream.slab import ALIGNMENT, aligned_bytes

Values = Mapping[str, Any]


def _as_array(value: Any) -> np.ndarray:
    """Python floats become float32 and Python integers int64; arrays keep their dtype."""
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value)
    return np.array(value, np.int64 if isinstance(value, int | np.integer) else np.float32)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _layout(arrays: Values) -> tuple[np.dtype[Any], dict[str, int]]:
    """A record of these arrays in their order, each on its own cache line, and where each begins."""
    starts = [0, *itertools.accumulate(_aligned(array.nbytes) for array in arrays.values())]
    dtype = np.dtype(
        {
            "names": list(arrays),
            "formats": [(array.dtype, array.shape) for array in arrays.values()],
            "offsets": starts[:-1],
            "itemsize": max(starts[-1], ALIGNMENT),
        }
    )
    return dtype, dict(zip(arrays, starts, strict=False))


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
        # The arena and its views, by what their names begin with, and the constants a view has to itself.
        heads = {"": {}, **{f"{view}.": own for view, own in (views or {}).items()}}
        header = np.zeros(len(words) + len(arrays), np.int64)
        memory = {
            f"{head}{name}": _as_array(value)
            for head, own in heads.items()
            for name, value in {"words": header, **own}.items()
        } | arrays  # state last
        self.dtype, offsets = _layout(memory)
        self.constant_names, self.param_names, self.state_names = (tuple(group) for group in groups)
        self._n_sizes = len(words)
        self._heads = {head: offsets[f"{head}words"] for head in heads}
        self._state_start = min((offsets[name] for name in groups[2]), default=self.dtype.itemsize)
        self._place(aligned_bytes(self.dtype.itemsize))
        for name, array in memory.items():
            self.record[name] = array
        for head, start in self._heads.items():
            places = (offsets.get(f"{head}{name}", offsets[name]) - start for name in arrays)
            self.record[f"{head}words"] = [*words, *places]
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
        return self.address + self._heads.get(f"{view}.", 0)

    def stacked(self, rows: int) -> Arena:
        """An arena of the same constants with `rows` of every parameter and state, each as reset; no views.

        Its words begin with `rows`. Whole numbers, which are positions common to all, stay single.
        """
        first = self.clone()
        first.reset()

        def row(name: str) -> Any:
            value = first[name]
            return value if isinstance(value, np.int64) else np.stack([value] * rows)

        return Arena(
            (rows, *(int(word) for word in self["words"][: self._n_sizes])),
            constants={name: self[name] for name in self.constant_names},
            params={name: row(name) for name in self.param_names},
            state={name: row(name) for name in self.state_names},
        )

    def reset_row(self, row: int) -> None:
        """Put one row of every state array of a `stacked` arena back."""
        for name in self.state_names:
            if np.ndim(self[name]):
                size = self[name][row].nbytes
                start = self.dtype.fields[name][1] - self._state_start + row * size  # type: ignore[index]
                self.state_bytes[start : start + size] = self._initial[start : start + size]

    @property
    def reset_copy(self) -> tuple[int, int, int]:
        """(destination, source, bytes) of the copy that resets the state."""
        return int(self.state_bytes.ctypes.data), int(self._initial.ctypes.data), self._initial.size

    def reset(self) -> None:
        """Put the state back to what it was when the arena was made."""
        self.state_bytes[:] = self._initial

    def clone(self) -> Arena:
        """An independent copy: same constants, parameters and state."""
        other = copy.copy(self)
        other._place(aligned_bytes(self.bytes.size))
        other.bytes[:] = self.bytes
        return other
