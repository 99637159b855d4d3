"""One pass over an input before anything is sent: its contents in a few bytes, and whether its keys are keys."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import msgspec

from batchrun.adapters.tables.base import Table
from batchrun.adapters.tables.survey import Survey, Surveyor
from batchrun.adapters.tables.values import as_text
from batchrun.domain.cells import ABSENT
from batchrun.errors import InputError, StorageError

SHOWN = 10
"""Most rows with a bad key that are named."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The contents of an input: how many rows, and a digest over the names of the columns and all values.

    It does not depend on how the file is quoted, encoded or compressed.
    """

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one pass found. `table` is the one that was inspected, with what its survey tells.

    `prefix_matches`: whether the input begins with the rows of the fingerprint that was given; None of none.
    """

    table: Table
    fingerprint: Fingerprint
    survey: Survey
    prefix_matches: bool | None


def inspect(table: Table, key: str | None, known: Fingerprint | None) -> Inspection:
    """Read the whole input in bounded memory: every row parses, the key identifies rows, the contents are `known`.

    Raises `InputError` naming the rows (from 0, as in the results) that are at fault, and `StorageError`.
    """
    digest = hashlib.blake2b(_encode(table.columns), digest_size=32)
    surveyor, rows = Surveyor(), 0
    prefix = digest.hexdigest() if known and known.rows == 0 else None
    with closing(_Keys()) as keys:
        checked = key if key is not None and (table.needs_survey or _is_sendable(table, key)) else None
        for batch in table.batches():
            content = batch.content()
            batch.observe(surveyor)
            if checked is not None:
                keys.add(batch.start, (value for (value,) in batch.values([checked])))
            if known and rows < known.rows <= rows + len(content):
                cut = known.rows - rows
                digest.update(_rows(content[:cut]))
                prefix = digest.hexdigest()
                digest.update(_rows(content[cut:]))
            else:
                digest.update(_rows(content))
            rows += len(content)
        survey = surveyor.survey(rows)
        table = table.surveyed(survey)
        if checked is not None and checked in table.columns:
            keys.refuse_bad(table, checked)
    matches = None if known is None else prefix == known.digest
    return Inspection(table, Fingerprint(rows, digest.hexdigest()), survey, matches)


_encode = msgspec.msgpack.Encoder().encode  # tells its values apart: no two inputs encode alike


def _rows(content: Sequence[object]) -> memoryview:
    """The rows one after the other, as if each were encoded alone: without the head of the array that they make."""
    count = len(content)
    return memoryview(_encode(content))[1 if count < 16 else 3 if count < 1 << 16 else 5 :]


def _is_sendable(table: Table, key: str) -> bool:
    """Whether the column is there and can be a key; `domain.mapping` and the caller say so where it is not."""
    return key in table.columns and key not in table.unsendable


class _Keys:
    """Finds values that occur twice among any number, with a hash of each in a database that SQLite keeps on disk."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a temporary file, gone when it is closed
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE keys (hash BLOB NOT NULL, row INTEGER PRIMARY KEY)")
        self._empty: list[int] = []
        self._empties = 0

    def close(self) -> None:
        self._database.close()

    def add(self, start: int, values: Iterable[object]) -> None:
        with _disk():
            self._database.executemany("INSERT INTO keys VALUES (?, ?)", self._hashes(start, values))

    def _hashes(self, start: int, values: Iterable[object]) -> Iterator[tuple[bytes, int]]:
        for row, value in enumerate(values, start):
            if value is None or value is ABSENT or (text := as_text(value)) == "":
                self._empties += 1
                if self._empties <= SHOWN:
                    self._empty.append(row)
            else:
                yield hashlib.blake2b(text.encode(), digest_size=16).digest(), row

    def refuse_bad(self, table: Table, key: str) -> None:
        """Raise `InputError` if there was a value twice, or none."""
        problems = [f"{table.path}: row {row}: the key {key!r} is empty" for row in self._empty]
        if self._empties > SHOWN:
            problems.append(f"{table.path}: and {self._empties - SHOWN} more rows without a key")
        with _disk():
            # One sort on disk at the end: an index kept up to date would be written all over by hashes in no order.
            twice = self._database.execute(
                "SELECT min(row) AS first, max(row) FROM keys GROUP BY hash HAVING count(*) > 1 ORDER BY first LIMIT ?",
                (SHOWN + 1,),
            ).fetchall()
        for first, other in twice[:SHOWN]:
            value = next(iter(table.batches(first))).values([key])[0][0]
            problems.append(
                f"{table.path}: rows {first} and {other} have the same key {key!r}: {as_text(value)[:80]!r}"
            )
        if len(twice) > SHOWN:
            problems.append(f"{table.path}: and more rows with the key of another")
        if problems:
            raise InputError(*problems)


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(f"the temporary folder: the keys of the input cannot be compared there: {error}") from error
