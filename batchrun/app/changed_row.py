"""Finds where an input differs from what a job has worked on: its columns, or a row that the result files show."""

from collections.abc import Iterator
from itertools import islice

from batchrun.adapters.results.previous import columns_recorded, previous_results
from batchrun.adapters.tables import Table, line_numbers
from batchrun.adapters.tables.arrow_values import as_text
from batchrun.app.pinned_job import PinnedJob
from batchrun.domain.name_list import name_list
from batchrun.errors import InputError, StorageError
from batchrun.job import Job


def changed_columns(job: Job, table: Table, pinned: PinnedJob) -> str:
    """Which columns the input has no longer, and which it has in addition, for a message; empty if it is the same."""
    if pinned.input_columns is None:
        return ""
    before, _ = columns_recorded(pinned.input_columns)
    gone, new = before - {*table.columns, *job.sweep.varied}, {*table.columns} - before
    parts = [f"no longer {name_list(sorted(gone))}" if gone else "", f"new: {name_list(sorted(new))}" if new else ""]
    return "; ".join(filter(None, parts))


def first_changed_row(job: Job, table: Table, pinned: PinnedJob) -> str | None:
    """The first row that differs, for a message; None if the result files do not show it."""
    try:
        previous = previous_results(job.input, pinned.stamp, job.folder, pinned.input_columns, job.key)
        columns = [name for name in table.columns if name in previous.columns]
        rows = pinned.fingerprint.rows
        pairs = zip(_rows(table, columns, rows), _rows(previous, columns, rows), strict=False)
        for number, (now, before) in enumerate(pairs):
            if any(value is not None for value in before) and list(map(_text, now)) != list(map(_text, before)):
                line = line_numbers(table, {number}).get(number)
                values = zip(columns, before, now, strict=True)
                name, was, is_now = next(one for one in values if _text(one[1]) != _text(one[2]))
                place = f"row {number}" if line is None else f"line {line} (row {number})"
                return f"{place}: {name!r} was {_shown(was)}, now it is {_shown(is_now)}"
    except (InputError, StorageError):
        pass
    return None


def _rows(table: Table, columns: list[str], count: int) -> Iterator[tuple[object, ...]]:
    rows = (tuple(values) for batch in table.batches() for values in batch.values(columns))
    return islice(rows, count)


def _text(value: object) -> str | None:
    return None if value is None else as_text(value)


def _shown(value: object) -> str:
    text = repr(_text(value))
    return text if len(text) <= 60 else f"{text[:60]}…"
