"""Many streams in one step: `batched(stage, 32)` is 32 of the stage, with weights read once a hop."""

from __future__ import annotations

import numpy as np

from rtaudio.errors import ConfigError
from rtaudio.kernels.batch import each_step
from rtaudio.stream.arena import Arena
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.stage import NativeStage, Spec


class Batch(NativeStage):
    """A stage for several streams: `(streams, n)` in and out, a row each.

    What a row remembers and gives is what the stage alone would, to the bit, whatever the other
    rows are. Live parameters have a value a stream: `set_param` sets all of them,
    `arena[name][k]` is one.
    """

    def __init__(
        self, entry: int, arena: Arena, stage: NativeStage, streams: int, children: list[NativeStage]
    ) -> None:
        specs = Spec((streams, stage.in_spec.size)), Spec((streams, stage.out_spec.size))
        super().__init__(entry, arena, *specs, stage.latency)
        self.streams, self.children = streams, tuple(children)
        self._bind()

    def _bind(self) -> None:
        """Stages keep their children's (entry, address) in a constant of one of these names."""
        for name in {"call", "calls", "net"} & set(self.arena.constant_names):
            calls = [(child.entry, child.arena.address) for child in self.children]
            self.arena[name].reshape(-1)[:] = np.ravel(calls)

    def reset_stream(self, k: int) -> None:
        """Make stream k new, as for another caller; the others go on."""
        self.arena.reset_row(k)
        _reset_stream(self.children, k)


class Each(Batch):
    """A stage of its own for each stream: any native stage, nothing shared."""

    def __init__(self, stage: NativeStage, streams: int) -> None:
        children = [stage.clone() for _ in range(streams)]
        for child in children:
            child.reset()
        sizes = streams, 4 * stage.in_spec.size, 4 * stage.out_spec.size
        arena = Arena(sizes, constants={"call": np.zeros(2 * streams, np.int64)})
        super().__init__(each_step.address, arena, stage, streams, children)

    def reset_stream(self, k: int) -> None:
        self.children[k].reset()


class BatchPipeline(Pipeline):
    """Batches of equally many streams in a row."""

    def reset_stream(self, k: int) -> None:
        """Make stream k new, as for another caller; the others go on."""
        _reset_stream(self.stages, k)


def _reset_stream(stages: tuple[NativeStage, ...], k: int) -> None:
    for stage in stages:
        assert isinstance(stage, Batch | BatchPipeline)
        stage.reset_stream(k)


def batched(stage: NativeStage, streams: int) -> Batch | BatchPipeline:
    """A new stage for `streams` streams at once, all of them as after `reset`; rows as in `Batch`.

    Stages that have a step for many streams share their constants, above all the weights; others
    are cloned for each. Raises ConfigError for fewer than one stream.
    """
    if streams < 1:
        raise ConfigError(f"streams={streams} must be at least 1")
    if isinstance(stage, Pipeline):
        return BatchPipeline([batched(part, streams) for part in stage.stages])
    if not stage.batch_entry:
        return Each(stage, streams)
    children: list[NativeStage] = [batched(part, streams) for part in stage.parts]
    return Batch(stage.batch_entry, stage.arena.stacked(streams), stage, streams, children)
