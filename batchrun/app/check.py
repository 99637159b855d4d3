"""Checks a job and previews what it would do. No run is started and no files are created."""

import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from statistics import median
from urllib.parse import urlsplit

from pydantic import ValidationError

from batchrun.adapters.checkpoint import connection, evidence, reader
from batchrun.adapters.clock import WallClock
from batchrun.app.correction import takes_place
from batchrun.app.file_checks import refuse_without_uploads, unusable_files
from batchrun.app.input_checks import CheckedJob, check_job
from batchrun.app.job_file import with_pinned_checkpoint_dir
from batchrun.app.job_rows import count_new_rows, count_rows, drawn_rows, is_in_job, rows_from
from batchrun.app.lost_checkpoint import refuse_loss
from batchrun.app.pinned_job import PinnedJob, decode_pinned, unless_replaced, with_settled_options
from batchrun.app.row_preview import MAX_BODIES, MAX_UNSENDABLE, bodies, reusable_rows, unsendable_rows
from batchrun.app.run_directory import RunDirectory, directory_of, refuse_files_of_user
from batchrun.app.swept import swept
from batchrun.app.workflow_check import compare, describe_types, mismatch, with_types
from batchrun.app.workflow_lookup import Found, look_up_workflow
from batchrun.dialects import AUTO, DIALECTS
from batchrun.domain.estimate import Limits, estimate
from batchrun.domain.preview import Preview, Unsendable
from batchrun.domain.sample import drawn
from batchrun.domain.states import State
from batchrun.domain.workflow_info import WorkflowInfo
from batchrun.errors import InputError, StorageError
from batchrun.job import PINNED, Job
from batchrun.options.names import option_name
from batchrun.options.service import TOKEN_SOURCES
from batchrun.options.validation import validated
from batchrun.simulator.options import parse_options

log = logging.getLogger("batchrun")

ASSUMED_RUN_S = (5.0, 30.0, 120.0)
"""Run durations, in seconds, to estimate with if the real ones are unknown."""


def check(job: Job, token: str | None = None, *, fresh: bool = False, look_up: bool = True) -> Preview:
    """Check `job` and preview its requests, without starting a run or creating files.

    `token`: use this token instead of the one in the environment; `fresh`: ignore an existing run directory; `look_up`:
    ask the service for the workflow. Raises `InputError` with all mistakes.
    """
    job = job if fresh else with_pinned_checkpoint_dir(job)
    directory = directory_of(job)
    pinned = None if fresh else find_pinned(directory, job)
    job = with_settled_options(job, pinned)
    checked = check_job(job, os.environ.get(job.dialect.token_variable) if token is None else token, pinned)
    first, *others = job.workflow_ids
    asks = look_up and not job.simulate
    found = look_up_workflow(job, checked.token, first) if asks else Found()
    if found.api is not None:
        job = job.model_copy(update={"api": found.api})
        refuse_without_uploads(job)
    if found.workflow is not None:
        job, checked = _compare(job, checked, found.workflow, is_new=pinned is None)
        for workflow_id in others:
            other = look_up_workflow(job, checked.token, workflow_id)
            if other.workflow is not None:
                job, checked = _compare(job, checked, other.workflow, is_new=pinned is None)
    rows = checked.input.fingerprint.rows
    left = count_new_rows(job, rows)
    first_new, again = 0, list[int]()
    seed = secrets.randbits(32) if job.seed is None else job.seed
    sample = None if job.sample is None else drawn(seed, rows, job.sample)
    if pinned is not None:
        with connection.open_reader(directory.checkpoint) as db:
            total = count_rows(db, job, rows)
            left = reader.tally(db, total)[State.QUEUED]
            first_new = reader.touched_prefix(db)
            again = [row.row for row in islice(reader.rows(db, State.QUEUED), MAX_BODIES)]
            sample = drawn_rows(reader.meta(db), job)
    is_in = is_in_job(job, sample)

    def is_left(row: int) -> bool:
        return row >= first_new and is_in(row)

    unsendable, unsendable_count, unsendable_left = unsendable_rows(job, checked, is_in, is_left)
    if pinned is not None:
        # In a new job these files are mistakes, but a job that has begun goes on without their rows.
        lost = dict(unusable_files(job, checked.table, checked.mapping, WallClock()))
        further = [Unsendable(row, reason) for row, reason in lost.items() if is_left(row)]
        unsendable = [*unsendable, *further][:MAX_UNSENDABLE]
        unsendable_count += len(further)
        unsendable_left += len(further)
    wanted = min(MAX_BODIES, max(0, left - len(again)))
    new, reused = list(islice(rows_from(first_new, job, sample, rows), wanted)), 0
    if checked.earlier_jobs is not None:
        reused, new = reusable_rows(job, checked, is_left)
    durations, source = _durations(job, directory, pinned)
    limits = Limits(
        job.rps,
        job.poll_rps,
        job.total_limit,
        job.in_flight_limit,
        job.poll_initial,
        job.poll_max,
        synchronous=job.synchronous,
        max_connections=job.connections,
    )
    return Preview(
        input=str(job.input),
        rows=rows,
        columns=checked.input.table.columns,
        sent=checked.mapping.sent,
        constants=checked.mapping.constants,
        variants=[str(variant.name) for variant in job.sweep.variants if variant.name is not None],
        repeats=job.sweep.repeats,
        sample_seed=seed if job.sample is not None and job.seed is None and pinned is None else None,
        input_rows=min(rows, job.limit or job.sample or rows),
        workflow_id=", ".join(job.workflow_ids),
        service="the simulator" if job.simulate else job.service_url,
        api=None if job.api == AUTO else job.api,
        workflow=found.workflow,
        note=found.note,
        unchecked=_unchecked(job, found) if asks else None,
        time_limits={option_name(name): getattr(job, name) for name in TIME_LIMITS if _is_changed(job, name)},
        folder=str(directory.folder),
        replaces=pinned is None and not fresh and takes_place(job, directory),
        began=pinned is not None,
        left=left,
        reused=reused,
        bodies=list(bodies(job, checked, [*again, *new][:MAX_BODIES])),
        unsendable=unsendable,
        unsendable_rows=unsendable_count,
        run_s_known=source,
        estimates=[estimate(max(0, left - unsendable_left - reused), run_s, limits) for run_s in durations],
    )


TIME_LIMITS = ("max_runtime", "max_outage", "run_timeout", "request_timeout")
"""Options that are easily given in a wrong unit, which a job shows late."""


def _is_changed(job: Job, name: str) -> bool:
    return getattr(job, name) not in {None, Job.model_fields[name].default}


def _unchecked(job: Job, found: Found) -> str | None:
    """What only the service could have told, and why it did not."""
    if found.api is None:
        return f"token, workflow, inputs (no usable answer from {urlsplit(job.service_url).netloc})"
    if DIALECTS[found.api].probe_request(job.workflow_ids[0]) is None:
        return f"token, workflow, inputs (--api {found.api} cannot be asked about them)"
    return "inputs (the service has not described the workflow)" if found.workflow is None else None


def _compare(job: Job, checked: CheckedJob, workflow: WorkflowInfo, *, is_new: bool) -> tuple[Job, CheckedJob]:
    """The job as it would be run: a new one with the types that its workflow declares. Raises `InputError`."""
    found = compare(job, checked.table, checked.mapping, workflow)
    for warning in found.warnings:
        log.warning("%s", warning)
    if found.errors:
        raise InputError(*mismatch(job, workflow, found))
    if not (found.types and is_new):
        return job, checked
    log.warning("%s", describe_types(found))
    job, inspection, mapping = with_types(job, found)
    return job, replace(checked, input=inspection, table=swept(job, inspection.table), mapping=mapping)


READING_OPTIONS = frozenset({"input", "format", "encoding", "delimiter", "type"})
"""Options that determine how the input is read."""

INPUT_DEPENDENT_OPTIONS = READING_OPTIONS | {
    "workflow_id", "api", "param", "rename", "skip", "const", "key", "file", "file_root", "select", "flatten", "reuse",
    "out", "checkpoint_dir", "simulate", "sim", *TOKEN_SOURCES, "base_url", "ca_file", "schema",
}  # fmt: skip
"""Options whose values may turn out to be wrong only when the input, a file or the run directory is read."""


def further_mistakes(values: Mapping[str, object]) -> list[str]:
    """Further mistakes in a job with invalid options, so that the user can correct all of them together.

    `values`: the options by field name. The valid ones are checked without the invalid ones.
    """
    others: dict[str, object] = {"workflow_id": "-", "allow_insecure": True}
    valid = others | {name: value for name, value in values.items() if name in INPUT_DEPENDENT_OPTIONS}
    if not valid.get("simulate"):
        valid.pop("sim", None)  # that they contradict each other is already known
    try:
        validated(Job, valid, {})
    except ValidationError as error:
        invalid = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
        if invalid & READING_OPTIONS:
            return []
        valid = others | {name: value for name, value in valid.items() if name not in invalid}
        if "base_url" in invalid:
            valid.pop("oauth_config", None)  # whether its tokens are valid there is not known
    is_left_out = any(values.get(name) is not None and name not in valid for name in (*TOKEN_SOURCES, "simulate"))
    token = "-" if is_left_out else None  # then the absence of a token is no further mistake
    # With a stand-in for a pinned option, the job would differ from the one that has begun.
    is_replaced = "workflow_id" not in values or any(
        value is not None and valid.get(name) != value
        for name, value in values.items()
        if name in PINNED and name in INPUT_DEPENDENT_OPTIONS
    )
    try:
        check(validated(Job, valid, {}), token, fresh=is_replaced, look_up=False)
    except InputError as error:
        return list(error.problems)
    except (ValidationError, StorageError):
        pass  # the known mistakes have to be corrected first
    return []


def find_pinned(directory: RunDirectory, job: Job) -> PinnedJob | None:
    """The job that is pinned in the run directory; None if there is none, or if `job` would take its place."""
    refuse_loss(directory)
    refuse_files_of_user(directory)
    if not directory.checkpoint.exists() or takes_place(job, directory):
        return None
    with connection.open_reader(directory.checkpoint) as db:
        pinned, untouched = decode_pinned(reader.meta(db)), evidence.is_untouched(db)
        return unless_replaced(pinned, job, is_untouched=untouched)


def _durations(job: Job, directory: RunDirectory, pinned: PinnedJob | None) -> tuple[Sequence[float], str | None]:
    """Run durations in seconds to estimate with, and their source; None if they are assumed."""
    if pinned is not None:
        with connection.open_reader(directory.checkpoint) as db:
            measured = reader.run_seconds(db)
        if measured:
            return (median(measured),), "as the runs of this job took so far"
    if job.simulate:
        draw = parse_options(job.sim).duration.seconds
        return (median(draw(0, sample) for sample in range(1001)),), "as the simulator is told"
    return ASSUMED_RUN_S, None
