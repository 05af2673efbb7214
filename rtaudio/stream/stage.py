"""What a stage is, and the native kind that runs on the live path."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rtaudio.errors import ConfigError
from rtaudio.kernels.chain import step_arrays
from rtaudio.stream.arena import Arena

Samples = NDArray[np.float32]

FULL, CHEAPER, HOLD = "full", "cheaper", "hold"


@dataclass(frozen=True)
class Spec:
    """Shape of the float32 array a stage takes or gives for one hop.

    `(480,)` is a hop of samples; `(481, 2)` is a spectrum, real and imaginary part a bin.
    """

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.shape or not all(isinstance(n, int | np.integer) and n >= 1 for n in self.shape):
            raise ConfigError(
                f"shape={self.shape} must have one or more dimensions, each a whole number (int), 1 or more"
            )

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class Stage(Protocol):
    """One step of a pipeline: `in_spec` in, `out_spec` out, once a hop.

    `latency` is the delay between input and output, in samples of the input. `process` never
    allocates, locks, prints, raises or keeps `x`; a stage that was reset behaves exactly like a
    new one.
    """

    in_spec: Spec
    out_spec: Spec
    latency: int

    def process(self, x: Samples, out: Samples) -> None: ...

    def reset(self) -> None: ...


class NativeStage:
    """A stage with a compiled entry point `step(state, x, out)`: three addresses, no Python.

    `process` calls that same entry point, so what a test exercises is what runs live.

    - entry: address of the compiled step.
    - cheaper_entry, hold_entry: addresses of steps with the same state for an overloaded engine, 0
      where there are none. The first does the same for less, if less exactly; the second repeats the
      last decision (gains, say) instead of making a new one. The engine goes from one to the other
      between two hops: what comes out must not jump there, as overlap-add sees to.
    - batch_entry: address of a step for many streams at once (`stream.batch`); 0 where there is none.
    - arena: constants, live parameters and state, with a view CHEAPER or HOLD where that step takes one.
    - children: stages whose state this one drives through addresses in its own arena.
    - ratio: samples of its output for each of its input; 1 but for stages that change the rate.
    - latency: in samples of its input, to the nearest whole one; `exact_latency` where a change of
      rate makes it a fraction.
    """

    cheaper_entry: int = 0
    hold_entry: int = 0
    batch_entry: int = 0
    children: tuple[NativeStage, ...] = ()
    ratio: Fraction = Fraction(1)

    def __init__(
        self, entry: int, arena: Arena, in_spec: Spec, out_spec: Spec, latency: int | Fraction = 0
    ) -> None:
        self.entry, self.arena = entry, arena
        self.in_spec, self.out_spec = in_spec, out_spec
        self.latency, self.exact_latency = round(latency), Fraction(latency)

    def process(self, x: Samples, out: Samples) -> None:
        """Consume one hop `x` of `in_spec` and fill `out` of `out_spec`, both C-contiguous float32.

        Raises ConfigError for any others.
        """
        try:
            fits = step_arrays(self.entry, self.arena.address, self.in_spec.size, self.out_spec.size, x, out)
        except TypeError:  # no array, or one that the step isn't compiled for
            raise ConfigError(
                f"process takes and fills C-contiguous arrays of float32, not {_kind(x)} and {_kind(out)}"
            ) from None
        if not fits:
            raise ConfigError(
                f"process takes {self.in_spec.shape} and fills {self.out_spec.shape}, "
                f"not {x.shape} and {out.shape}"
            )

    def step_at(self, rung: str) -> tuple[int, int]:
        """(entry, state) to call on a rung of the overload ladder, FULL, CHEAPER or HOLD.

        Where the stage has no such step, it is the one before it.
        """
        if rung == HOLD and self.hold_entry:
            return self.hold_entry, self.arena.address_of(HOLD)
        if rung != FULL and self.cheaper_entry:
            return self.cheaper_entry, self.arena.address_of(CHEAPER)
        return self.entry, self.arena.address

    def work_off(self) -> None:
        """Do at once what workers in here would do in threads of their own, were an engine running them."""
        for child in self.children:
            child.work_off()

    def in_bursts(self, hops: int) -> NativeStage:
        """What to run where up to `hops` hops come at once: the stage itself, which has time for that.

        Or, where Python workers in here have not, another of the same parts with later results.
        """
        return self

    @property
    def worker_latency(self) -> Fraction:
        """How much of `exact_latency` is time for Python workers in here."""
        return Fraction(0)

    @property
    def parts(self) -> tuple[NativeStage, ...]:
        """The children that its full step calls; the others serve cheaper steps."""
        return self.children

    def reset(self) -> None:
        self.arena.reset()
        for child in self.children:
            child.reset()

    def walk(self) -> Iterator[NativeStage]:
        """This stage, then its children and theirs, always in the same order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def arenas(self) -> Iterator[Arena]:
        """The arenas of `walk`."""
        return (stage.arena for stage in self.walk())

    def remembered(self) -> list[np.ndarray]:
        """Views, in bytes, of all that this stage alone remembers, its children not counted."""
        return [self.arena.state_bytes]

    def save_state(self) -> bytes:
        """Everything the stage remembers; `load_state` goes on from there bit-exactly."""
        return b"".join(part.tobytes() for stage in self.walk() for part in stage.remembered())

    def load_state(self, saved: bytes) -> None:
        """Restore what `save_state` of an equally built stage returned.

        Raises ConfigError where the length does not fit.
        """
        parts = [part for stage in self.walk() for part in stage.remembered()]
        expected = sum(part.size for part in parts)
        if len(saved) != expected:
            raise ConfigError(f"saved state has {len(saved)} bytes, this stage keeps {expected}")
        data = np.frombuffer(saved, np.uint8)
        for part in parts:
            part[:], data = data[: part.size], data[part.size :]

    def clone(self) -> Self:
        """An independent stage that goes on from this one's state."""
        other = copy.copy(self)
        other.arena = self.arena.clone()
        other.children = tuple(child.clone() for child in self.children)
        other._bind()
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.clone()  # field by field, the copy's addresses would be the original's

    def _bind(self) -> None:
        """Write the addresses of `children` into the arena. For stages that have children."""

    @property
    def params(self) -> dict[str, Any]:
        """Live parameters by name, as they are now."""
        return {name: self.arena[name] for name in self.arena.param_names}

    def set_param(self, name: str, value: float) -> None:
        """Change a live parameter; takes effect at the next hop. Raises ConfigError if unknown."""
        if name not in self.arena.param_names:
            known = ", ".join(self.arena.param_names) or "none"
            raise ConfigError(f"unknown parameter {name!r}; this stage has: {known}")
        self.arena[name] = value


def _kind(x: Any) -> str:
    """What somebody gave for an array, in words."""
    if not isinstance(x, np.ndarray):
        return f"a {type(x).__name__}"
    layout = "" if x.flags.c_contiguous else "strided "
    return f"{'' if x.flags.writeable else 'read-only '}{layout}{x.dtype} of {x.shape}"
