"""The scores of one or more jobs as columns, matched by their input rows."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchrun.adapters.checkpoint import connection, reader, session_reader
from batchrun.adapters.results.scores import Scores, read_scores
from batchrun.adapters.tables.arrow_values import as_text
from batchrun.app.export import reopen_input
from batchrun.app.pinned_job import decode_pinned, load_job
from batchrun.app.run_directory import directory_of
from batchrun.domain.name_list import name_list
from batchrun.errors import InputError
from batchrun.job import Job

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

log = logging.getLogger("batchrun")


@dataclass(frozen=True)
class ScoredJob:
    """A job with its scores. Arrays have one place for each scored row.

    `variants`: the names of its variants, as a comparison shows them. `digest`: of its input. `key`, `cluster` and
    `part` are None if the job has none.
    """

    folder: Path
    variants: Sequence[str]
    repeats: int
    digest: str
    scores: "Mapping[str, NDArray[np.float64]]"
    row: "NDArray[np.int64]"
    input_row: "NDArray[np.int64]"
    variant: "NDArray[np.int64]"
    key: "NDArray[np.object_] | None"
    cluster: "NDArray[np.object_] | None"
    by: "NDArray[np.object_] | None"

    @property
    def parts(self) -> list[str]:
        """The values of the column by which the figures are split, in their order."""
        return [] if self.by is None else list(dict.fromkeys(self.by.tolist()))

    def part(self, value: str) -> "ScoredJob":
        """The rows with this value."""
        assert self.by is not None
        chosen = self.by == value
        return replace(
            self,
            scores={name: array[chosen] for name, array in self.scores.items()},
            row=self.row[chosen],
            input_row=self.input_row[chosen],
            variant=self.variant[chosen],
            key=None if self.key is None else self.key[chosen],
            cluster=None if self.cluster is None else self.cluster[chosen],
            by=self.by[chosen],
        )


@dataclass(frozen=True)
class MatchedRows:
    """The rows of several jobs. Rows with the same `input_row` are compared with each other. `keys`: by that number.

    `row`: their numbers in their jobs. `variant`: counted over all jobs.
    """

    row: "NDArray[np.int64]"
    input_row: "NDArray[np.int64]"
    variant: "NDArray[np.int64]"
    cluster: "NDArray[Any] | None"
    scores: "Mapping[str, NDArray[np.float64]]"
    keys: Mapping[int, str]


def scored_job(folder: Path, *, alone: bool, by: str | None, cluster: str | None) -> ScoredJob:
    """Read the scores of the job in `folder`. `alone`: no other job is compared. Raises `InputError`."""
    import numpy as np  # noqa: PLC0415 - only comparisons need it

    job = load_job(folder)
    with connection.open_reader(directory_of(job).checkpoint) as db:
        pinned = decode_pinned(reader.meta(db))
        changes = sum(session.changes for session in session_reader.sessions(db))
    if pinned is None:
        raise InputError(f"{folder}: its job has not begun yet")
    scores = _scores(job, changes)
    table = scores.table
    names = [variant.name for variant in job.sweep.variants]
    codes = {name: place for place, name in enumerate(names)}
    if not set(table.column("variant").unique().to_pylist()) <= set(names):
        raise InputError(f"{folder}: its scores are those of another job; renew them with: batchrun score {folder}")
    input_row = table.column("input_row").to_numpy()
    wanted = list(dict.fromkeys(name for name in (by, cluster or job.cluster) if name is not None))
    cells = _cells(job, wanted, job.sweep.rows(pinned.fingerprint.rows))

    def column(name: str | None, instead: Callable[[int], str]) -> "NDArray[np.object_] | None":
        """The column for each row; `instead`: what stands for a null."""
        if name is None:
            return None
        values = cells[name]
        found = ((values.get(row), row) for row in input_row.tolist())
        return np.array([instead(row) if value is None else value for value, row in found], object)

    return ScoredJob(
        folder,
        [_shown(name, folder, alone=alone) for name in names],
        job.sweep.repeats,
        pinned.fingerprint.digest,
        {name: table.column(name).to_numpy(zero_copy_only=False).astype(float, copy=False) for name in scores.scorers},
        table.column("row").to_numpy(),
        input_row,
        _repeated(table.column("variant"), codes.__getitem__, np.int64),
        None if job.key is None else _repeated(table.column("key"), lambda key: key, object),
        column(cluster or job.cluster, "\0row {}".format),  # a row of which nothing is known stands alone
        column(by, lambda _row: "(null)"),
    )


def _repeated(column: "pa.ChunkedArray", value_of: Callable[[Any], object], type_: type) -> "NDArray[Any]":
    """What `value_of` gives for each value of a text column. Equal values share one object, as most come many times."""
    import numpy as np  # noqa: PLC0415 - likewise

    found = column.unify_dictionaries().combine_chunks()
    texts: list[object] = [*found.dictionary.to_pylist(), *([None] if found.null_count else [])]
    distinct: NDArray[Any] = np.empty(len(texts), type_)
    distinct[:] = [value_of(text) for text in texts]
    repeated: NDArray[Any] = distinct[found.indices.fill_null(len(found.dictionary)).to_numpy()]
    return repeated


def matched(jobs: Sequence[ScoredJob]) -> MatchedRows:
    """Match the rows of the jobs: by key, or by row if their inputs are the same. Raises `InputError`."""
    import numpy as np  # noqa: PLC0415 - likewise

    scorers = [name for name in jobs[0].scores if all(name in job.scores for job in jobs)]
    if not scorers:
        raise InputError(f"compare: the jobs {', '.join(str(job.folder) for job in jobs)} have no scorer in common")
    offsets = [sum(len(job.variants) for job in jobs[:place]) for place in range(len(jobs))]
    clusters = [job.cluster for job in jobs if job.cluster is not None]
    rows, keys = _common_rows(jobs)

    def joined(arrays: "Sequence[NDArray[Any]]") -> "NDArray[Any]":
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    return MatchedRows(
        joined([job.row for job in jobs]),
        joined(rows),
        joined([job.variant + offset if offset else job.variant for job, offset in zip(jobs, offsets, strict=True)]),
        joined(clusters) if len(clusters) == len(jobs) else None,
        {name: joined([job.scores[name] for job in jobs]) for name in scorers},
        keys,
    )


def refuse_without_common_key(jobs: Sequence[ScoredJob]) -> None:
    """Raise `InputError` if the jobs are matched by key and have none in common."""
    keys = [set(job.key.tolist()) for job in jobs if job.key is not None]
    if len(keys) == len(jobs) > 1 and not set.intersection(*keys):
        raise InputError("compare: no key is in all of the jobs, so that no row can be compared")


def _common_rows(jobs: Sequence[ScoredJob]) -> "tuple[list[NDArray[np.int64]], dict[int, str]]":
    import numpy as np  # noqa: PLC0415 - likewise

    if len(jobs) == 1:
        input_rows, places = np.unique(jobs[0].input_row, return_index=True)
        keys = [] if jobs[0].key is None else jobs[0].key[places].tolist()
        return [jobs[0].input_row], dict(zip(input_rows.tolist(), keys, strict=False))
    if all(job.key is not None for job in jobs):
        numbers: dict[str, int] = {}
        rows = [
            np.array([numbers.setdefault(key, len(numbers)) for key in job.key.tolist()], np.int64)  # type: ignore[union-attr]  # just seen
            for job in jobs
        ]
        return rows, {number: key for key, number in numbers.items()}
    if len({job.digest for job in jobs}) > 1:
        raise InputError(
            "compare: the jobs have different inputs, so their rows cannot be matched; run them with --key COLUMN"
        )
    return [job.input_row for job in jobs], {}


def _scores(job: Job, changes: int) -> Scores:
    found = read_scores(job.folder)
    if found is None:
        scorer = "" if job.score else " --score NAME=KIND:EXPR:TARGET"
        raise InputError(f"{job.folder}: has no scores; make them with: batchrun score {job.folder}{scorer}")
    if found.changes != changes:
        renew = f"renew them with: batchrun score {job.folder}"
        log.warning("%s: its scores are older than its results; %s", job.folder, renew)
    return found


def _cells(job: Job, columns: Sequence[str], rows: int) -> dict[str, dict[int, str | None]]:
    """The values of these columns as text, by column and input row. Raises `InputError` for one that is not there.

    `rows`: the number of rows of the job, as a table without its input has no end.
    """
    found: dict[str, dict[int, str | None]] = {name: {} for name in columns}
    if not columns:
        return found
    table, sweep = reopen_input(job), job.sweep
    for name in columns:
        if name in sweep.varied:
            raise InputError(f"{job.folder}: {name!r} is what the variants differ in. Name a column of the input")
        if name not in table.columns:
            raise InputError(f"{job.folder}: the input has no column {name!r}. Its columns: {name_list(table.columns)}")
    for batch in table.batches():
        for row, values in enumerate(batch.values(columns), batch.start):
            if row >= rows:
                return found
            for name, value in zip(columns, values, strict=True):
                found[name].setdefault(sweep.place(row).input_row, None if value is None else as_text(value))
    return found


def _shown(name: str | None, folder: Path, *, alone: bool) -> str:
    if name is None:
        return str(folder)
    return name if alone else f"{folder}: {name}"
