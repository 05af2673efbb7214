"""Somebody's model as a stage: it obeys the laws, runs live as offline, and fails cleanly."""

import functools
import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from rtaudio.devices.simulated import SimulatedDevice
from rtaudio.dsp.stft import Analysis
from rtaudio.engine.live import LiveEngine
from rtaudio.errors import ModelError
from rtaudio.nn.denoise import tensor_shapes
from rtaudio.nn.denoise_config import DenoiseConfig
from rtaudio.nn.listeners import LISTENERS
from rtaudio.nn.onnx.export import export_net
from rtaudio.nn.onnx.files import MANIFESTS, find_manifest
from rtaudio.nn.onnx.manifest_toml import read_manifest
from rtaudio.nn.onnx.propose import propose
from rtaudio.nn.weights import find_weights, load_weights, save_weights
from rtaudio.stream.offline import run_frames, run_offline
from rtaudio.stream.pipeline import Pipeline
from rtaudio.stream.worker import WorkerStage
from rtaudio.tasks.demo import load_demo, si_sdr_db
from rtaudio.tasks.denoise import build_denoiser, denoiser_rate
from rtaudio.tasks.files import FileJob, process_files
from rtaudio.tasks.onnx_model import Listener, OnnxStage, load_denoiser
from rtaudio.tasks.prove import prove
from rtaudio.testing import check_stage
from tests import onnx_twins as twins

PEERS = Path(os.environ.get("RTAUDIO_PEERS", Path(__file__).parents[2] / "../shared/peers"))
FOLDERS = {"gtcrn": "gtcrn", "ul-unas": "ul-unas", "dtln": "dtln"}
NOISE = (0.1 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)


@functools.cache
def demo_at(rate):
    return [soxr.resample(x, 48000, rate).astype(np.float32) for x in (load_demo().noisy, load_demo().clean)]


def peer(name, folder):
    """Another project's model with the manifest that comes with rtaudio, or a skip."""
    source = PEERS / FOLDERS[name]
    if not source.is_dir():
        pytest.skip(f"{name}: no {source} (RTAUDIO_PEERS)")
    for file in source.glob("*.onnx"):
        shutil.copy(file, folder)
    return Path(shutil.copy(MANIFESTS / f"{name}.toml", folder))


@pytest.fixture
def delayed(tmp_path):
    """A model that gives each hop one hop later, told truly."""
    changes = {"look_ahead = 0": f"look_ahead = {twins.HOP}", "delay = 0": f"delay = {twins.HOP}"}
    return twins.manifest_of(twins.late(tmp_path / "late.onnx"), **changes)


def test_a_model_obeys_the_laws_of_stages(delayed, tmp_path):
    # ONNX Runtime's Python calls and numpy's temporaries: a few kB a hop, given back at its end.
    check_stage(lambda: OnnxStage(load_denoiser(delayed)), passes_delta=True, bound=1, allocation=8192)
    states = twins.manifest_of(twins.many_states(tmp_path / "m.onnx"))
    check_stage(lambda: OnnxStage(load_denoiser(states), dry=0.2), bound=2, allocation=8192)
    spectral = twins.manifest_of(twins.spectral(tmp_path / "s.onnx", parts_first=True))
    check_stage(lambda: OnnxStage(load_denoiser(spectral)), passes_delta=True, bound=2, allocation=8192)


def test_behind_its_worker_it_obeys_them_too(delayed):
    check_stage(
        lambda: build_denoiser(delayed, sample_rate=None).stages[0], passes_delta=True, allocation=8192
    )


def test_strength_mixes_in_the_untouched_sound_at_the_same_time(delayed):
    for strength in (0.0, 0.5, 1.0):
        out = run_offline(OnnxStage(load_denoiser(delayed), dry=1 - strength), NOISE)
        np.testing.assert_allclose(out[twins.HOP :], NOISE, atol=1e-6)
    silent = twins.many_states(delayed.parent / "m.onnx", 1)
    stage = OnnxStage(load_denoiser(twins.manifest_of(silent)), dry=0.25)
    wet = run_offline(OnnxStage(load_denoiser(silent.with_suffix(".toml"))), NOISE)
    np.testing.assert_allclose(run_offline(stage, NOISE), 0.75 * wet + 0.25 * NOISE, atol=1e-6)


def test_resampled_live_is_offline_and_the_plan_is_the_delay(delayed):
    stage = build_denoiser(delayed, atten_limit_db=None)  # 160 samples at 16 kHz, in a device of 48 kHz
    assert stage.in_spec.shape == (480,)
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)).astype(np.float32)
    expected = run_offline(stage.clone(), tone)
    inner = slice(4800, 43200)
    np.testing.assert_allclose(expected[stage.latency :][inner], tone[inner], atol=1e-3)
    engine, got = live(stage, tone)
    assert not engine.gil_free
    if engine.stats().late_worker_hops == engine.stats().ring_underflows == 0:
        np.testing.assert_array_equal(got[: expected.size], expected[: got.size])


def live(stage, x, rate=48000):
    engine = LiveEngine(stage, SimulatedDevice(x, rate, block=rate // 100, clock="real"))
    with engine:
        assert engine.wait(60)
    return engine, engine.device.output[engine.plan.prefill :]


def test_an_exported_net_is_the_native_one(tmp_path):
    config, rng = DenoiseConfig(n_bands=24, channels=16, dilations=(1, 2), hidden=8), np.random.default_rng(0)
    tensors = {n: 0.2 * rng.standard_normal(s).astype(np.float32) for n, s in tensor_shapes(config).items()}
    native = save_weights(tmp_path / "net.npz", "denoise", config, tensors)
    _, manifest = export_net(load_weights(native), tmp_path / "net.onnx")
    x = load_demo().noisy[:48000]
    ours = run_offline(build_denoiser(native, atten_limit_db=None), x)
    theirs = run_offline(OnnxStage(load_denoiser(manifest)), x)
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


def test_a_false_delay_is_refused_when_the_model_is_loaded(tmp_path):
    late = twins.manifest_of(twins.late(tmp_path / "late.onnx"))
    for build, name in ((build_denoiser, "toml"), (lambda path: OnnxStage(read_manifest(path)), "onnx")):
        with pytest.raises(ModelError, match=rf"late\.{name}: speech takes 160 samples .* says 0") as caught:
            build(late)
        assert "\n" not in str(caught.value)
    assert OnnxStage(read_manifest(late), trusted=True).latency == 0
    changes = {"look_ahead = 0": "look_ahead = 320", "delay = 160 ": "delay = 480 "}
    eager = twins.manifest_of(twins.spectral(tmp_path / "early.onnx"), **changes)
    with pytest.raises(ModelError, match=r"speech takes 160 samples .* says 480"):
        build_denoiser(eager, strength=0.5)


TRUE = (twins.many_states, twins.half_state, twins.flat_state, twins.integer_audio, twins.long_form)


@pytest.mark.parametrize("make", TRUE)
def test_a_true_delay_is_not_refused(make, tmp_path):
    assert build_denoiser(twins.manifest_of(make(tmp_path / "m.onnx"))).latency > 0


@pytest.mark.filterwarnings("error")
def test_of_a_model_that_gives_nothing_to_see_the_delay_by_none_is_refused(tmp_path):
    silent, mad = twins.Twin(), twins.Twin()
    for twin, factor in ((silent, 0.0), (mad, np.inf)):
        x = twin.port(twin.inputs, "audio", twins.FLOAT, (1, twins.HOP))
        y = twin.port(twin.outputs, "audio_out", twins.FLOAT, (1, twins.HOP))
        old = twin.port(twin.inputs, "h", twins.FLOAT, (1, twins.HOP))
        twin.node("Identity", x, out=twin.port(twin.outputs, "hn", twins.FLOAT, (1, twins.HOP)))
        twin.node("Mul", twin.node("Add", x, old), twin.const(factor), out=y)
        assert build_denoiser(twins.manifest_of(twin.save(tmp_path / "m.onnx"))).latency > 0


@pytest.mark.parametrize("model", LISTENERS)
def test_an_exported_net_that_listens_is_the_native_one(model, tmp_path):
    weights = load_weights(find_weights(model))
    _, path = export_net(weights, tmp_path / "net.onnx")
    stage = OnnxStage(read_manifest(path))
    noisy, _ = demo_at(16000)
    hops = noisy[: 500 * 160].reshape(-1, 160)
    native = Pipeline([Analysis(320, 160), LISTENERS[model].from_weights(weights)])
    np.testing.assert_allclose(run_frames(stage, hops), run_frames(native, hops), atol=1e-5)
    check_stage(lambda: OnnxStage(read_manifest(path)), allocation=8192)


@pytest.mark.parametrize("model", LISTENERS)
def test_an_exported_net_that_listens_is_proved_with_its_manifest_and_without(model, tmp_path):
    file, path = export_net(load_weights(find_weights(model)), tmp_path / "net.onnx")
    _, clean = demo_at(16000)
    for manifest in (read_manifest(path), propose(file).manifest):
        proofs = {proof.name: proof.passed for proof in prove(manifest, clean)}
        unprovable = ("chunked equals long", "delay", "sample rate", "window", "hop")
        assert proofs == dict.fromkeys(proofs, True) | dict.fromkeys(unprovable)


@pytest.mark.parametrize("how", ["crash", "shape", "hang"])
def test_live_a_model_that_fails_is_named_and_the_sound_goes_on(how, tmp_path, monkeypatch):
    from rtaudio.nn.onnx import hang_guard

    monkeypatch.setattr("rtaudio.nn.onnx.step.GUARD", hang_guard.HangGuard(limit_s=0.1))
    stage = build_denoiser(twins.failing_manifest(tmp_path, how), sample_rate=16000)
    engine, out = live(stage, NOISE, 16000)
    assert isinstance(engine.failure, ModelError)
    assert f"{how}.onnx failed at hop 20" in str(engine.failure)
    stats = engine.stats()
    assert stats.late_worker_hops > 50
    assert stats.hops >= 100
    tail = out[8000 + stage.latency : 15000]
    np.testing.assert_allclose(tail, NOISE[8000 : 15000 - stage.latency], atol=1e-6)  # dry, on time


def test_live_nan_is_muted_and_counted(tmp_path):
    stage = build_denoiser(twins.failing_manifest(tmp_path, "nan"), sample_rate=16000, atten_limit_db=None)
    engine, out = live(stage, NOISE, 16000)
    assert engine.failure is None
    assert engine.stats().nan_hops >= 1
    assert np.isfinite(out).all()


@pytest.mark.parametrize("how", ["crash", "shape", "nan"])
def test_offline_a_model_that_fails_is_named_and_no_file_is_left(how, tmp_path):
    manifest = twins.failing_manifest(tmp_path, how)
    sf.write(tmp_path / "in.wav", NOISE, 16000, subtype="FLOAT")
    build = functools.partial(build_denoiser, model=manifest, sample_rate=None)
    job = FileJob(str(tmp_path / "in.wav"), str(tmp_path / "out.wav"))
    (result,) = process_files(build, [job], stage_rate=denoiser_rate(manifest))
    assert "hop 20" in result.error or "hop 21" in result.error
    assert not (tmp_path / "out.wav").exists()


@pytest.mark.parametrize("name", FOLDERS)
def test_other_projects_models_clean_speech_live_as_offline(name, tmp_path):
    manifest = peer(name, tmp_path)
    noisy, clean = demo_at(16000)
    stage = OnnxStage(load_denoiser(manifest))
    out = run_offline(stage, noisy)[stage.latency :]
    assert si_sdr_db(out, clean) > si_sdr_db(noisy, clean) + 3
    whole = build_denoiser(manifest, atten_limit_db=None)
    x = load_demo().noisy[:96000]
    expected = run_offline(whole.clone(), x)
    engine, got = live(whole, x)
    assert engine.failure is None
    stats = engine.stats()
    assert stats.hops * whole.in_spec.size >= x.size
    if stats.late_worker_hops == stats.ring_underflows == 0:  # a busy machine may be late
        n = min(got.size, expected.size)
        np.testing.assert_array_equal(got[:n], expected[:n])


def test_dtln_is_its_authors_recipe(tmp_path):
    """Block by block, with plain calls, as the authors' own script does it."""
    manifest = read_manifest(peer("dtln", tmp_path))
    from rtaudio.nn.onnx.step import open_session

    sessions = [open_session((tmp_path / net.file).read_bytes(), net.file) for net in manifest.nets]
    states = [np.zeros((1, 2, 128, 2), np.float32) for _ in sessions]
    x = demo_at(16000)[0][: 128 * 200]
    latest, overlap, expected = np.zeros(512, np.float32), np.zeros(512, np.float32), []

    def call(i, data):
        names = [port.name for port in sessions[i].get_inputs()]
        out, states[i] = sessions[i].run(None, dict(zip(names, (data, states[i]), strict=True)))
        return out

    for hop in x.reshape(-1, 128):
        latest = np.concatenate([latest[128:], hop])
        spectrum = np.fft.rfft(latest)
        mask = call(0, np.abs(spectrum).reshape(1, 1, -1).astype(np.float32)).ravel()
        estimate = np.fft.irfft(np.abs(spectrum) * mask * np.exp(1j * np.angle(spectrum)))
        block = call(1, estimate.reshape(1, 1, -1).astype(np.float32)).ravel()
        overlap = np.concatenate([overlap[128:], np.zeros(128, np.float32)]) + block
        expected.append(overlap[:128])
    got = run_frames(OnnxStage(manifest), x.reshape(-1, 128))
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_gtcrn_equals_sherpa_onnx(tmp_path):
    pytest.importorskip("sherpa_onnx")
    from benchmarks.onnx_models import sherpa_denoiser

    manifest = read_manifest(peer("gtcrn", tmp_path))
    noisy, _ = demo_at(16000)
    denoiser = sherpa_denoiser(tmp_path / "gtcrn_simple.onnx", tmp_path)
    expected = np.concatenate([denoiser.run(noisy, 16000).samples, denoiser.flush().samples])
    stage = OnnxStage(manifest)
    error = run_offline(stage, noisy)[stage.latency :][: expected.size] - expected
    assert 10 * np.log10(np.sum(expected**2) / np.sum(error**2)) >= 120


@pytest.fixture
def silero(tmp_path):
    package = importlib.util.find_spec("silero_vad")
    if package is None:
        pytest.skip("silero-vad is not installed")
    (folder,) = package.submodule_search_locations
    shutil.copy(Path(folder) / "data/silero_vad.onnx", tmp_path)
    return shutil.copy(MANIFESTS / "silero-vad.toml", tmp_path)


def test_a_classifier_listens_live_as_offline(silero):
    manifest = read_manifest(silero)
    _, clean = demo_at(16000)
    n = clean.size // 512 * 512
    expected = run_frames(OnnxStage(manifest), clean[:n].reshape(-1, 512))
    listener = Listener(manifest)
    worker = WorkerStage(listener)
    engine, out = live(worker, clean, 16000)
    assert engine.failure is None
    hops, scores = zip(*listener.heard, strict=True)
    assert np.all(np.diff(hops) > 0)
    if engine.stats().late_worker_hops == 0:  # a busy machine may be late, and hops are left out then
        assert hops == tuple(range(len(hops)))
        assert len(hops) >= n // 512
        np.testing.assert_array_equal(np.stack(scores)[: n // 512], expected)
    np.testing.assert_array_equal(out[worker.latency : 16000], clean[: 16000 - worker.latency])


def test_what_a_classifier_heard_keeps_its_time_when_the_engine_resets_it(silero):
    listener = Listener(read_manifest(silero))
    worker, out = WorkerStage(listener), np.empty(512, np.float32)
    hops = NOISE[: 5 * 512].reshape(5, 512)
    for hop in hops[:3]:
        worker.process(hop, out)
    worker.arena.reset()  # as for a NaN anywhere in the pipeline
    for hop in hops[3:]:
        worker.process(hop, out)
    assert [number for number, _ in listener.heard] == [0, 1, 2, 3, 4]
    assert not np.array_equal(listener.heard[3][1], run_frames(OnnxStage(listener.model.manifest), hops)[3])
    worker.reset()
    worker.process(hops[0], out)
    assert listener.heard[-1][0] == 0
    np.testing.assert_array_equal(listener.heard[-1][1], listener.heard[0][1])


def test_silero_vad_s_file_for_whole_sequences_streams_as_the_usual_one(silero):
    data = Path(importlib.util.find_spec("silero_vad").origin).parent / "data"
    _, clean = demo_at(16000)
    frames = clean[: 60 * 512].reshape(-1, 512)
    several = OnnxStage(find_manifest(data / "silero_vad_16k_sequence.onnx"))
    expected = run_frames(OnnxStage(read_manifest(silero)), frames)
    np.testing.assert_allclose(run_frames(several, frames), expected, atol=1e-6)


def test_a_classifier_scores_and_is_no_denoiser(silero):
    manifest = read_manifest(silero)
    _, clean = demo_at(16000)
    n = clean.size // 512 * 512
    speech = run_frames(OnnxStage(manifest), clean[:n].reshape(-1, 512))
    noise = run_frames(OnnxStage(manifest), 0.1 * NOISE[: 512 * 31].reshape(-1, 512))
    assert speech.shape == (n // 512, 1)
    assert np.mean(speech > 0.5) > 0.5
    assert np.mean(noise > 0.5) == 0
    with pytest.raises(ModelError, match="classifier"):
        build_denoiser(silero)
