"""Run a stage over audio files and folders, several at a time, in constant memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from rtaudio.devices.file import AudioReader, AudioWriter, format_of, is_audio_name
from rtaudio.errors import AudioFileError, ConfigError, ModelError, RtaudioError
from rtaudio.stream.stage import NativeStage
from rtaudio.tasks.chunks import SAMPLE_RATE, process_chunks

Progress = Callable[[float], None]
"""Called with the seconds of audio done since the last call."""


@dataclass(frozen=True)
class FileJob:
    """One file to read and where its result goes."""

    source: str
    target: str
    make_folder: bool = False
    """Whether the target's folder is made where it is missing: a tree under --out-dir is."""


@dataclass(frozen=True)
class FileResult:
    """What became of one job: `seconds` of audio were processed, or skipped, or `error` says why not."""

    job: FileJob
    seconds: float = 0.0
    skipped: bool = False
    error: str | None = None


def process_file(
    stage: NativeStage,
    job: FileJob,
    progress: Progress | None = None,
    stage_rate: int = SAMPLE_RATE,
) -> float:
    """Run `stage`, which works at `stage_rate`, over one file; returns its length in seconds.

    Raises AudioFileError, and whatever the stage raises. The result has the input's rate, channels
    and, where its format knows it, sample type.
    """
    _refuse_same(job)
    with AudioReader(job.source) as reader:
        target_format = "WAV" if job.target == "-" else format_of(Path(job.target))
        subtype = reader.subtype if reader.format == target_format else _lossless(reader.subtype)
        with AudioWriter(job.target, reader.sample_rate, reader.channels, subtype) as writer:
            for out in process_chunks(stage, reader, reader.sample_rate, reader.channels, stage_rate):
                writer.write(out)
                if progress is not None:
                    progress(len(out) / reader.sample_rate)
        return reader.frames / reader.sample_rate


def _lossless(subtype: str) -> str | None:
    """A sample type that means the same in another format; None where only one format has it."""
    return subtype if subtype.startswith(("PCM_", "FLOAT", "DOUBLE")) else None


def _refuse_same(job: FileJob) -> None:
    if "-" in (job.source, job.target) or not Path(job.target).exists() or not Path(job.source).exists():
        return
    if Path(job.source).samefile(job.target):
        raise AudioFileError(f"{job.target}: is the input itself; give the output another name")


def plan_jobs(inputs: Sequence[str], output: str | None, out_dir: str | None) -> list[FileJob]:
    """Pair every input with its output; folders are searched for audio files, and keep their tree.

    Raises ConfigError where the request is ambiguous, AudioFileError where an input is missing.
    """
    if (output is None) == (out_dir is None):
        raise ConfigError("give either -O FILE for one input, or --out-dir FOLDER for any number")
    if output is not None:
        if len(inputs) != 1 or Path(inputs[0]).is_dir():
            raise ConfigError("-O takes exactly one input file; use --out-dir for several or for a folder")
        if output != "-":
            format_of(Path(output))
        return [FileJob(inputs[0], output)]
    if "-" in inputs:
        raise ConfigError("stdin (-) needs -O FILE or -O -, not --out-dir")
    folder = Path(str(out_dir))
    jobs = [
        FileJob(str(path), str(folder / name), True)
        for item in inputs
        for path, name in _found(Path(item), folder)
    ]
    _refuse_collisions(jobs)
    return jobs


def _found(item: Path, out_dir: Path) -> list[tuple[Path, Path]]:
    """The files an argument stands for, and their names under the output folder."""
    if not item.is_dir():
        return [(item, Path(item.name))]
    inside = (p for p in sorted(item.rglob("*")) if p.is_file() and is_audio_name(p))
    # An output folder inside the input folder must not become input the second time.
    skipped = out_dir.resolve() if out_dir.resolve() != item.resolve() else None
    files = [p for p in inside if skipped is None or skipped not in p.resolve().parents]
    if not files:
        raise AudioFileError(f"{item}: has no audio files in it")
    return [(p, p.relative_to(item)) for p in files]


def _refuse_collisions(jobs: Sequence[FileJob]) -> None:
    sources: dict[str, str] = {}
    for job in jobs:
        if job.target in sources:
            raise ConfigError(f"{sources[job.target]} and {job.source} would both become {job.target}")
        sources[job.target] = job.source


def is_done(job: FileJob) -> bool:
    """Whether the output is whole, as long as the input, and not older: what `--resume` skips."""
    target, source = Path(job.target), Path(job.source)
    if "-" in (job.source, job.target) or not target.exists() or not source.exists():
        return False
    if target.stat().st_mtime < source.stat().st_mtime:
        return False
    try:
        with AudioReader(source) as before, AudioReader(target) as after:
            return before.frames == after.frames and before.sample_rate == after.sample_rate
    except AudioFileError:
        return False


def _run_job(
    stage: NativeStage, job: FileJob, resume: bool, stage_rate: int, progress: Progress | None = None
) -> FileResult:
    if resume and is_done(job):
        return FileResult(job, skipped=True)
    try:
        if job.make_folder:
            Path(job.target).parent.mkdir(parents=True, exist_ok=True)
        return FileResult(job, process_file(stage, job, progress, stage_rate))
    except ModelError as error:
        return FileResult(job, error=f"{job.source}: {error}")
    except RtaudioError as error:
        return FileResult(job, error=str(error))
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        return FileResult(job, error=f"{job.target}: cannot be written ({error.strerror})")


class _Worker:
    """What a worker process knows of itself."""

    stage: NativeStage | None = None
    """The one stage it builds, at its first job."""
    interrupted = False


def _note_interrupt(number: int, frame: object) -> None:
    _Worker.interrupted = True


def _heed_interrupt(seconds: float = 0.0) -> None:
    """Between two chunks: raised at any line, it may be lost, or come when the file is whole."""
    if _Worker.interrupted:
        raise KeyboardInterrupt


def _hold_interrupts(hold: bool) -> None:
    """Let interrupts wait, or come; here, and at first in processes that are begun while they wait."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK if hold else signal.SIG_UNBLOCK, {signal.SIGINT})


def _begin() -> None:
    """In a new worker, whose imports no interrupt could end without a traceback."""
    signal.signal(signal.SIGINT, _note_interrupt)
    _hold_interrupts(False)


def _work(build: Callable[[], NativeStage], job: FileJob, resume: bool, stage_rate: int) -> FileResult:
    """One job in a worker; none after an interrupt, which removes the half of a file there is."""
    _heed_interrupt()
    if _Worker.stage is None:
        _Worker.stage = build()
    return _run_job(_Worker.stage, job, resume, stage_rate, _heed_interrupt)


def _stop(pool: ProcessPoolExecutor) -> None:
    """End what the workers do, and wait until they have; jobs they haven't begun are dropped."""
    for process in multiprocessing.active_children():
        if process.pid is not None:
            os.kill(process.pid, signal.SIGINT)
    pool.shutdown(cancel_futures=True)


def _came_to_its_end(future: Future[FileResult]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _result(future: Future[FileResult], job: FileJob) -> FileResult:
    try:
        return future.result()
    except BrokenProcessPool:  # one worker killed, for want of memory, ends them all
        return FileResult(job, error=f"{job.source}: not done, a worker process was killed (out of memory?)")


def process_files(
    build: Callable[[], NativeStage],
    jobs: Sequence[FileJob],
    *,
    processes: int = 1,
    resume: bool = False,
    progress: Progress | None = None,
    stage_rate: int = SAMPLE_RATE,
) -> Iterator[FileResult]:
    """Run every job, in `processes` at once, and yield each result as it comes.

    One broken file doesn't stop the others: its result carries the error. `build` makes the
    stage, once a process; with more than one process it must be picklable, and `progress` is
    called once a file instead of once a chunk. At an interrupt the results of files that are
    whole by then still come, before KeyboardInterrupt does.
    """
    if processes < 1:
        raise ConfigError(f"jobs={processes} must be at least 1")
    if processes == 1 or len(jobs) == 1:
        stage = build()
        for job in jobs:
            yield _run_job(stage, job, resume, stage_rate, progress)
        return
    # spawn: a forked child would share locks with threads that don't exist in it.
    context = multiprocessing.get_context("spawn")
    workers = min(processes, len(jobs))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin) as pool:
        untold: dict[Future[FileResult], FileJob] = {}
        try:
            _hold_interrupts(True)
            try:
                untold |= {pool.submit(_work, build, job, resume, stage_rate): job for job in jobs}
            finally:
                _hold_interrupts(False)
            for future in as_completed(list(untold)):
                result = _result(future, untold[future])
                if progress is not None:
                    progress(result.seconds)
                del untold[future]
                yield result
        except BaseException as error:
            _stop(pool)
            if isinstance(error, KeyboardInterrupt):
                yield from (future.result() for future in untold if _came_to_its_end(future))
            raise
