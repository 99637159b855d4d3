"""One pass over an input before anything is sent: its contents in a few bytes, and whether its keys are keys."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import msgspec

from batchrun.adapters.tables.base import Table
from batchrun.adapters.tables.values import as_text
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
    """`prefix_matches`: whether the input begins with the rows of the fingerprint that was given; None of none."""

    fingerprint: Fingerprint
    prefix_matches: bool | None


def inspect(table: Table, key: str | None, known: Fingerprint | None) -> Inspection:
    """Read the whole input in bounded memory: every row parses, the key identifies rows, the contents are `known`.

    Raises `InputError` naming the rows (from 0, as in the results) that are at fault, and `StorageError`.
    """
    place = None if key is None else _key_place(table, key)
    encode = msgspec.msgpack.Encoder().encode  # tells its values apart: no two inputs encode alike
    digest = hashlib.blake2b(encode(table.columns), digest_size=32)
    rows = 0
    prefix = digest.hexdigest() if known and known.rows == 0 else None
    with closing(_Keys()) as keys:
        for batch in table.batches():
            values: Sequence[tuple[object, ...]] = batch.values(table.columns)
            if place is not None:
                keys.add(batch.start, (row[place] for row in values))
            if known and rows < known.rows <= rows + len(values):
                cut = known.rows - rows
                digest.update(b"".join(map(encode, values[:cut])))
                prefix = digest.hexdigest()
                digest.update(b"".join(map(encode, values[cut:])))
            else:
                digest.update(b"".join(map(encode, values)))
            rows += len(values)
        if key is not None:
            keys.refuse_bad(table, key)
    matches = None if known is None else prefix == known.digest
    return Inspection(Fingerprint(rows, digest.hexdigest()), matches)


def _key_place(table: Table, key: str) -> int:
    if key not in table.columns:
        raise InputError(f"--key {key}: the input has no such column. Its columns: {', '.join(table.columns)}")
    if key in table.unsendable:
        raise InputError(f"--key {key}: the column cannot be a key, {table.unsendable[key]}")
    return table.columns.index(key)


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
            if value is None or value == "":
                self._empties += 1
                if self._empties <= SHOWN:
                    self._empty.append(row)
            else:
                yield hashlib.blake2b(as_text(value).encode(), digest_size=16).digest(), row

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
