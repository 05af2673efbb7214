import functools
import io
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from rtaudio.errors import AudioFileError, ConfigError
from rtaudio.stream.native import native_stage
from rtaudio.stream.offline import run_offline
from rtaudio.tasks.chunks import ChannelRunner, process_chunks
from rtaudio.tasks.files import FileJob, plan_jobs, process_file, process_files

NOISE = 0.1 * np.random.default_rng(1).standard_normal((20000, 2)).astype(np.float32)


@native_stage(params={"gain": 1.0}, state={"history": np.zeros(700), "at": 0})
def late(state, x, out):
    for i in range(x.size):
        j = state.at % 700
        old = state.history[j]
        state.history[j] = x[i]
        out[i] = state.gain * old
        state.at += 1


def build(**params):
    return late(480, latency=700, **params)


def chunked(x, sizes):
    at = 0
    for size in sizes:
        yield x[at : at + size]
        at += size
    yield x[at:]


def processed(x, rate, sizes=(), **params):
    return np.concatenate(list(process_chunks(build(**params), chunked(x, sizes), rate, x.shape[1])))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5000), max_size=8), st.integers(1, 20000))
def test_any_chunks_give_what_offline_gives(sizes, length):
    x = NOISE[:length]
    expected = [run_offline(build(gain=0.5), c)[700:] for c in np.ascontiguousarray(x.T)]
    np.testing.assert_array_equal(processed(x, 48000, sizes, gain=0.5), np.stack(expected, axis=1))


def test_the_stage_itself_is_left_alone():
    stage = build()
    before = stage.save_state()
    ChannelRunner(stage, 2).process(NOISE)
    assert stage.save_state() == before


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_other_rates_keep_length_and_time(rate, channels):
    t = np.arange(rate + 17) / rate
    x = np.stack([np.sin(2 * np.pi * f * t) for f in (440, 1000)[:channels]], axis=1).astype(np.float32)
    y = processed(x, rate, [333, 4000])
    assert y.shape == x.shape
    inside = slice(rate // 10, -rate // 10)  # resampling a cut-off sine rings at its ends
    # One sample of delay at 96 kHz would be an error of 0.03 to 0.07.
    np.testing.assert_allclose(y[inside], x[inside], atol=2e-4)


@pytest.mark.parametrize("length", [1, 2, 100, 701])
def test_very_short_files(length):
    assert processed(NOISE[:length], 44100).shape == (length, 2)


@pytest.mark.parametrize("name", ["in.wav", "in.flac", "in.aiff"])
def test_a_file_keeps_rate_channels_and_sample_type(tmp_path, name):
    source, target = tmp_path / name, tmp_path / f"out{Path(name).suffix}"
    sf.write(source, NOISE, 16000, subtype="PCM_24")
    process_file(build(), FileJob(str(source), str(target)))
    before, after = sf.info(source), sf.info(target)
    for what in ("samplerate", "channels", "frames", "subtype", "format"):
        assert getattr(after, what) == getattr(before, what)


def test_the_input_is_never_the_output(tmp_path):
    source = tmp_path / "a.wav"
    sf.write(source, NOISE, 48000)
    (tmp_path / "link.wav").symlink_to(source)
    for target in ("a.wav", "link.wav"):
        with pytest.raises(AudioFileError, match="is the input itself"):
            process_file(build(), FileJob(str(source), str(tmp_path / target)))


def make_tree(folder):
    for name in ("a.wav", "deep/er/b.flac", "notes.txt"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x") if name.endswith("txt") else sf.write(path, NOISE, 48000)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_folder_keeps_its_tree_and_one_bad_file_stops_nothing(tmp_path, processes):
    make_tree(tmp_path / "in")
    (tmp_path / "in" / "bad.wav").write_text("not audio")
    jobs = plan_jobs([str(tmp_path / "in")], None, str(tmp_path / "out"))
    results = list(process_files(build, jobs, processes=processes))
    assert [Path(r.job.source).name for r in results if r.error] == ["bad.wav"]
    written = sorted(
        str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()
    )
    assert written == ["a.wav", "deep/er/b.flac"]


def build_or_die():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_an_error_of_its_files(tmp_path):
    make_tree(tmp_path / "in")
    jobs = plan_jobs([str(tmp_path / "in")], None, str(tmp_path / "out"))
    results = list(process_files(build_or_die, jobs, processes=2))
    assert sorted(r.job.source for r in results) == sorted(job.source for job in jobs)
    assert all("a worker process was killed" in r.error for r in results)


def test_an_interrupt_ends_the_work_and_leaves_what_is_whole_counted(tmp_path):
    sf.write(tmp_path / "short.wav", NOISE, 48000)
    sf.write(tmp_path / "long.wav", np.zeros(48000 * 300, np.int16), 48000)
    sources = ["short.wav", *["long.wav"] * 8]
    jobs = [FileJob(str(tmp_path / s), str(tmp_path / f"out_{i}.wav")) for i, s in enumerate(sources)]
    told = []

    def interrupt(seconds):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told.extend(process_files(build, jobs, processes=2, progress=interrupt))
    written = [str(path) for path in tmp_path.glob("*out*")]  # half files too
    assert sorted(result.job.target for result in told) == sorted(written)
    assert 1 <= len(told) < len(jobs)


def test_resume_redoes_what_is_missing_or_older(tmp_path):
    make_tree(tmp_path / "in")
    jobs = plan_jobs([str(tmp_path / "in")], None, str(tmp_path / "out"))
    run = lambda: [r.skipped for r in process_files(build, jobs, resume=True)]  # noqa: E731
    assert run() == [False, False]
    assert run() == [True, True]
    os.truncate(jobs[0].target, 1000)
    os.utime(jobs[1].target, (0, 0))
    assert run() == [False, False]


def test_an_output_folder_inside_the_input_is_not_read(tmp_path):
    make_tree(tmp_path)
    plan = functools.partial(plan_jobs, [str(tmp_path)], None, str(tmp_path / "clean"))
    list(process_files(build, plan()))
    assert len(plan()) == 2


def test_ambiguous_requests_are_refused(tmp_path):
    make_tree(tmp_path / "in")
    (tmp_path / "other").mkdir()
    sf.write(tmp_path / "other" / "a.wav", NOISE, 48000)
    a, folder = str(tmp_path / "in" / "a.wav"), str(tmp_path / "in")
    for inputs, out_file, out_dir in (
        ([a], None, None),
        ([a], "x.wav", "y"),
        ([a, a], "x.wav", None),
        ([folder], "x.wav", None),
        (["-"], None, "y"),
        ([a, str(tmp_path / "other" / "a.wav")], None, "y"),
    ):
        with pytest.raises(ConfigError):
            plan_jobs(inputs, out_file, out_dir)


def test_memory_does_not_grow_with_the_file():
    import tracemalloc

    def chunks(n):
        return (NOISE for _ in range(n))

    def peak(n):
        tracemalloc.start()
        for _ in process_chunks(build(), chunks(n), 44100, 2):
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(1)
    assert peak(30) < 1.2 * peak(5)


@pytest.mark.parametrize("name", ["talk.mp3", "mp3_inside.wav"])
def test_a_compressed_file_becomes_a_wav_file(name, tmp_path):
    sf.write(tmp_path / name, NOISE, 48000, format="MP3")
    process_file(build(), FileJob(str(tmp_path / name), str(tmp_path / "clean.wav")))
    info = sf.info(tmp_path / "clean.wav")
    assert (info.format, info.subtype, info.frames) == ("WAV", "PCM_16", len(NOISE))


def test_a_compressed_file_goes_to_stdout_as_wav(tmp_path, monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr("sys.stdout", stdout)
    sf.write(tmp_path / "talk.mp3", NOISE, 48000)
    process_file(build(), FileJob(str(tmp_path / "talk.mp3"), "-"))
    assert sf.info(io.BytesIO(stdout.buffer.getvalue())).subtype == "PCM_16"


def test_a_model_that_gives_nan_is_told_with_the_file(tmp_path):
    sf.write(tmp_path / "in.wav", NOISE, 48000)
    job = FileJob(str(tmp_path / "in.wav"), str(tmp_path / "out.wav"))
    (result,) = process_files(functools.partial(build, gain=np.nan), [job])
    assert result.error == f"{job.source}: the model gave NaN or infinity at hop 0"
