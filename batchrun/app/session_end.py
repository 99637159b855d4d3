"""How the work on a job ended, and how that is written down: the files, the session, the summary."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec

from batchrun.adapters.checkpoint import connection
from batchrun.adapters.files.atomic import atomic_write
from batchrun.app.export import stamp_of, state_of, write_files
from batchrun.app.input_checks import selections_of
from batchrun.app.prepare import Prepared
from batchrun.app.status import summarize
from batchrun.app.summary import JobSummary
from batchrun.domain.counters import Counters
from batchrun.domain.reservoir import Reservoir
from batchrun.domain.summary import Quantiles
from batchrun.engine.settings import EngineResult
from batchrun.engine.transitions import Latencies
from batchrun.errors import ExitCode, InputError, StorageError
from batchrun.ports import Clock


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the work ended, before it is written down."""

    ending: EngineResult
    counters: Counters
    elapsed_s: float
    latencies: Latencies | None = None
    failure: BaseException | None = None


def write_down(job: Prepared, clock: Clock, outcome: Outcome) -> JobSummary:
    """The Parquet files, the session's end, the summary: in this order, so that the summary tells of all.

    Whatever goes wrong with one of them, the others are tried. Raises what is a bug, when all of that is done; what is
    the disk's or the input's fault, only the summary tells.
    """
    failure = _worse(outcome.failure, _failure_of(lambda: _write_results(job)))
    failure = _worse(failure, _failure_of(lambda: _end_session(job, clock, outcome, failure)))
    summary = _summary(job, clock, outcome, failure)
    unwritten = _failure_of(lambda: _write_summary(job, summary))
    if unwritten is not None:
        failure = _worse(failure, unwritten)
        summary = _summary(job, clock, outcome, failure)
    if failure is not None and not isinstance(failure, StorageError):
        raise failure
    return summary


def _failure_of(step: Callable[[], None]) -> Exception | None:
    try:
        step()
    except Exception as error:  # noqa: BLE001 - what was paid for is recorded first, whatever this is
        return error
    return None


def _worse(first: BaseException | None, second: BaseException | None) -> BaseException | None:
    """Of two failures the one that is told: a bug before the disk's, else the first."""
    failures = [_of_storage(failure) for failure in (first, second) if failure is not None]
    bugs = [failure for failure in failures if not isinstance(failure, StorageError)]
    return next(iter(bugs or failures), None)


def _of_storage(failure: BaseException) -> BaseException:
    """An input that cannot be used now was good when the job began: it has changed since."""
    return StorageError(str(failure)) if isinstance(failure, InputError) else failure


def _write_results(job: Prepared) -> None:
    directory, checkpoint = job.directory, job.checkpoint
    with connection.open_reader(directory.checkpoint) as db:
        state = state_of(db, job.job, job.table)
    stamp = stamp_of(directory.folder, state)
    if stamp is None or stamp != checkpoint.meta().get("exported"):
        selections, reuse = selections_of(job.job, job.table), job.job.reuse is not None
        write_files(directory, job.table, job.job.key, selections, reuse=reuse)
        checkpoint.set_meta(exported=stamp_of(directory.folder, state) or "")


def _end_session(job: Prepared, clock: Clock, outcome: Outcome, failure: BaseException | None) -> None:
    errors = failure is None and job.checkpoint.tally(job.total).with_errors > 0
    code, _ = _exit(outcome.ending, failure, errors=errors)
    job.checkpoint.end_session(clock.now(), code, outcome.counters, outcome.elapsed_s)


def _write_summary(job: Prepared, summary: JobSummary) -> None:
    text = msgspec.json.format(msgspec.json.encode(summary.as_dict()), indent=2)
    atomic_write(job.directory.summary, text + b"\n")


def _summary(job: Prepared, clock: Clock, outcome: Outcome, failure: BaseException | None) -> JobSummary:
    with connection.open_reader(job.directory.checkpoint) as db:
        summary = summarize(
            db,
            job.job,
            job.directory,
            job.rows,
            clock.now(),
            run_s=_quantiles(outcome.latencies.run if outcome.latencies else None),
            submit_s=_quantiles(outcome.latencies.submit if outcome.latencies else None),
        )
    wrong = summary.failed + summary.timed_out + summary.in_doubt
    code, reason = _exit(outcome.ending, failure, errors=wrong > 0)
    return replace(summary, exit_code=int(code), reason=reason, session=replace(summary.session, exit_code=int(code)))


def _exit(ending: EngineResult, failure: BaseException | None, *, errors: bool) -> tuple[ExitCode, str | None]:
    """The exit code, and why the job stopped before its end."""
    if isinstance(failure, StorageError):
        return failure.exit_code, str(failure)
    if failure is not None:
        return ExitCode.BUG, f"a bug in batchrun: {type(failure).__name__}: {failure}"
    stop = ending.stop
    if stop is not None and (stop.collect or not ending.finished):
        return stop.exit_code, stop.reason
    return (ExitCode.ROW_ERRORS if errors else ExitCode.OK), None


def _quantiles(sample: Reservoir | None) -> Quantiles | None:
    if sample is None or (median := sample.quantile(0.5)) is None or (p95 := sample.quantile(0.95)) is None:
        return None
    return Quantiles(len(sample), round(median, 3), round(p95, 3))
