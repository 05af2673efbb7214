"""Write a stage in plain Python; run it in the audio path with no GIL.

::

    @native_stage(params={"gain": 1.0}, state={"last": 0.0})
    def smooth(state, x, out):
        for i in range(x.size):
            state.last += 0.1 * (state.gain * x[i] - state.last)
            out[i] = state.last

    stage = smooth(hop_length=480, gain=0.5)

The function is compiled by Numba in nopython mode when the stage is built, never later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numba
import numpy as np

from rtaudio.errors import ConfigError
from rtaudio.kernels.memory import STEP, _pointer, f32
from rtaudio.stream.arena import Arena
from rtaudio.stream.stage import NativeStage, Spec

StepFunction = Callable[[Any, np.ndarray, np.ndarray], None]


class NativeStageFactory:
    """Builds native stages from one step function; made by `native_stage`."""

    def __init__(self, step: StepFunction, params: Mapping[str, float], state: Mapping[str, Any]) -> None:
        self.step, self._params, self._state = step, dict(params), dict(state)
        self.__doc__, self.__name__ = step.__doc__, step.__name__
        self._jitted = numba.njit(error_model="numpy", nogil=True)(step)
        self._compiled: dict[np.dtype[Any], Any] = {}

    def __call__(self, hop_length: int, latency: int = 0, **values: Any) -> NativeStage:
        """Build a stage of `hop_length` samples in and out; keywords override declared values.

        Raises ConfigError for an unknown keyword, a size that is no whole number above 0, or a step
        that uses what isn't declared or can't be compiled (the message carries Numba's first line).
        """
        unknown = sorted(set(values) - set(self._params) - set(self._state))
        if unknown:
            raise ConfigError(f"{self.__name__} has no {unknown[0]!r}; it declares: {self._declared}")
        spec = Spec((hop_length,))
        arena = Arena(
            (hop_length, hop_length),
            params={k: float(values.get(k, v)) for k, v in self._params.items()},
            state={k: values.get(k, v) for k, v in self._state.items()},
        )
        stage = NativeStage(0, arena, spec, spec, latency)
        compiled = self._entry_for(arena.dtype)
        stage.entry, stage.compiled = compiled.address, compiled  # type: ignore[attr-defined]
        return stage

    @property
    def _declared(self) -> str:
        return ", ".join([*self._params, *self._state]) or "nothing"

    def _entry_for(self, dtype: np.dtype[Any]) -> Any:
        """The cfunc that views its addresses as (record, array, array) and calls the step."""
        if dtype not in self._compiled:
            step = self._jitted

            def entry(state: int, x: int, out: int) -> None:
                record = numba.carray(_pointer(state), 1, dtype)[0]
                step(record, f32(x, record.words[0]), f32(out, record.words[1]))

            try:
                self._compiled[dtype] = numba.cfunc(STEP, error_model="numpy")(entry)
            except numba.core.errors.NumbaError as error:
                reason = next((line for line in str(error).splitlines() if line.strip()), "")
                raise ConfigError(f"{self.__name__} can't be compiled: {reason}") from error
            except KeyError as error:  # what Numba makes of a field that the record doesn't have
                used = f"state.{error.args[0]}"
                raise ConfigError(
                    f"{self.__name__} uses {used}, which isn't declared; it declares: {self._declared}"
                ) from error
        return self._compiled[dtype]


def native_stage(
    step: StepFunction | None = None,
    *,
    params: Mapping[str, float] | None = None,
    state: Mapping[str, Any] | None = None,
) -> Any:
    """Make a native stage factory of `step(state, x, out)`.

    - params: name -> default; read in the step as `state.NAME`, set while audio flows with
      `stage.set_param`, kept over `reset`.
    - state: name -> initial value (a float, an int, or a numpy array); read and written in the
      step as `state.NAME`.
    - In the step, `x` and `out` are float32 arrays of the hop length. It must not allocate.
    """

    def make(function: StepFunction) -> NativeStageFactory:
        return NativeStageFactory(function, params or {}, state or {})

    return make if step is None else make(step)
