"""Somebody's voice activity model in ONNX: its probabilities, hop by hop, from sound at any rate."""

from __future__ import annotations

from pathlib import Path

from rtaudio.errors import ModelError
from rtaudio.nn.onnx.files import find_manifest
from rtaudio.nn.onnx.manifest import Manifest
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.onnx_model import Listener
from rtaudio.tasks.vad import MOST_WAITING


class OnnxTeller(Listener):
    """Tells a probability of speech a hop; of a hop left out, because the model was late, the one before."""

    def __init__(self, manifest: Manifest) -> None:
        super().__init__(manifest, capacity=MOST_WAITING)
        if self.model.out_spec.size != 1:
            raise ModelError(
                f"{manifest.name} gives {self.model.out_spec.size} numbers a hop; "
                "of voice activity there is one"
            )
        self.frames_per_s = manifest.sample_rate / manifest.hop_length
        self._told, self._last = 0, 0.0

    def probabilities(self) -> list[float]:
        """Those since the last call, each of its own hop of the stream."""
        told: list[float] = []
        while self.heard:
            hop, scores = self.heard.popleft()
            newest = float(scores[0])
            told += [self._last] * (hop - self._told) + [newest]
            self._told, self._last = hop + 1, newest
        return told

    def reset(self) -> None:
        super().reset()
        self.heard.clear()
        self._told, self._last = 0, 0.0


def onnx_worker(path: str | Path) -> tuple[WorkerStage, int]:
    """A worker that runs an `OnnxTeller`, and the rate it hears at, in Hz.

    Raises ModelError where the model is missing, or no classifier with one number a hop.
    """
    manifest = find_manifest(path)
    if manifest.task != "classify":
        raise ModelError(
            f"{path}: {manifest.name} is a denoiser (task = {manifest.task!r}), not a classifier"
        )
    return WorkerStage(OnnxTeller(manifest)), manifest.sample_rate
