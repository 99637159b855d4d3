"""The input values of the rows in a report, and what is left out of them."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from batchrun.adapters.tables import Table
from batchrun.adapters.tables.arrow_values import as_text
from batchrun.domain.cells import ABSENT
from batchrun.errors import InputError
from batchrun.job import Job

MAX_COLUMNS = 12
"""Columns of the input that are shown."""

REDACTED = "[left out]"
"""What stands in a text instead of a value that is left out."""


@dataclass(frozen=True, slots=True)
class InputValues:
    """The input values of some rows, as text."""

    columns: Sequence[str]
    more_columns: int
    shown: Mapping[int, Sequence[str]]
    hidden: Mapping[int, Sequence[str]]
    """By row, the values that are left out."""

    def redacted(self, row: int, text: str) -> str:
        """The text without the values of this row that are left out."""
        return _without(text, self.hidden.get(row, ()))

    def redacted_everywhere(self, text: str) -> str:
        """The text without any value that is left out."""
        return _without(text, dict.fromkeys(value for values in self.hidden.values() for value in values))


def refuse_unknown(tables: Sequence[tuple[Job, Table]], redact: Sequence[str]) -> None:
    """Raise `InputError` if a column of `redact` cannot be left out, or if no job has it."""
    problems = [
        f"--redact {name}: the input of {job.folder} has no such column. Its columns: {', '.join(table.columns)}"
        for name in redact
        for job, table in tables
        if not any(name in one.columns for _, one in tables)
    ]
    problems += [
        f"--redact {name}: its values are the names of the variants, which the report shows"
        for name in redact
        if any(name in job.sweep.varied for job, _ in tables)
    ]
    if problems:
        raise InputError(*problems)


def input_values(table: Table, rows: Collection[int], redact: Sequence[str]) -> InputValues:
    """Read the values of these rows in one pass over the input. Raises `InputError` if it cannot be read."""
    open_columns = [name for name in table.columns if name not in redact]
    columns = open_columns[:MAX_COLUMNS]
    hidden_columns = [name for name in table.columns if name in redact]
    shown: dict[int, list[str]] = {}
    hidden: dict[int, list[str]] = {}
    for row, values in _values(table, sorted(rows), [*columns, *hidden_columns]):
        shown[row] = [_text(value) for value in values[: len(columns)]]
        hidden[row] = [_text(value) for value in values[len(columns) :]]
    return InputValues(columns, len(open_columns) - len(columns), shown, hidden)


def _values(table: Table, rows: Sequence[int], columns: Sequence[str]) -> Iterator[tuple[int, tuple[object, ...]]]:
    if not rows or not columns:
        return
    wanted = iter(rows)
    row = next(wanted)
    for batch in table.batches(row):
        end = batch.start + len(batch)
        if row >= end:
            continue
        values = batch.values(columns)
        while row < end:
            yield row, values[row - batch.start]
            following = next(wanted, None)
            if following is None:
                return
            row = following


def _text(value: object) -> str:
    if value is None or value is ABSENT:
        return ""
    return "(binary)" if isinstance(value, bytes) else as_text(value)


def _without(text: str, values: Collection[str]) -> str:
    """The text without these values, as they are or as JSON writes them; the longest first."""
    forms = {form for value in values if value for form in (value, _in_json(value), _in_ascii_json(value))}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, REDACTED)
    return text


def _in_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _in_ascii_json(value: str) -> str:
    return json.dumps(value)[1:-1]
