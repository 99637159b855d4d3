"""Checks a job before its first POST and collects all mistakes. Nothing is sent and no files are created."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, TypeVarTuple, Unpack

from batchrun.adapters.clock import WallClock
from batchrun.adapters.credentials.token import Token
from batchrun.adapters.earlier_job import EarlierJobs
from batchrun.adapters.files.kinds import real_path
from batchrun.adapters.results.selections import Selections, compile_selections
from batchrun.adapters.results.writer import names_in_use
from batchrun.adapters.shared_limits.folder import default_folder, problem_of
from batchrun.adapters.tables import Inspection, Source, Table, inspect, open_table
from batchrun.app.callback_setup import listen_address
from batchrun.app.changed_row import changed_columns, first_changed_row
from batchrun.app.credentials import credentials_of
from batchrun.app.file_checks import check_files
from batchrun.app.input_schema import check_rows, schema_of
from batchrun.app.job_differences import differences
from batchrun.app.option_warnings import column_warnings, option_warnings, row_warnings
from batchrun.app.pinned_job import PinnedJob, pinned_options
from batchrun.app.reuse import earlier_jobs
from batchrun.app.reuse_inputs import warn_of_other_inputs
from batchrun.app.run_directory import directory_of
from batchrun.app.swept import input_columns, swept
from batchrun.dialects import AUTO
from batchrun.domain.column_mapping import ColumnMapping, map_columns
from batchrun.domain.filenames import ERRORS, JOB, OUTPUTS, OWN_FILES
from batchrun.domain.fingerprint import Inference
from batchrun.domain.name_list import name_list
from batchrun.errors import InputError
from batchrun.job import Job
from batchrun.simulator.options import parse_options

log = logging.getLogger("batchrun")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class CheckedJob:
    """A job without mistakes. The table of its input has all columns and types."""

    input: Inspection
    table: Table
    """The rows of the job: those of the input, or their product with the variants and repeats of a sweep."""
    mapping: ColumnMapping
    token: Token
    earlier_jobs: EarlierJobs | None
    """The job whose completed rows are reused."""
    schema_check: str | None
    """Digest of the passed check of all rows against the job's schema; None if the job has no schema."""


@dataclass(slots=True)
class Problems:
    """Collects mistakes, so that the user can correct all of them together."""

    found: list[str] = field(default_factory=list)

    def collect(self, function: Callable[[Unpack[Ts]], T], *arguments: *Ts) -> T | None:
        """Call the function. If it raises `InputError`, collect its problems and return None."""
        try:
            return function(*arguments)
        except InputError as error:
            self.found += [problem for problem in error.problems if problem not in self.found]
            return None

    def raise_if_any(self) -> None:
        """Raise `InputError` if any mistakes were collected."""
        if self.found:
            raise InputError(*self.found)


def check_job(
    job: Job, token: str | None, pinned: PinnedJob | None, substitute: Callable[[str], Table] | None = None
) -> CheckedJob:
    """Check `job`; `pinned` is the job in its run directory, `token` the token from the environment.

    `substitute`: in a job that needs its input no more, returns what stands for an input that cannot be opened, given
    the problem. An input with an unchanged stamp is not read again. Raises `InputError` with all mistakes, and
    `StorageError`.
    """
    for warning in option_warnings(job):
        log.warning(warning)
    problems = Problems()
    problems.collect(parse_options, job.sim)
    credentials = problems.collect(_credentials, job, token)
    for refuse in (_refuse_own_results, _refuse_run_directory, _refuse_unusable_folder, _refuse_workers):
        problems.collect(refuse, job)
    if job.ca_file is not None and not job.simulate:
        from batchrun.adapters.http.sockets import tls_context  # noqa: PLC0415 - a command without HTTP starts faster

        problems.collect(tls_context, str(job.ca_file))
    if not job.simulate:
        problems.collect(_refuse_unusable_proxy, job)
    problems.found += [f"{option}: {path}: no such file" for option, path in job.scoring_files if not path.is_file()]
    if (listen := listen_address(job)) is not None:
        from batchrun.adapters.callback_receiver import refuse_taken  # noqa: PLC0415 - likewise

        problems.collect(refuse_taken, *listen)
    changed = [] if pinned is None else _differences(job, pinned)
    same_job = None if changed else pinned
    mapping, inspection = None, None
    table = problems.collect(open_input, job) if substitute is None else _open_or(substitute, job)
    if table is None and pinned is not None and not job.input.exists() and not changed:
        problems.found.append(
            f"If it was moved: batchrun run NEWPATH --workflow-id {job.workflow_id} -o {job.folder} …"
        )
    if table is None and job.type:  # without the types, further mistakes may be found
        table = problems.collect(open_input, job.model_copy(update={"type": {}}))
    if table is not None:
        for warning in column_warnings(job, table):
            log.warning(warning)
        if table.columns:  # some formats only have columns after all rows are read
            mapping = problems.collect(mapping_of, job, table)
        inspection = problems.collect(inspect_input, job, table, same_job)
    if inspection is not None:
        mapping = problems.collect(mapping_of, job, inspection.table)
        for warning in (*inspection.warnings, *row_warnings(job, inspection.fingerprint.rows, mapping)):
            log.warning(warning)
        if same_job is not None and inspection.prefix_matches is False:
            changed.append(_changed(job, same_job, inspection))
    selected_from = table if inspection is None else inspection.table
    problems.collect(selections_of, job, None if selected_from is None else swept(job, selected_from))
    schema, schema_check = problems.collect(schema_of, job), None
    if schema is not None and inspection is not None and mapping is not None and not changed:
        last_check = None if pinned is None else pinned.schema_check
        schema_check = problems.collect(check_rows, job, schema, inspection, mapping, last_check)
    if pinned is None and inspection is not None and mapping is not None:
        # In a job that has begun, files that were deleted since only concern their own rows.
        problems.collect(check_files, job, swept(job, inspection.table), mapping, WallClock())
    problems.collect(_refuse_another_job, job, pinned, changed)
    rows = inspection.fingerprint.rows if pinned is not None and inspection is not None else None
    reused_jobs = problems.collect(earlier_jobs, job, rows)
    problems.raise_if_any()
    assert credentials is not None
    assert mapping is not None
    assert inspection is not None
    table = swept(job, inspection.table)
    warn_of_other_inputs(job, table, mapping, reused_jobs)
    return CheckedJob(inspection, table, mapping, credentials, reused_jobs, schema_check)


def _open_or(substitute: Callable[[str], Table], job: Job) -> Table:
    try:
        return open_input(job)
    except InputError as error:
        return substitute(str(error))


def open_input(job: Job) -> Table:
    """Open the input of a job without reading all of it. Raises `InputError` if it is not a table."""
    return open_table(
        Source(
            job.input,
            job.format,
            job.encoding,
            job.delimiter,
            job.type,
            named=frozenset({*job.param.values(), *job.rename.values()}),
        )
    )


def selections_of(job: Job, table: Table | None) -> Selections:
    """The columns that the job selects from its outputs.

    Raises `InputError` for invalid expressions and for names that are already in use. If `table` is None, the names of
    input columns are not checked.
    """
    columns = () if table is None else table.columns
    details = job.dialect.tells_details or job.api == AUTO  # the dialect that is found out may have these columns
    taken = names_in_use(columns, job.key, details=details, sweep=job.sweep)
    return compile_selections(job.select, flatten=job.flatten, taken=taken)


def _credentials(job: Job, token: str | None) -> Token:
    explicit = job.token_file is not None or job.token_command is not None
    if job.simulate and not (explicit and parse_options(job.sim).checks_tokens):
        return Token("simulated", headers=job.dialect.headers)
    return credentials_of(job, token)


def _refuse_unusable_proxy(job: Job) -> None:
    from batchrun.adapters.http.proxies import address_of, proxy_for  # noqa: PLC0415 - likewise

    proxy_for(address_of(job.service_url))


def _refuse_unusable_folder(job: Job) -> None:
    if job.share_limits is not None and (problem := problem_of(default_folder())) is not None:
        raise InputError(f"--share-limits: {problem}")


def _refuse_workers(job: Job) -> None:
    if job.on_workers:
        from batchrun.cluster.ray_workers import imported_ray, refuse_more_than_fit  # noqa: PLC0415 - likewise

        imported_ray(job.ray_address)
        if job.ray_address is None:
            refuse_more_than_fit(job.workers or 1)


def _refuse_own_results(job: Job) -> None:
    """Raise `InputError` if the input is a file that the job would write or delete."""
    folders = directory_of(job).folders
    if real_path(job.input) in {real_path(folder / name) for folder in folders for name in OWN_FILES}:
        raise InputError(f"{job.input}: is a file of the job in {job.folder} and would be replaced. Choose another -o")


def _refuse_run_directory(job: Job) -> None:
    if (job.input / JOB).is_file() and (job.input / OUTPUTS).is_file():
        raise InputError(
            f"{job.input}: is the run directory of a job; to continue it: batchrun resume {job.input}\n"
            f"To use its rows as an input, name the file: {job.input / OUTPUTS}, or {job.input / ERRORS}"
        )


def mapping_of(job: Job, table: Table) -> ColumnMapping:
    """The inputs that the job sends. Raises `InputError` for columns that do not exist or cannot be sent."""
    problems = Problems()
    columns = input_columns(job, table)
    known = [column for column in job.unsent_targets if column in columns]
    skip = list(dict.fromkeys([*job.skip, *known]))
    varied, files = job.sweep.varied, job.file
    mapping = problems.collect(
        lambda: map_columns(
            columns, job.param, skip, job.const, job.key, renames=job.rename, files=files, varied=varied
        )
    )
    problems.found += [
        f"{option}: the input has no column {column!r}. Its columns: {name_list(columns)}"
        for option, column in job.scoring_columns
        if column not in columns
    ]
    for column in () if mapping is None else mapping.columns:
        if column in table.unsendable:
            problems.found.append(
                f"column {column!r} cannot be sent: {table.unsendable[column]}. Leave it out with --skip {column}"
            )
    if job.key is not None and job.key in table.unsendable:
        problems.found.append(f"--key {job.key}: the column cannot be a key, {table.unsendable[job.key]}")
    problems.raise_if_any()
    assert mapping is not None
    return mapping


def inspect_input(job: Job, table: Table, pinned: PinnedJob | None) -> Inspection:
    """The contents of the input. They are taken from `pinned` if the stamp of the input is unchanged."""
    if pinned is not None and pinned.stamp == table.stamp and not (table.needs_inference and pinned.inference is None):
        inference = pinned.inference or Inference()
        return Inspection(table.with_inference(inference), pinned.fingerprint, inference, True)
    return inspect(table, job.key, pinned.fingerprint if pinned else None)


def _differences(job: Job, pinned: PinnedJob) -> list[str]:
    return differences(pinned.options, pinned_options(job), may_change_api=pinned.foreign_api is not None)


def _changed(job: Job, pinned: PinnedJob, inspection: Inspection) -> str:
    before, now = pinned.fingerprint, inspection.fingerprint
    if now.rows < before.rows:
        was = f"had {before.rows:,} rows, now it has {now.rows:,} (rows may be appended, not taken away)"
        return f"INPUT {job.input} {was}"
    if columns := changed_columns(job, inspection.table, pinned):
        return f"INPUT {job.input}: its columns have changed (rows may be appended only): {columns}"
    row = first_changed_row(job, inspection.table, pinned)
    where = "" if row is None else f"; {row}"
    return f"INPUT {job.input}: its first {before.rows:,} rows have changed (rows may be appended only){where}"


def _refuse_another_job(job: Job, pinned: PinnedJob | None, changed: list[str]) -> None:
    if changed:
        raise InputError(
            f"{job.folder}: its job was begun differently:",
            *(f"  {difference}" for difference in changed),
            "Put back what was changed, or start another job: batchrun run with another -o, or with --fresh, which "
            "sets this one aside.",
            *(_reuse_hint(job, pinned) if any(line.startswith("INPUT") for line in changed) else []),
        )


_FOR_NEXT_TIME = (
    "Next time begin with --key COLUMN: then, with -o NEWDIR --reuse OLDDIR, only rows that have changed are paid for."
)


def _reuse_hint(job: Job, pinned: PinnedJob | None) -> list[str]:
    if job.key is None or (pinned is not None and pinned.options.get("key") is None):
        return [_FOR_NEXT_TIME]
    return [f"With -o NEWDIR --reuse {job.folder}, rows that have not changed are not paid for again."]
