"""Runs one session and shows its progress and summary, for `run`, `resume` and `retry`."""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from batchrun.adapters.clock import WallClock
from batchrun.adapters.event_loop import run_in_loop
from batchrun.adapters.files.kinds import real_path
from batchrun.adapters.process import prepare_process
from batchrun.app.memory_shortage import ending_without_memory, on_loop_error
from batchrun.app.prepare import prepare_job
from batchrun.app.retry import Retry
from batchrun.app.run import run_session
from batchrun.app.signals import interruptible
from batchrun.cli.option_sources import ResolvedCommand
from batchrun.cli.run_flags import RunFlags
from batchrun.domain.filenames import OWN_FILES
from batchrun.domain.summary import Summary
from batchrun.errors import ExitCode, InputError, StorageError
from batchrun.job import Job
from batchrun.version import VERSION
from batchrun.views.closing_summary import show_summary, summary_lines
from batchrun.views.console import Terminal
from batchrun.views.log_lines import log_to_file, set_up_event_log, set_up_logs
from batchrun.views.log_names import FILE_LOG, PROGRESS_LEVEL
from batchrun.views.next_step import next_command, next_line, resume_line
from batchrun.views.printable import on_one_line
from batchrun.views.progress import LogView, NoView, ProgressView
from batchrun.views.progress_bar import BarView
from batchrun.views.progress_events import End, utc_time
from batchrun.views.progress_stream import EmitEvent, EventStream, EventView

log = logging.getLogger("batchrun")

_QUIT = "Quit. Rows whose submission had no answer yet are in doubt."


def run_and_report(
    command: ResolvedCommand, *, keep_options: bool = True, retry: Retry | None = None, accept_loss: bool = False
) -> int:
    """Run the job, show its progress and summary, and return the exit code. The options are those of `prepare_job`."""
    job, run_flags = command.job, command.run_flags
    clock = WallClock()
    refuse_log_file(run_flags.log_file, job)
    _make_folder_of_log(run_flags.log_file, job)
    console, emit = set_up_log(run_flags)
    log_file = logging.getLogger(FILE_LOG) if run_flags.log_file is not None else None
    if log_file is not None:
        workflow = f"workflow {job.workflow_id}" + (" (simulated)" if job.simulate else "")
        log_file.log(PROGRESS_LEVEL, "batchrun %s: %s to %s, in %s", VERSION, job.input, workflow, job.folder)
    view = EventView(emit, clock) if emit is not None else _view_for(run_flags, console)
    for warning in command.warnings:
        log.warning(warning)
    token = os.environ.get(job.dialect.token_variable)
    preparing = prepare_job(
        job, token, clock, fresh=run_flags.fresh, keep_options=keep_options, retry=retry, accept_loss=accept_loss
    )
    with interruptible() as interruption, ending_without_memory(), command.located(), preparing as prepared:
        prepare_process()
        interruption.record_only("" if emit is not None else f"{_QUIT} {resume_line(str(job.folder))}")
        summary = run_in_loop(run_session(prepared, clock, view), on_loop_error)
    code = ExitCode.BUG if summary.exit_code is None else summary.exit_code
    if emit is not None:
        now, advice = utc_time(clock.now()), next_command(summary)
        emit(End(at=now, exit_code=code, reason=summary.reason, next=advice, summary=summary.as_dict()))
    if log_file is not None:
        for line in summary_lines(summary):
            log_file.log(PROGRESS_LEVEL, "%s", line)
    try:
        _print_summary(summary, run_flags, end_emitted=emit is not None)
        sys.stdout.flush()
    except StorageError as error:
        where = f"The job itself has ended with {code}; its figures: batchrun status {summary.folder}"
        raise StorageError(f"{str(error).rstrip('.')}. {where}") from None
    return code


def refuse_log_file(path: Path | None, job: Job) -> None:
    """Refuse a log file that the job needs itself. Raises `InputError`."""
    if path is None:
        return
    where = real_path(path)
    named = [job.input, job.token_file, job.oauth_config, job.ca_file, job.schema]
    if where in {real_path(file) for file in named if isinstance(file, Path)}:
        raise InputError(f"--log-file {path}: is a file that the job reads; name another file")
    if where.parent in {real_path(job.folder), real_path(job.checkpoint_folder)} and where.name in OWN_FILES:
        raise InputError(f"--log-file {path}: is a file of the run directory; name another file")


def _make_folder_of_log(path: Path | None, job: Job) -> None:
    """Make the run directory if the log is to be in it: the log begins before the job does."""
    if path is not None and path.parent.resolve() == job.folder.resolve():
        with suppress(OSError):  # told when the log is opened
            path.parent.mkdir(parents=True, exist_ok=True)


def set_up_log(run_flags: RunFlags) -> tuple[Terminal, EmitEvent | None]:
    """Set up the log. Returns the console, and a function that emits events if `--progress json` is given."""
    console = Terminal(stderr=True)
    if run_flags.progress == "json":
        emit = EventStream(sys.stderr).emit
        set_up_event_log(emit, quiet=run_flags.quiet, verbose=run_flags.verbose)
        _log_to_file(run_flags)
        return console, emit
    log_progress = run_flags.progress == "log"
    set_up_logs(console, quiet=run_flags.quiet, verbose=run_flags.verbose, progress=log_progress)
    _log_to_file(run_flags)
    return console, None


def _log_to_file(run_flags: RunFlags) -> None:
    if run_flags.log_file is not None:
        log_to_file(run_flags.log_file)


def _view_for(run_flags: RunFlags, console: Terminal) -> ProgressView:
    progress = run_flags.progress
    if progress == "none" or (run_flags.quiet and progress == "auto"):
        return NoView()
    if progress == "bar" or (progress == "auto" and console.is_terminal and not console.is_dumb_terminal):
        return BarView(console)
    return LogView()


def _print_summary(summary: Summary, run_flags: RunFlags, *, end_emitted: bool) -> None:
    """Print the summary. `end_emitted`: the reason and the next command were already emitted as an event."""
    stopped = summary.exit_code not in {ExitCode.OK, ExitCode.ROW_ERRORS}
    try:
        if run_flags.as_json:
            click.echo(msgspec.json.encode(summary.as_dict()))
        elif not run_flags.quiet:
            show_summary(summary, advice=not stopped)
    finally:
        if stopped and not end_emitted:
            click.echo(f"Stopped: {on_one_line(summary.reason or '')}", err=True)
            if (line := next_line(summary)) is not None:
                click.echo(line, err=True)
