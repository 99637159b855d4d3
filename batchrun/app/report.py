"""The report: one self-contained HTML page about one or more jobs, also while they run. Nothing is sent."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader, session_reader
from batchrun.adapters.checkpoint.report_reader import ReportRow, references, report_rows
from batchrun.adapters.checkpoint.time_series import time_series
from batchrun.adapters.clock import WallClock
from batchrun.adapters.files.atomic import atomic_write
from batchrun.adapters.files.kinds import refuse_special
from batchrun.adapters.results.previous import PreviousResults
from batchrun.adapters.tables import Table
from batchrun.app.export import reopen_input, without_input
from batchrun.app.pinned_job import load_job, read_pinned
from batchrun.app.report_comparison import with_comparison
from batchrun.app.report_inputs import InputValues, input_values, refuse_unknown
from batchrun.app.report_rows import RowPass, run_seconds
from batchrun.app.run_directory import directory_of
from batchrun.app.status import status
from batchrun.domain.filenames import REPORT
from batchrun.domain.measures import SubmitRate
from batchrun.domain.pace_limits import RATE_USED, Limits, Pace, PaceLimit, seconds_by_limit
from batchrun.domain.workers import decoded
from batchrun.errors import InputError, StorageError, UnreadableInputError
from batchrun.job import Job
from batchrun.options.types import folder_of
from batchrun.ports import Clock
from batchrun.views.next_step import next_command, next_line
from batchrun.views.report.extra import refuse_missing_extra
from batchrun.views.report.model import JobReport, Report, SessionSpan, ShownRow


def report(
    folder: Path | str,
    *others: Path | str,
    to: Path | str | None = None,
    redact: Sequence[str] = (),
    clock: Clock | None = None,
) -> Path:
    """Write one HTML page about the job in `folder`, or about that job and the `others` side by side.

    The page needs nothing else, not even the network. Also works while a job runs, and after a kill. `to`: the file
    [default: `report.html` in `folder`; needed for several]. `redact`: columns of the input whose values are left out,
    also where messages repeat them. `clock` replaces the wall clock in tests. Returns the path of the file. Needs the
    extra `report`. Raises `InputError` and `StorageError`.

        path = batchrun.report("rows-run", redact=["email"])
    """
    refuse_missing_extra()
    from batchrun.views.report.page import render  # noqa: PLC0415 - needs the extra

    if isinstance(redact, str):
        raise InputError(f"redact: expected a list of columns, such as [{redact!r}]")
    folders = [folder_of(one) for one in (folder, *others)]
    if repeated := {str(path) for path in folders if folders.count(path) > 1}:
        raise InputError(f"report: {', '.join(sorted(repeated))} is named twice")
    clock = clock or WallClock()
    jobs = [load_job(path) for path in folders]
    target = _target(folders, to)
    tables = [_table_of(job) for job in jobs]
    refuse_unknown([(job, table) for job, (table, _) in zip(jobs, tables, strict=True)], redact)
    reports = [_job_report(job, *opened, redact, clock) for job, opened in zip(jobs, tables, strict=True)]
    found = Report(reports, clock.now())
    found = with_comparison(found, jobs, redact)
    atomic_write(target.resolve(), render(found), mode=0o666)  # through a symbolic link, as other tools write
    return target


def _target(folders: Sequence[Path], to: Path | str | None) -> Path:
    if to is None:
        if len(folders) > 1:
            raise InputError("a report of several jobs needs -o FILE.html")
        target = folders[0] / REPORT
    else:
        target = folder_of(to, "-o")
    if target.suffix.lower() not in {".html", ".htm"}:
        raise InputError(f"-o {target}: expected the name of an HTML file, such as {REPORT}")
    refuse_special([target])
    if not target.parent.is_dir():
        raise InputError(f"-o {target}: there is no directory {target.parent}")
    return target


def _job_report(job: Job, table: Table, problem: str | None, redact: Sequence[str], clock: Clock) -> JobReport:
    summary = status(job.folder, clock)
    with connection.open_reader(directory_of(job).checkpoint) as db, connection.read_snapshot(db):
        series = time_series(db)
        workers = decoded(reader.meta(db).get("workers", ""))
        sessions = [
            SessionSpan(
                one.started_at,
                one.ended_at or one.last_at,
                one.exit_code,
                intervals=series.get(one.id, []),
                worked_s=one.elapsed_s,
                submissions=one.submissions,
            )
            for one in session_reader.sessions(db)
        ]
        passed = RowPass(sessions)
        passed.add_all(report_rows(db))
        figures, slowest, failed = passed.figures(), passed.slowest_rows, passed.failed_rows
        details = references(db, {row.row for row in (*slowest, *failed)})
    wanted = {row.row for row in (*slowest, *failed)} | {group.row for group in figures.errors}
    values, problem = _values_of(job, table, wanted, redact, problem)
    limited: dict[PaceLimit, float] = {}
    limits = Limits(job.in_flight_limit, job.total_limit, job.rps, job.poll_rps, is_shared=job.share_limits is not None)
    measured_in = max((place for place, one in enumerate(sessions) if one.submissions), default=-1)
    for place, one in enumerate(sessions):
        measured = _measured(summary.submit_rate) if place == measured_in else None
        for limit, seconds in seconds_by_limit(one.intervals, limits, measured).items():
            limited[limit] = limited.get(limit, 0.0) + seconds

    def shown(row: ReportRow) -> ShownRow:
        log_id, debug_url = details.get(row.row, (None, None))
        if debug_url is not None and values.redacted(row.row, debug_url) != debug_url:
            debug_url = None
        return ShownRow(
            row=row.row,
            state=row.state,
            attempts=row.attempts,
            polls=row.polls,
            run_id=row.run_id,
            log_id=log_id,
            debug_url=debug_url,
            run_s=run_seconds(row),
            error_kind=row.error_kind,
            error_code=None if row.error_code is None else values.redacted(row.row, row.error_code),
            error_message=None if row.error_message is None else values.redacted(row.row, row.error_message),
            http_status=row.http_status,
            variant=None if job.sweep.is_plain else job.sweep.variant(row.row).name,
            inputs=values.shown.get(row.row, [""] * len(values.columns)),
        )

    errors = [
        replace(
            group,
            message=values.redacted(group.row, group.message),
            code=None if group.code is None else values.redacted(group.row, group.code),
        )
        for group in figures.errors
    ]
    if summary.reason is not None:
        summary = replace(summary, reason=values.redacted_everywhere(summary.reason))
    return JobReport(
        name=str(job.folder),
        sweep=job.sweep,
        summary=summary,
        sessions=sessions,
        rps=job.rps,
        poll_rps=job.poll_rps,
        max_in_flight=job.in_flight_limit,
        total_rps=job.total_limit,
        share_limits=job.share_limits,
        limited=dict(sorted(limited.items(), key=lambda item: -item[1])),
        rows=replace(figures, errors=errors),
        columns=values.columns,
        left_out=[name for name in redact if name in table.columns],
        more_columns=values.more_columns,
        slowest=[shown(row) for row in slowest],
        failed=[shown(row) for row in failed],
        next_command=next_command(summary),
        advice=next_line(summary),
        input_problem=problem,
        workers=workers,
    )


def _measured(used: SubmitRate | None) -> Pace | None:
    """What held back the submissions of the last session that sent any, if they used up their rate."""
    if used is None or used.share < RATE_USED:
        return None
    limits = {"--total-rps": PaceLimit.TOTAL, "--share-limits": PaceLimit.SHARE}
    return Pace(limits.get(used.option, PaceLimit.RPS), used.per_s)


def _table_of(job: Job) -> tuple[Table, str | None]:
    """The input of the job, or what the results have of it and why."""
    table = reopen_input(job)
    if isinstance(table, PreviousResults):
        return table, "the input is not there, or has changed: its values are those of the result files"
    return table, None


def _values_of(
    job: Job, table: Table, rows: set[int], redact: Sequence[str], problem: str | None
) -> tuple[InputValues, str | None]:
    try:
        return input_values(table, rows, redact), problem
    except (InputError, UnreadableInputError) as error:  # it was checked before, so it has changed since
        pinned = read_pinned(directory_of(job).checkpoint)
        if pinned is None:
            raise StorageError(str(error)) from None
        return input_values(without_input(job, pinned, str(error)), rows, redact), str(error)
