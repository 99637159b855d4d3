"""How the work on a job ended, and how that is written down: the files, the session, the summary."""

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
from batchrun.errors import ExitCode, StorageError
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
    """The Parquet files, the session's end, the summary: in this order, so that the summary tells of all."""
    directory, checkpoint = job.directory, job.checkpoint
    failure = outcome.failure
    try:
        with connection.open_reader(directory.checkpoint) as db:
            state = state_of(db, job.job, job.table)
        stamp = stamp_of(directory.folder, state)
        if stamp is None or stamp != checkpoint.meta().get("exported"):
            selections, reuse = selections_of(job.job, job.table), job.job.reuse is not None
            write_files(directory, job.table, job.job.key, selections, reuse=reuse)
            checkpoint.set_meta(exported=stamp_of(directory.folder, state) or "")
    except StorageError as error:
        failure = failure or error
    code, _ = _exit(outcome.ending, failure, errors=checkpoint.tally(job.total).with_errors > 0)
    try:
        checkpoint.end_session(clock.now(), code, outcome.counters, outcome.elapsed_s)
    except StorageError as error:
        failure = failure or error
    summary = _summary(job, clock, outcome, failure)
    try:
        atomic_write(directory.summary, msgspec.json.format(msgspec.json.encode(summary.as_dict()), indent=2) + b"\n")
    except StorageError as error:
        failure = failure or error
        summary = _summary(job, clock, outcome, failure)
    if failure is not None and not isinstance(failure, StorageError):
        raise failure
    return summary


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
    if failure is not None:
        return (failure.exit_code if isinstance(failure, StorageError) else ExitCode.BUG), str(failure)
    stop = ending.stop
    if stop is not None and (stop.collect or not ending.finished):
        return stop.exit_code, stop.reason
    return (ExitCode.ROW_ERRORS if errors else ExitCode.OK), None


def _quantiles(sample: Reservoir | None) -> Quantiles | None:
    if sample is None or (median := sample.quantile(0.5)) is None or (p95 := sample.quantile(0.95)) is None:
        return None
    return Quantiles(len(sample), round(median, 3), round(p95, 3))
