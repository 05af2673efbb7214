"""A proof passes where the manifest is true, and fails where it isn't."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import soxr

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from rtaudio.nn.onnx.export import export_net
from rtaudio.nn.onnx.files import known_manifest
from rtaudio.nn.onnx.manifest_toml import read_manifest
from rtaudio.nn.onnx.propose import propose
from rtaudio.nn.weights import find_weights, load_weights
from rtaudio.tasks.demo import load_demo
from rtaudio.tasks.prove import prove
from tests import onnx_twins as twins

SPEECH = soxr.resample(load_demo().clean[: 3 * 48000], 48000, 16000).astype(np.float32)
PEERS = Path(os.environ.get("RTAUDIO_PEERS", Path(__file__).parents[2] / "../shared/peers"))


def proofs(manifest):
    return {proof.name: proof for proof in prove(manifest, SPEECH)}


def failed(manifest):
    return {name: proof.text for name, proof in proofs(manifest).items() if proof.passed is False}


@pytest.mark.parametrize(
    "make", [twins.many_states, twins.half_state, twins.flat_state, twins.integer_audio, twins.spectral]
)
def test_a_true_proposal_is_proved(make, tmp_path):
    assert failed(propose(make(tmp_path / "m.onnx")).manifest) == {}


def test_hops_at_once_equal_hops_one_by_one(tmp_path):
    manifest = propose(twins.long_form(tmp_path / "m.onnx")).manifest
    assert proofs(manifest)["chunked equals long"].passed is True
    assert proofs(propose(twins.late(tmp_path / "l.onnx")).manifest)["chunked equals long"].passed is None


def test_hops_at_once_along_another_axis_are_something_else(tmp_path):
    manifest = propose(twins.long_form(tmp_path / "m.onnx")).manifest
    (net,) = manifest.nets
    crossed = dataclasses.replace(net, outputs=(dataclasses.replace(net.data[1], time_axis=2),))
    assert "chunked equals long" in failed(dataclasses.replace(manifest, nets=(crossed,)))


def test_a_wrong_delay_is_measured(tmp_path):
    model = twins.late(tmp_path / "m.onnx")
    assert "speech takes 160" in failed(propose(model).manifest)["delay"]
    true = twins.manifest_of(model, **{"look_ahead = 0": "look_ahead = 160", "delay = 0": "delay = 160"})
    assert failed(read_manifest(true)) == {}


@pytest.mark.parametrize("model", ["standard", "low-latency", "cnn"])
def test_our_own_denoisers_are_proved_however_deep_their_states(model, tmp_path):
    _, path = export_net(load_weights(find_weights(model)), tmp_path / "net.onnx")
    manifest, speech = read_manifest(path), load_demo().clean[: 2 * 48000]
    shown = {proof.name: proof.passed for proof in prove(manifest, speech)}
    unknowable = ("chunked equals long", "sample rate", "window", "hop")
    assert shown == dict.fromkeys(shown, True) | dict.fromkeys(unknowable)


def held_line(path, depth, heard=True):
    """A line of `depth` hops: what comes out of its far end is added to the sound, or to silence."""
    twin = twins.Twin()
    x = twin.port(twin.inputs, "audio", twins.FLOAT, (1, twins.HOP))
    y = twin.port(twin.outputs, "audio_out", twins.FLOAT, (1, twins.HOP))
    old = twin.port(twin.inputs, "line", twins.FLOAT, (1, depth))
    new = twin.port(twin.outputs, "line_out", twins.FLOAT, (1, depth))

    def cut(what, begin, end):
        return twin.node("Slice", what, *(twin.const([k], np.int64) for k in (begin, end, 1)))

    twin.node("Concat", cut(old, 1, depth), cut(x, 0, 1), axis=1, out=new)
    far = twin.node("Mul", cut(old, 0, 1), twin.const(0.1 * heard))
    twin.node("Add", x, far, out=y)
    return twin.save(path)


def test_a_state_is_waited_for_as_long_as_it_may_be_deep(tmp_path):
    assert proofs(propose(held_line(tmp_path / "m.onnx", 300)).manifest)["state matters"].passed is True
    idle = proofs(propose(held_line(tmp_path / "i.onnx", 300, heard=False)).manifest)["state matters"]
    assert (idle.passed, "in 1200 hops" in idle.text) == (False, True)


def test_a_state_too_deep_to_wait_for_is_not_proved_and_no_failure(tmp_path):
    deep = proofs(propose(held_line(tmp_path / "m.onnx", 5000)).manifest)["state matters"]
    assert deep.passed is None
    assert "line still changes nothing in 2000 hops" in deep.text
    assert "20000" in deep.text


def test_what_only_the_author_knows_is_not_proved(tmp_path, monkeypatch):
    def only_said(manifest):
        return {name: proof for name, proof in proofs(manifest).items() if "only its author" in proof.text}

    spectral = propose(twins.spectral(tmp_path / "s.onnx")).manifest
    told = only_said(spectral)
    assert set(told) == {"sample rate", "window", "hop"}
    assert {proof.passed for proof in told.values()} == {None}
    assert "sqrt_hann" in told["window"].text
    assert set(only_said(propose(twins.late(tmp_path / "l.onnx")).manifest)) == {"sample rate"}
    monkeypatch.setattr("rtaudio.nn.onnx.files.known_manifests", lambda: (spectral,))
    assert only_said(spectral) == {}
    assert proofs(spectral)["window"].passed is True


def test_a_state_that_changes_nothing_is_named(tmp_path):
    twin = twins.Twin()
    twin.port(twin.inputs, "audio", twins.FLOAT, (1, twins.HOP))
    twin.port(twin.outputs, "audio_out", twins.FLOAT, (1, twins.HOP))
    twin.port(twin.inputs, "h", twins.FLOAT, (1, 4))
    twin.port(twin.outputs, "hn", twins.FLOAT, (1, 4))
    twin.node("Identity", "audio", out="audio_out")
    twin.node("Neg", "h", out="hn")
    assert "holding h still" in failed(propose(twin.save(tmp_path / "m.onnx")).manifest)["state matters"]


@pytest.mark.parametrize(
    ("how", "proof"), [("shape", "shapes close"), ("crash", "shapes close"), ("nan", "stays finite")]
)
def test_models_that_fail_on_the_way_fail_their_proofs(how, proof, tmp_path):
    assert proof in failed(read_manifest(twins.failing_manifest(tmp_path, how)))


def test_a_file_that_is_another_ends_it(tmp_path):
    manifest = propose(twins.late(tmp_path / "m.onnx")).manifest
    twins.many_states(tmp_path / "m.onnx", 1)
    (proof,) = prove(manifest, SPEECH)
    assert (proof.passed, "sha256" in proof.text) == (False, True)


@pytest.mark.parametrize("file", ["gtcrn/gtcrn_simple", "ul-unas/ulunas_stream_simple", "dtln/model_1"])
def test_other_projects_models_are_known_and_proved(file):
    path = PEERS / f"{file}.onnx"
    if not path.exists():
        pytest.skip(f"no {path} (RTAUDIO_PEERS)")
    assert failed(known_manifest(path)) == {}
