"""Scores the outputs of a job. Nothing is sent."""

import logging
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from batchrun.adapters.checkpoint import connection, reader, results_reader, session_reader
from batchrun.adapters.results.scores import counted, write_scores
from batchrun.adapters.tables import Batch, Table
from batchrun.adapters.tables.arrow_values import as_text
from batchrun.app.export import reopen_input
from batchrun.app.job_rows import drawn_rows
from batchrun.app.judgement import verdicts_of
from batchrun.app.pinned_job import decode_pinned, load_job
from batchrun.app.python_scorers import load_python
from batchrun.app.run_directory import directory_of
from batchrun.domain.cells import ABSENT, BadCell
from batchrun.domain.filenames import SCORES
from batchrun.domain.states import OUTPUT_STATES
from batchrun.errors import InputError
from batchrun.job import Job, build_job
from batchrun.outputs.json_values import decode
from batchrun.scoring.scorer import Scorer, compile_scorer
from batchrun.scoring.specs import PythonFunction, ScorerSpec
from batchrun.views.number_format import count

log = logging.getLogger("batchrun")

MAX_PROBLEMS = 100
"""Messages of a scorer that are counted one by one. A message may name a value, so each row may have its own."""

OTHER_PROBLEMS = "other messages"


def score(folder: Path | str, score: Mapping[str, object] | None = None, *, judge: Path | str | None = None) -> Path:
    """Score the outputs of the job in `folder`, and write its `scores.parquet`. Returns the path of the file.

    `score`: further scorers by name, as text (`"exact:answer:expected"`) or as a table with `kind`, `output` and
    `expected`; the job's own are scored too. `judge`: the run directory of a job whose input is this job's
    `outputs.parquet`; the expressions of `score` then read that job's outputs (those of the job's own scorers if no
    `score` is given). Works while the job runs. Raises `InputError` and `StorageError`.

        batchrun.score("rows-run", {"right": "exact:answer:expected"})
    """
    job = load_job(Path(folder))
    given = build_job(job.model_dump() | {"score": dict(score or {})})
    merged = build_job(job.model_dump() | {"score": {**job.score, **given.score}})
    if not merged.score:
        raise InputError(
            f"{folder}: its job has no scorers; add --score NAME=KIND:EXPR:TARGET, such as right=exact:answer:expected"
        )
    judged = None if judge is None else frozenset(given.score or merged.score)
    table = reopen_input(merged)
    write_job_scores(merged, table, judged, None if judge is None else Path(judge))
    return merged.folder / SCORES


def write_job_scores(
    job: Job,
    table: Table,
    judged: frozenset[str] | None = None,
    judge: Path | None = None,
) -> None:
    """Write `scores.parquet` of a job over `table`. `judged`: the scorers that read the outputs of `judge`."""
    scorers = {spec.name: compile_scorer(spec, load_python) for spec in job.scorers}
    missing = [
        f"{option}: the input has no column {name!r}"
        for option, name in job.scoring_columns
        if name not in table.columns
    ]
    if missing:
        raise InputError(*missing)
    problems, nulls = {name: Counter[str]() for name in scorers}, Nulls()
    with connection.open_reader(directory_of(job).checkpoint) as db, connection.read_snapshot(db):
        changes = sum(session.changes for session in session_reader.sessions(db))
        rows = _Rows(
            job, table, db, scorers=scorers, problems=problems, nulls=nulls, judged=judged or frozenset(), judge=judge
        )
        with redirect_stdout(sys.stderr):  # what a function of the user prints is no result
            write_scores(job.folder, list(scorers), rows.pieces(), changes)
    for name, found in problems.items():
        if nulls.scored[name] and nulls.scored[name] == nulls.null[name]:
            outputs = count(nulls.null[name], "output")
            log.warning("--score %s: its expression is null in all %s, which scores 0; is it right?", name, outputs)
        if found:
            log.warning(
                "--score %s: %s could not be scored: %s", name, count(found.total(), "row"), "; ".join(counted(found))
            )


@dataclass(frozen=True)
class Nulls:
    """By scorer, the rows that have a score, and those of them for which its expression gave null."""

    scored: Counter[str] = field(default_factory=Counter)
    null: Counter[str] = field(default_factory=Counter)


class _Rows:
    """The rows of `scores.parquet`, in pieces."""

    def __init__(
        self,
        job: Job,
        table: Table,
        db: sqlite3.Connection,
        *,
        scorers: Mapping[str, Scorer],
        problems: Mapping[str, Counter[str]],
        nulls: Nulls,
        judged: frozenset[str],
        judge: Path | None,
    ) -> None:
        self._job, self._table, self._scorers, self._problems, self._nulls = job, table, scorers, problems, nulls
        self._judged = judged
        meta = reader.meta(db)
        pinned = decode_pinned(meta)
        input_rows = 0 if pinned is None else pinned.fingerprint.rows
        self._stop = job.sweep.rows(min(input_rows, job.limit or input_rows))
        self._drawn = drawn_rows(meta, job)
        self._outputs = _Ascending(
            (row.row, (row.run_id, row.output)) for row in results_reader.result_rows(db, OUTPUT_STATES)
        )
        self._verdicts = None if judge is None else _Ascending(verdicts_of(judge))
        self._columns = _columns_needed(job.scorers, table)

    def pieces(self) -> Iterator[list[tuple[object, ...]]]:
        """A piece for each batch of the input."""
        for batch in self._table.batches():
            yield list(self._scored(batch))
            if batch.start + len(batch) >= self._stop:
                return

    def _scored(self, batch: Batch) -> Iterator[tuple[object, ...]]:
        sweep, key = self._job.sweep, self._job.key
        keys = None if key is None else batch.values([key])
        values = batch.values(self._columns) if self._columns else None
        for place in range(min(len(batch), self._stop - batch.start)):
            row = batch.start + place
            where = sweep.place(row)
            if self._drawn is not None and where.input_row not in self._drawn:
                continue
            run_id, output = self._outputs.at(row) or (None, None)
            verdict = None
            if self._verdicts is not None and (found := self._verdicts.at(row)) is not None:
                verdict = found[1] if found[0] == run_id and output is not None else None
            cells = {} if values is None else dict(zip(self._columns, map(_plain, values[place]), strict=True))
            name = None if keys is None else keys[place][0]
            yield (
                row,
                where.input_row,
                None if name is None else as_text(name),
                sweep.variants[where.variant].name,
                where.repeat,
                *(
                    self._value(scorer, verdict if scorer in self._judged else output, cells)
                    for scorer in self._scorers
                ),
            )

    def _value(self, name: str, output: str | None, cells: Mapping[str, object]) -> float | None:
        value, problem, is_null = self._scorers[name](output, cells)
        self._nulls.scored[name] += value is not None
        self._nulls.null[name] += is_null
        if problem is not None:
            found = self._problems[name]
            found[problem if problem in found or len(found) < MAX_PROBLEMS else OTHER_PROBLEMS] += 1
        return value


class _Ascending:
    """Looks up values by ascending keys, in one pass."""

    def __init__(self, pairs: Iterator[tuple[int, tuple[str | None, str | None]]]) -> None:
        self._pairs = pairs
        self._next = next(pairs, None)

    def at(self, key: int) -> tuple[str | None, str | None] | None:
        """The value of `key`, which is not smaller than the last one."""
        while self._next is not None and self._next[0] < key:
            self._next = next(self._pairs, None)
        return self._next[1] if self._next is not None and self._next[0] == key else None


def _columns_needed(scorers: Sequence[ScorerSpec], table: Table) -> list[str]:
    if any(isinstance(spec.target, PythonFunction) for spec in scorers):
        return list(table.columns)
    return list(dict.fromkeys(column for spec in scorers for column in spec.target_columns))


def _plain(value: object) -> object:
    if value is ABSENT or isinstance(value, BadCell):
        return None
    return decode(bytes(value).decode()) if isinstance(value, msgspec.Raw) else value
