"""Says before anything is sent why an earlier job has nothing to reuse: its rows have other inputs."""

import logging
from collections.abc import Sequence, Set
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.earlier_job import EarlierJobs
from batchrun.adapters.results.previous import columns_recorded
from batchrun.adapters.tables import Table
from batchrun.app.pinned_job import decode_pinned, load_job
from batchrun.app.run_directory import directory_of
from batchrun.domain.column_mapping import ColumnMapping, sent_columns
from batchrun.domain.name_list import name_list
from batchrun.job import Job

log = logging.getLogger("batchrun")


def warn_of_other_inputs(job: Job, table: Table, mapping: ColumnMapping, earlier: EarlierJobs | None) -> None:
    """Warn if each earlier job sent other inputs than this one, so that no row of it is like one of this job."""
    absent = {name for name, column in mapping.sent.items() if column in table.restore.absent}
    found = [_difference(mapping, absent, Path(one.source)) for one in earlier.jobs] if earlier is not None else []
    if found and all(found):
        log.warning("--reuse %s: no row will be taken over, all are submitted: %s", job.reuse, found[0])


def _difference(mapping: ColumnMapping, absent: Set[str], folder: Path) -> str:
    """How the inputs of each row differ from those of the job in `folder`; empty if not at all, or if it is unknown.

    `absent`: inputs that some rows do not have. Without them, a row may be like one of the other job.
    """
    earlier = load_job(folder)
    with connection.open_reader(directory_of(earlier).checkpoint) as db:
        pinned = decode_pinned(reader.meta(db))
    if pinned is None or pinned.input_columns is None:
        return ""
    left_out = {*earlier.skip, *earlier.unsent_targets}
    columns, absent_before = columns_recorded(pinned.input_columns)
    sent = earlier.param or sent_columns(sorted(columns), earlier.rename, left_out)
    absent_there = {name for name, column in sent.items() if column in absent_before}
    before = {*sent, *earlier.const, *earlier.sweep.varied}
    now = {*mapping.sent, *mapping.constants}
    parts = [
        *_named("this job also sends", sorted(now - before - absent)),
        *_named("that one also sent", sorted(before - now - absent_there)),
        *(
            f"the constant {name!r} has another value"
            for name, value in mapping.constants.items()
            if name in earlier.const and earlier.const[name] != value
        ),
    ]
    return f"{folder.name}: {'; '.join(parts)}" if parts else ""


def _named(what: str, names: Sequence[str]) -> list[str]:
    return [f"{what} {name_list(names)}"] if names else []
