"""The local files of a job (`--file`): where they are, and whether all of them can be uploaded."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from batchrun.adapters.files.local_files import LocalFiles
from batchrun.adapters.tables import Table
from batchrun.dialects import DIALECTS
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.errors import InputError
from batchrun.job import Job
from batchrun.ports import Clock, UnusableFileError

MAX_NAMED = 10
"""Largest number of mistakes in a message."""

MAX_REMEMBERED = 10_000
"""Paths whose check is not repeated for other rows."""


def files_of(job: Job, clock: Clock) -> LocalFiles:
    """The files of a job. While its dialect is not known, the limits are those of one that takes files."""
    limits = job.dialect.file_limits or next(filter(None, (dialect.file_limits for dialect in DIALECTS.values())))
    return LocalFiles(job.file_folder, limits.max_bytes, clock)


def refuse_without_uploads(job: Job) -> None:
    """Raise `InputError` if the job has files, and its service, which has been asked, takes none."""
    if job.file and job.dialect.file_limits is None:
        raise InputError(f"--file: the service speaks --api {job.api}, which takes no files; only --api open does")


def check_files(job: Job, table: Table, mapping: ColumnMapping, clock: Clock) -> None:
    """Refuse files that cannot be uploaded. Raises `InputError` with the first rows, and the number of further ones."""
    if not mapping.files:
        return
    if not job.file_folder.is_dir():
        raise InputError(f"--file-root: there is no folder {job.file_folder}")
    messages, count = list[str](), 0
    for row, reason in unusable_files(job, table, mapping, clock):
        count += 1
        if count <= MAX_NAMED:
            messages.append(f"{job.input}, row {row}: {reason}")
    if messages:
        more = [f"… and {count - MAX_NAMED:,} more files that cannot be uploaded"] if count > MAX_NAMED else []
        raise InputError(*messages, *more)


def unusable_files(job: Job, table: Table, mapping: ColumnMapping, clock: Clock) -> Iterator[tuple[int, str]]:
    """The rows up to `--limit` whose files cannot be uploaded, each with the path and the reason."""
    if not mapping.files:
        return
    files = files_of(job, clock)

    @lru_cache(MAX_REMEMBERED)
    def problem(path: str) -> str | None:
        try:
            files.check(path)
        except UnusableFileError as error:
            return str(error)
        return None

    sent = {name: column for name, column in mapping.sent.items() if name in mapping.files}
    of_files = ColumnMapping(sent, files=mapping.files)
    for row, values in islice(_rows(table, of_files), job.limit):
        try:
            paths = of_files.paths(of_files.inputs(values))
        except ValueError as error:
            yield row, str(error)
            continue
        yield from ((row, f"{path}: {reason}") for path in paths if (reason := problem(path)) is not None)


def _rows(table: Table, mapping: ColumnMapping) -> Iterator[tuple[int, tuple[object, ...]]]:
    for batch in table.batches():
        yield from enumerate(batch.values(mapping.columns), batch.start)
