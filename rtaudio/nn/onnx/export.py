"""Our nets as ONNX files that any runtime can run hop by hop, and the manifests beside them.

The net alone: spectrum in; out a spectrum, or numbers. What has to be done to samples before and after
it, the states and everything else one must know to run it stands in the manifest.
"""

from __future__ import annotations

from pathlib import Path

from rtaudio.errors import ConfigError
from rtaudio.files import whole
from rtaudio.nn.denoise import Denoiser
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.listeners import LISTENERS
from rtaudio.nn.onnx.denoise import denoise_graph
from rtaudio.nn.onnx.graph import Graph
from rtaudio.nn.onnx.manifest import FrontEnd, Manifest
from rtaudio.nn.onnx.manifest_toml import write_manifest
from rtaudio.nn.onnx.speech import speech_graph
from rtaudio.nn.speech_config import SpeechConfig
from rtaudio.nn.weights import Weights, digest


def export_net(weights: Weights, path: str | Path) -> tuple[Path, Path]:
    """Write the net to `path` (`.onnx`) and its manifest beside it (`.toml`); returns both paths.

    Each takes the place of an older one only when it is whole. Raises ConfigError for a path that
    has another suffix or can't be written, WeightsError for weights that aren't of a net of ours.
    """
    model_path = Path(path)
    if model_path.suffix != ".onnx":
        raise ConfigError(f"{model_path}: the name of an ONNX file ends in .onnx")
    config, graph = net_graph(weights)
    model = graph.model()
    manifest = describe(config, weights, graph, model_path.name, model)
    toml_path = model_path.with_suffix(".toml")
    for target, content in ((model_path, model), (toml_path, write_manifest(manifest).encode())):
        try:
            with whole(target) as unfinished:
                unfinished.write_bytes(content)
        except OSError as error:
            raise ConfigError(f"{target}: cannot be written ({error.strerror})") from None
    return model_path, toml_path


def net_graph(weights: Weights) -> tuple[DenoiseConfig | SpeechConfig, Graph]:
    """What fixes the net that the weights are of, and one hop of it. Raises WeightsError."""
    if weights.net in LISTENERS:
        listens = LISTENERS[weights.net].from_weights(weights).config
        return listens, speech_graph(listens, weights.tensors)
    config = Denoiser.from_weights(weights).config
    return config, denoise_graph(config, weights.tensors)


def describe(
    config: DenoiseConfig | SpeechConfig, weights: Weights, graph: Graph, name: str, model: bytes
) -> Manifest:
    """What one must know to run the file. What only listens delays nothing."""
    delay = config.latency if isinstance(config, DenoiseConfig) else None
    return Manifest(
        name=Path(name).stem,
        task="classify" if delay is None else "denoise",
        licence=str(weights.card.get("licence", "")),
        source=f"rtaudio, weights {digest(weights.tensors)[:16]}",
        sample_rate=config.sample_rate,
        hop_length=config.hop_length,
        look_ahead=0,
        delay=delay or 0,
        front_end=FrontEnd("stft", config.n_fft, config.window),
        nets=(graph.net(name, model),),
    )
