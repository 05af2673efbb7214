"""`rtaudio denoise INPUT …`: files and folders, with a progress bar."""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from rtaudio.cli.options import model_options
from rtaudio.cli.terminal import console, note, print_json
from rtaudio.tasks.denoise import build_denoiser, denoiser_rate
from rtaudio.tasks.files import FileJob, FileResult, Progress, plan_jobs, process_files


def run(args: argparse.Namespace) -> int:
    jobs = plan_jobs(args.inputs, args.out_file, args.out_dir)
    build = functools.partial(
        build_denoiser,
        **model_options(args),
        sample_rate=None,  # files are resampled by soxr
    )
    work = functools.partial(
        process_files,
        build,
        jobs,
        processes=args.jobs or 1,
        resume=args.resume,
        stage_rate=denoiser_rate(args.model),
    )
    if args.device != "cpu":  # it gives the same sound, and one core does an hour in half a minute
        note(f"--device {args.device} is for live audio; files are denoised on the CPU")
    started = time.monotonic()
    results: list[FileResult] = []
    try:
        _with_bar(jobs, work, results)
    except KeyboardInterrupt:
        _report(args, results, len(jobs), time.monotonic() - started)
        raise
    _report(args, results, len(jobs), time.monotonic() - started)
    return 2 if any(result.error for result in results) else 0


def _with_bar(jobs: Sequence[FileJob], work: Callable[..., Any], results: list[FileResult]) -> None:
    """Run all jobs, telling of trouble at once, with a bar where stderr is a terminal."""
    if not sys.stderr.isatty():
        for result in work():
            _keep(result, results)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    total = sum(_seconds(job) for job in jobs)
    with Progress(*columns, console=console(stderr=True), refresh_per_second=10) as bar:
        task = bar.add_task(f"0 of {len(jobs)}", total=total or None)
        advance: Progress = functools.partial(bar.advance, task)  # type: ignore[assignment]
        for result in work(progress=advance):
            _keep(result, results)
            if result.skipped:
                bar.advance(task, _seconds(result.job))
            bar.update(task, description=f"{len(results)} of {len(jobs)}")


def _keep(result: FileResult, results: list[FileResult]) -> None:
    results.append(result)
    if result.error:
        note(result.error)


def _seconds(job: FileJob) -> float:
    """Length of the input by its header; 0 where it can't be told yet."""
    import soundfile as sf

    try:
        return float(sf.info(job.source).duration) if job.source != "-" else 0.0
    except (sf.SoundFileError, OSError, TypeError):
        return 0.0


def _report(args: argparse.Namespace, results: Sequence[FileResult], total: int, elapsed_s: float) -> None:
    done = [result for result in results if not result.error and not result.skipped]
    audio_s = sum(result.seconds for result in done)
    summary: dict[str, Any] = {
        "files": total,
        "done": len(done),
        "skipped": sum(result.skipped for result in results),
        "failed": sum(result.error is not None for result in results),
        "audio_s": audio_s,
        "elapsed_s": elapsed_s,
        "times_real_time": audio_s / elapsed_s if elapsed_s > 0 else 0.0,
        "results": [
            {
                "in": r.job.source,
                "out": r.job.target,
                "seconds": r.seconds,
                "skipped": r.skipped,
                "error": r.error,
            }
            for r in results
        ],
    }
    if args.json and args.out_file != "-":
        print_json(summary)
    elif len(results) > 1 or done:
        counts = ", ".join(f"{summary[name]} {name}" for name in ("done", "skipped", "failed"))
        speed = (
            f"{audio_s:.1f} s of audio in {elapsed_s:.1f} s ({summary['times_real_time']:.0f} x real time)"
        )
        note(speed if total == 1 else f"{total} files: {counts}; {speed}")
