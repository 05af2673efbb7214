"""Every convention of streaming ONNX models is proposed, read back, and run the same as by plain calls."""

import copy
import dataclasses
import importlib.util
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from rtaudio.errors import ModelError
from rtaudio.nn.onnx import hang_guard
from rtaudio.nn.onnx.files import find_manifest, known_manifests, open_steps
from rtaudio.nn.onnx.manifest_toml import parse_manifest, read_manifest, write_manifest
from rtaudio.nn.onnx.propose import propose
from rtaudio.nn.onnx.step import open_session
from tests import onnx_twins as twins

CONVENTIONS = {
    "98 states": twins.many_states,
    "flat state that begins at ones": twins.flat_state,
    "float16 state": twins.half_state,
    "int32 sound, constant rate": twins.integer_audio,
    "spectrum, parts last": twins.spectral,
    "spectrum, parts first": lambda path: twins.spectral(path, parts_first=True),
    "several hops a call": twins.long_form,
    "late": twins.late,
}


def plain(model, net, hops):
    """What a few lines around the session would do."""
    session = open_session(model.read_bytes(), model.name)
    into, out = net.data
    feeds = {port.name: port.filled() for port in net.inputs}
    names, results = [port.name for port in session.get_outputs()], []
    for hop in hops:
        x = hop.reshape(into.shape) * into.scale
        feeds[into.name] = (np.rint(x) if into.dtype == "int32" else x).astype(into.dtype)
        given = dict(zip(names, session.run(names, feeds), strict=True))
        feeds |= {state.name: given[state.source] for state in net.states}
        results.append(given[out.name])
    return np.array(results)


def hops_for(net, n=30):
    return (0.1 * np.random.default_rng(0).standard_normal((n, *net.data[0].shape))).astype(np.float32)


@pytest.fixture(params=CONVENTIONS)
def twin(request, tmp_path):
    model = CONVENTIONS[request.param](tmp_path / "twin.onnx")
    return model, read_manifest(twins.manifest_of(model))


def test_a_convention_runs_as_by_plain_calls_and_repeats_after_a_reset(twin):
    model, manifest = twin
    (net,), (step,) = manifest.nets, open_steps(manifest)
    hops = hops_for(net)
    expected = plain(model, net, hops)
    for _ in range(2):
        for hop, wanted in zip(hops, expected, strict=True):
            step(hop)
            np.testing.assert_array_equal(step.data_out, wanted)
        step.reset()


def test_a_clone_goes_on_alone(twin):
    _, manifest = twin
    (step,) = open_steps(manifest)
    first, rest = np.split(hops_for(manifest.nets[0]), 2)
    for hop in first:
        step(hop)
    other, results = copy.deepcopy(step), []
    for run in (step, other):
        results.append([])
        for hop in rest:
            run(hop)
            results[-1].append(run.data_out.copy())
    np.testing.assert_array_equal(*results)


def test_a_manifest_is_read_as_it_was_written(twin, tmp_path):
    _, manifest = twin
    again = tmp_path / "again.toml"
    again.write_text(write_manifest(manifest, {"sample_rate": "a guess", "h": "another"}))
    assert read_manifest(again) == manifest


def test_buffers_stay_where_they_are(tmp_path):
    (step,) = open_steps(propose(twins.many_states(tmp_path / "m.onnx")).manifest)
    arrays = [step.data_in, step.data_out, *(half for pair in step._states.values() for half in pair)]
    where = [array.ctypes.data for array in arrays]
    for hop in hops_for(step.net, 200):
        step(hop)
    assert where == [array.ctypes.data for array in arrays]


def test_roles_are_proposed(tmp_path):
    net = propose(twins.integer_audio(tmp_path / "m.onnx")).manifest.nets[0]
    audio, sr, h = net.inputs
    assert (audio.role, audio.scale, sr.role, sr.values, h.source) == (
        "data",
        32768,
        "constant",
        (16000,),
        "hn",
    )
    flat = propose(twins.flat_state(tmp_path / "f.onnx")).manifest.nets[0]
    assert flat.states[0].values == (1.0,)
    long = propose(twins.long_form(tmp_path / "l.onnx")).manifest.nets[0]
    assert [port.time_axis for port in long.data] == [0, 0]


def test_what_the_file_says_of_itself_is_no_guess(tmp_path):
    told = {"sample_rate": 8000, "hop_length": twins.HOP, "licence": "CC0"}
    proposal = propose(twins.many_states(tmp_path / "m.onnx", 2, **told))
    assert (proposal.manifest.sample_rate, proposal.manifest.licence) == (8000, "CC0")
    assert proposal.guesses.keys() == {"look_ahead"}


def test_shipped_manifests_hold_together():
    names = {manifest.name for manifest in known_manifests()}
    assert {"GTCRN", "UL-UNAS", "DTLN"} <= names
    assert all(len(net.sha256) == 64 for manifest in known_manifests() for net in manifest.nets)


LIES = {
    "a wrong hash": ({'sha256 = "': 'sha256 = "0'}, "sha256"),
    "a wrong shape": ({"shape = [1, 8]": "shape = [1, 9]"}, r"cached_0 .*\[1, 8\].*\[1, 9\]"),
    "a wrong dtype": ({'[1, 8], dtype = "float32"': '[1, 8], dtype = "float16"'}, "cached_0 is float32"),
    "an unknown port": ({"cached_0 = {": "other = {"}, "other"),
    "a wrong output": ({'"new_cached_0"': '"nowhere"'}, "nowhere"),
    "a delay that is not the front end's": ({"delay = 0": "delay = 5"}, "delay=5"),
    "a hop that does not fit": ({"hop_length = 160": "hop_length = 128"}, "128"),
    "no rate": ({"sample_rate = 16000": "sample_rate = 0"}, "sample_rate=0"),
    "a delay that would fill the memory": (
        {"look_ahead = 0": "look_ahead = 160001", "delay = 0": "delay = 160001"},
        "delay=160001 must be 10 s at most",
    ),
    "a context that is less than none": (
        {"context = 0": "context = -32", "hop_length = 160": "hop_length = 192"},
        "context=-32",
    ),
    "a slip of the pen": ({"hop_length": "hop_lenght"}, "hop_length"),
    "a word for a number": ({"delay = 0": 'delay = "none"'}, "delay='none'"),
    "an unknown role": ({'role = "state"': 'role = "memory"'}, "memory"),
    "an unknown front end": ({'kind = "samples"': 'kind = "wavelets"'}, "wavelets"),
    "another version": ({"version = 2": "version = 9"}, "version 9"),
    "another format": ({"rtaudio-onnx": "something"}, "not a manifest"),
    "no TOML": ({"format = ": "format is "}, "not TOML"),
    "batches of more than one": ({"batch_axis = 0": "batch_axis = 1"}, "batch_axis"),
    "too few values": ({"initial = 0.0": "initial = [0, 1]"}, "2 values"),
    "too few labels": ({"audio_out = {": 'audio_out = { labels = ["yes"],'}, "1 labels"),
    "a number for a label": ({"audio_out = {": "audio_out = { labels = [7],"}, "labels"),
    "a classifier that is no such": (
        {'"denoise"': '"classify"', 'kind = "samples"\ncontext = 0': 'kind = "dtln"\nn_fft = 320'},
        "'dtln' gives sound",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_manifest_that_lies_is_told_in_one_line(lie, tmp_path):
    changes, told = LIES[lie]
    model = twins.many_states(tmp_path / "m.onnx", 1)
    with pytest.raises(ModelError, match=told) as caught:
        open_steps(read_manifest(twins.manifest_of(model, **changes)))
    assert "\n" not in str(caught.value)


def test_a_known_model_at_another_rate_is_named(tmp_path, monkeypatch):
    model = twins.many_states(tmp_path / "m.onnx", 1)
    known = propose(model).manifest
    manifest = read_manifest(twins.manifest_of(model, **{"sample_rate = 16000": "sample_rate = 48000"}))
    monkeypatch.setattr("rtaudio.nn.onnx.files.known_manifests", lambda: (known,))
    with pytest.raises(ModelError, match="sample_rate is 16000; its manifest says 48000"):
        open_steps(manifest)


def test_a_known_model_behind_another_front_end_is_named(tmp_path, monkeypatch):
    model = twins.spectral(tmp_path / "m.onnx")
    known = propose(model).manifest
    manifest = read_manifest(twins.manifest_of(model, **{'"sqrt_hann"': '"hann"'}))
    open_steps(manifest)
    monkeypatch.setattr("rtaudio.nn.onnx.files.known_manifests", lambda: (known,))
    with pytest.raises(ModelError, match="window is 'sqrt_hann'; its manifest says 'hann'"):
        open_steps(manifest)


@pytest.mark.parametrize("parts_first", [False, True])
def test_a_layout_that_is_not_the_shape_s_is_told_in_one_line(parts_first, tmp_path):
    model = twins.spectral(tmp_path / "m.onnx", parts_first)
    layouts = ('"bins, parts"', '"parts, bins"')
    with pytest.raises(ModelError, match=r"spec of shape .* does not hold") as caught:
        read_manifest(twins.manifest_of(model, **{layouts[parts_first]: layouts[not parts_first]}))
    assert "\n" not in str(caught.value)


def test_a_flat_spectrum_may_have_either_layout(tmp_path):
    (net,) = (manifest := propose(twins.spectral(tmp_path / "m.onnx")).manifest).nets
    ports = [dataclasses.replace(port, shape=(1, 322)) for port in net.data]
    flat = dataclasses.replace(net, inputs=(ports[0], *net.states), outputs=(ports[1],))
    for layout in ("bins, parts", "parts, bins"):
        front_end = dataclasses.replace(manifest.front_end, layout=layout)
        dataclasses.replace(manifest, front_end=front_end, nets=(flat,)).check()


def test_other_weights_of_a_model_we_know_are_fed_as_it_is(tmp_path):
    """As silero-vad's other files: their sizes left open, with and without a rate, in any order."""
    for name, ports in {"rate.onnx": ("input", "sr", "state"), "none.onnx": ("state", "input")}.items():
        proposal = propose(like_silero(tmp_path / name, ports))
        manifest = proposal.manifest
        (net,) = manifest.nets
        assert [port.name for port in net.inputs] == list(ports)
        assert (manifest.name, manifest.task, manifest.sample_rate) == (name[:-5], "classify", 16000)
        assert (manifest.hop_length, manifest.front_end.context, net.data[0].shape) == (512, 64, (1, 576))
        assert proposal.guesses["context"] == "of Silero VAD 6.2, which has the same ports"
        assert "context = 64  # GUESSED" in write_manifest(manifest, proposal.guesses)
        assert manifest.licence == ""


def like_silero(path, inputs):
    twin = twins.Twin()
    kinds = {"input": (twins.FLOAT, ("batch", "n")), "sr": (twins.INT64, ()),
             "state": (twins.FLOAT, (2, "batch", 128))}  # fmt: skip
    for name in inputs:
        twin.port(twin.inputs, name, *kinds[name])
    twin.port(twin.outputs, "output", twins.FLOAT, ("batch", 1))
    twin.port(twin.outputs, "stateN", twins.FLOAT, (2, "batch", 128))
    twin.node("ReduceMean", "input", axes=[1], keepdims=1, out="output")
    twin.node("Identity", "state", out="stateN")
    return twin.save(path)


def test_silero_vad_s_other_files_are_known_by_their_ports():
    package = importlib.util.find_spec("silero_vad")
    if package is None:
        pytest.skip("silero-vad is not installed")
    (folder,) = package.submodule_search_locations
    for name in ("16k_op15", "half", "op18_ifless", "openvino_16k", "16k_sequence"):
        manifest = propose(Path(folder) / f"data/silero_vad_{name}.onnx").manifest
        assert (manifest.hop_length, manifest.front_end.context) == (512, 64)


def test_the_context_of_samples_is_marked_as_guessed(tmp_path):
    proposal = propose(twins.late(tmp_path / "m.onnx"))
    assert "context = 0  # GUESSED" in write_manifest(proposal.manifest, proposal.guesses)


def test_what_is_no_streaming_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not a streaming model"):
        propose(twins.stateless(tmp_path / "s.onnx"))
    whole = twins.many_states(tmp_path / "m.onnx", 3).read_bytes()
    for name, content in (("cut.onnx", whole[:-99]), ("text.onnx", b"hello" * 50), ("empty.onnx", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=name):
            propose(tmp_path / name)
    with pytest.raises(ModelError, match=r"inspect \S*m\.onnx -o \S*m\.toml"):
        find_manifest(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="No such file"):
        find_manifest(tmp_path / "missing.toml")


def test_a_manifest_without_a_state_is_refused(tmp_path):
    model = twins.many_states(tmp_path / "m.onnx", 1)
    lines = twins.manifest_of(model).read_text().splitlines()
    model.with_suffix(".toml").write_text("\n".join(x for x in lines if not x.startswith("cached")))
    with pytest.raises(ModelError, match="no net has a state"):
        read_manifest(model.with_suffix(".toml"))


@pytest.mark.parametrize(("how", "told"), [("crash", "out of data bounds"), ("shape", "failed at hop 20")])
def test_a_step_that_fails_is_named_and_the_stream_can_go_on(how, told, tmp_path):
    (step,) = open_steps(read_manifest(twins.failing_manifest(tmp_path, how)))
    x = np.ones(twins.HOP, np.float32)
    for _ in range(20):
        step(x)
    with pytest.raises(ModelError, match=rf"{how}.onnx failed at hop 20: .*") as caught:
        step(x)
    assert told in str(caught.value)
    step.reset()
    step(x)
    np.testing.assert_array_equal(step.data_out[0], x)


def test_a_step_that_hangs_is_ended_by_the_guard(tmp_path, monkeypatch):
    guard = hang_guard.HangGuard(limit_s=0.05)
    monkeypatch.setattr("rtaudio.nn.onnx.step.GUARD", guard)
    (step,) = open_steps(read_manifest(twins.failing_manifest(tmp_path, "hang", at=1)))
    x = np.ones(twins.HOP, np.float32)
    step(x)
    with pytest.raises(ModelError, match=r"hang\.onnx failed at hop 1: not done after"):
        step(x)


def test_a_step_that_hangs_is_ended_from_another_thread(tmp_path):
    (step,) = open_steps(read_manifest(twins.failing_manifest(tmp_path, "hang", at=0)))
    errors = []

    def run():
        try:
            step(np.ones(twins.HOP, np.float32))
        except ModelError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    while thread.is_alive():
        step.abort()
        thread.join(0.01)
    assert len(errors) == 1


def test_unknown_keys_are_named(tmp_path):
    with pytest.raises(ModelError, match="no 'version'"):
        parse_manifest({"format": "rtaudio-onnx"}, tmp_path)


def test_onnx_runtime_neither_reports_on_its_user_nor_complains_that_it_cannot():
    code = "import os, rtaudio.nn.onnx.step; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    nowhere = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **nowhere}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("1\n", "")
