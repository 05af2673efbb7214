"""A proof passes where the manifest is true, and fails where it isn't."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import soxr

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from rtaudio.nn.onnx.files import known_manifest
from rtaudio.nn.onnx.manifest_toml import read_manifest
from rtaudio.nn.onnx.propose import propose
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
