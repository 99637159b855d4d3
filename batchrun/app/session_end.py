"""The end of a session: writes the result files, the end of the session, and the summary."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec

from batchrun.adapters.checkpoint.damage import storage_error
from batchrun.adapters.credentials.secret import without_tokens
from batchrun.adapters.files.atomic import atomic_write
from batchrun.app.export import export_stamp, export_state, write_files
from batchrun.app.input_checks import selections_of
from batchrun.app.prepare import PreparedJob
from batchrun.app.status import summarize
from batchrun.app.summary import JobSummary
from batchrun.domain.counters import Counters
from batchrun.domain.filenames import write_ahead_log
from batchrun.domain.measures import Measures
from batchrun.engine.settings import EngineResult
from batchrun.errors import ExitCode, InputError, StorageError
from batchrun.ports import Clock
from batchrun.views.number_format import count

log = logging.getLogger("batchrun")


@dataclass(frozen=True, slots=True)
class SessionOutcome:
    """How the session ended. Nothing of it is saved yet."""

    result: EngineResult
    counters: Counters
    elapsed_s: float
    measures: Measures | None = None
    """None if nothing was measured."""
    failure: BaseException | None = None
    """The error that ended the session."""


def finish_session(prepared: PreparedJob, clock: Clock, outcome: SessionOutcome) -> JobSummary:
    """Write the Parquet files, the end of the session and the summary.

    The summary is written last because it reports failures of the other two. If one step fails, the others are tried
    all the same. A bug is raised after all steps; failures of the disk or the input only appear in the summary. If the
    run directory is no longer at its path, no file is written, because the path may hold another job.
    """
    worse = partial(_worse, prepared.directory.checkpoint)
    failure = worse(outcome.failure, _failure_of(lambda: _write_results(prepared)))
    if prepared.options.score:
        failure = worse(failure, _failure_of(lambda: _write_scores(prepared)))
    failure = worse(failure, _failure_of(lambda: _end_session(prepared, clock, outcome, failure)))
    summary = _summary(prepared, clock, outcome, failure)
    if (
        prepared.earlier_jobs is not None
        and prepared.last_session is None
        and not summary.queued
        and summary.rows
        and not summary.reused
    ):
        sources = ", ".join(job.source for job in prepared.earlier_jobs.jobs)
        log.warning("no row was taken over: no completed row of %s has the same key and inputs", sources)
    if prepared.guard.problem() is not None:
        new_path = prepared.guard.new_path(prepared.directory.folder)
        summary = replace(summary, folder="" if new_path is None else str(new_path))
    write_failure = _failure_of(lambda: _write_summary(prepared, summary))
    if write_failure is not None:
        failure = worse(failure, write_failure)
        summary = replace(_summary(prepared, clock, outcome, failure), folder=summary.folder)
    if failure is not None and not isinstance(failure, StorageError):
        raise failure
    return summary


def _failure_of(step: Callable[[], None]) -> Exception | None:
    try:
        step()
    except Exception as error:  # noqa: BLE001 - no failure may prevent the other steps
        return error
    return None


def _worse(checkpoint: Path, first: BaseException | None, second: BaseException | None) -> BaseException | None:
    """The failure to report: a bug takes precedence over a `StorageError`, otherwise the first one."""
    failures = [_as_storage_error(failure, checkpoint) for failure in (first, second) if failure is not None]
    bugs = [failure for failure in failures if not isinstance(failure, StorageError)]
    return next(iter(bugs or failures), None)


def _as_storage_error(failure: BaseException, checkpoint: Path) -> BaseException:
    """Convert SQLite's errors, and an `InputError`: the input has changed since it was checked."""
    return StorageError(str(failure)) if isinstance(failure, InputError) else storage_error(failure, checkpoint)


def _refuse_displaced(prepared: PreparedJob) -> None:
    """Raise `StorageError` if the run directory may be another one now. Its checkpoint alone may be gone."""
    displaced, directory = prepared.guard.displaced(), prepared.directory
    checkpoint = {directory.checkpoint, write_ahead_log(directory.checkpoint), directory.checkpoint_folder}
    if displaced is not None and displaced not in checkpoint - {directory.folder}:
        raise StorageError(prepared.guard.problem() or f"{displaced}: was removed or replaced")


def _write_results(prepared: PreparedJob) -> None:
    _refuse_displaced(prepared)
    options, directory, checkpoint = prepared.options, prepared.directory, prepared.checkpoint
    state = checkpoint.read(lambda db: export_state(db, options, prepared.table))
    stamp = export_stamp(directory.folder, state)
    if stamp is None or stamp != checkpoint.meta().get("exported"):
        selections = selections_of(options, prepared.table)
        if prepared.guard.displaced() is None:
            write_files(options, prepared.table, selections)
            checkpoint.set_meta(exported=export_stamp(directory.folder, state) or "")
        else:  # the database is not at its path any more, but still open
            checkpoint.read(lambda db: write_files(options, prepared.table, selections, opened=db))


def _write_scores(prepared: PreparedJob) -> None:
    from batchrun.app.score import write_job_scores  # noqa: PLC0415 - few jobs have scorers

    _refuse_displaced(prepared)
    write_job_scores(prepared.options, prepared.table)


def _end_session(prepared: PreparedJob, clock: Clock, outcome: SessionOutcome, failure: BaseException | None) -> None:
    stop = outcome.result.stop
    if stop is not None and stop.foreign_api and not prepared.checkpoint.has_runs():
        prepared.checkpoint.set_meta(foreign_api=stop.reason, foreign_api_options=stop.advised_options)
    errors = failure is None and prepared.checkpoint.tally(prepared.total).with_errors > 0
    code, reason, advised = _exit_code(outcome.result, failure, errors=errors)
    why = {} if reason is None else {"reason": reason, "advised_options": advised}
    if _is_correctable(prepared, outcome.result, failure):
        why["is_mistake"] = "1"
    prepared.checkpoint.end_session(clock.now(), code, outcome.counters, outcome.elapsed_s, **why)


def _write_summary(prepared: PreparedJob, summary: JobSummary) -> None:
    _refuse_displaced(prepared)
    text = msgspec.json.format(msgspec.json.encode(summary.as_dict()), indent=2)
    atomic_write(prepared.directory.summary, text + b"\n")


def _summary(prepared: PreparedJob, clock: Clock, outcome: SessionOutcome, failure: BaseException | None) -> JobSummary:
    summary = prepared.checkpoint.read(
        lambda db: summarize(
            db,
            prepared.options,
            prepared.directory,
            prepared.rows,
            clock.now(),
            measures=outcome.measures,
        )
    )
    summary = _with_all_requests(summary, outcome.counters)
    error_rows = summary.failed + summary.timed_out + summary.in_doubt
    code, reason, advised = _exit_code(outcome.result, failure, errors=error_rows > 0)
    if code in {ExitCode.OK, ExitCode.ROW_ERRORS} and (left := summary.queued + summary.running):
        code, reason = ExitCode.TRY_AGAIN, f"{count(left, 'row')} were left, which is a bug; please report it"
    session = replace(summary.session, exit_code=int(code))
    mistake = _is_correctable(prepared, outcome.result, failure)
    summary = replace(summary, exit_code=int(code), reason=reason, session=session)
    return replace(summary, advised_options=advised or summary.advised_options, is_mistake=mistake)


def _is_correctable(prepared: PreparedJob, result: EngineResult, failure: BaseException | None) -> bool:
    """Whether it stopped for a mistake in its options and nothing of it exists at the service: it can begin anew."""
    is_mistake = failure is None and result.stop is not None and result.stop.is_mistake
    return is_mistake and prepared.checkpoint.was_only_refused()


def _with_all_requests(summary: JobSummary, counters: Counters) -> JobSummary:
    """Count exactly the requests of this session, even if the last ones could not be recorded."""
    counts = {name: getattr(counters, name) for name in ("submissions", "polls", "throttled")}
    totals = {name: getattr(summary, name) - getattr(summary.session, name) + n for name, n in counts.items()}
    return replace(summary, session=replace(summary.session, **counts), **totals)


def _exit_code(
    result: EngineResult, failure: BaseException | None, *, errors: bool
) -> tuple[ExitCode, str | None, str]:
    """The exit code, why the job stopped early, and the options for the next command."""
    if isinstance(failure, StorageError):
        return failure.exit_code, str(failure), ""
    if failure is not None:
        return ExitCode.BUG, without_tokens(f"a bug in batchrun: {type(failure).__name__}: {failure}"), ""
    stop = result.stop
    if stop is not None and (stop.collect or not result.finished):
        return stop.exit_code, stop.reason, stop.advised_options
    return (ExitCode.ROW_ERRORS if errors else ExitCode.OK), None, ""
