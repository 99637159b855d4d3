"""Check in bounded memory that a column has a unique value in each row.

A hash of each key is written to a temporary file. At the end, hashes that occur more than once are searched for. To
bound memory, each pass over the file searches one part of the hash values. The keys of equal hashes are then read again
from the input and compared.
"""

import tempfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from batchrun.adapters.tables.arrow_values import as_text
from batchrun.adapters.tables.base import Table
from batchrun.adapters.tables.line_numbers import line_numbers
from batchrun.domain.cells import ABSENT
from batchrun.errors import InputError, StorageError

MAX_REPORTED = 10
"""Maximum bad keys to report one by one."""

HASHES_PER_PART = 1 << 21
"""Hashes to hold in memory and compare at a time, approximately."""

_HASH_BYTES = 8


class Keys:
    """The keys of one column."""

    def __init__(self) -> None:
        with _storage_errors():
            self._file = tempfile.TemporaryFile(prefix="batchrun-keys-")  # noqa: SIM115 - closed by `close`
        self._empty_rows: list[int] = []
        self._empty_count = 0
        self._count = 0

    def close(self) -> None:
        """Close and delete the temporary file."""
        self._file.close()

    def add(self, values: Sequence[object]) -> None:
        """Add the keys of the next rows."""
        if set(map(type, values)) == {str} and "" not in values:  # no value needs a check of its own
            hashes = array("q", map(hash, values))
            self._count += len(values)
        else:
            hashes = array("q", map(self._hash, values))
        with _storage_errors():
            hashes.tofile(self._file)

    def _hash(self, value: object) -> int:
        row, self._count = self._count, self._count + 1
        if value is None or value is ABSENT or (text := as_text(value)) == "":
            self._empty_count += 1
            if self._empty_count <= MAX_REPORTED:
                self._empty_rows.append(row)
            return 0
        return hash(text)

    def refuse_bad(self, table: Table, key: str) -> None:
        """Raise `InputError` if a key is duplicate or empty."""
        duplicates = sorted(self._duplicates(table, key))
        reported = {row for first, other, _ in duplicates[:MAX_REPORTED] for row in (first, other)}
        lines = line_numbers(table, {*self._empty_rows, *reported})

        def place(row: int) -> str:
            return f"row {row}" if row not in lines else f"line {lines[row]} (row {row})"

        problems = [f"{table.path}: {place(row)}: the key {key!r} is empty" for row in self._empty_rows]
        if self._empty_count > MAX_REPORTED:
            problems.append(f"{table.path}: and {self._empty_count - MAX_REPORTED} more rows without a key")
        problems += [
            f"{table.path}: {place(first)} and {place(other)} have the same key {key!r}: {text[:80]!r}"
            for first, other, text in duplicates[:MAX_REPORTED]
        ]
        if len(duplicates) > MAX_REPORTED:
            problems.append(f"{table.path}: and more rows with the key of another")
        if problems:
            raise InputError(*problems)

    def _duplicates(self, table: Table, key: str) -> Iterator[tuple[int, int, str]]:
        """The first and last row of each duplicate key, and the key. Stops after more than `MAX_REPORTED`."""
        found = 0
        for duplicates in self._hashes_seen_twice():
            rows: dict[str, list[int]] = {}
            for row in self._rows_of(duplicates):
                text = as_text(next(iter(table.batches(row))).values([key])[0][0])
                rows.setdefault(text, []).append(row)
            for text, numbers in rows.items():
                if len(numbers) > 1:
                    yield numbers[0], numbers[-1], text
                    found += 1
            if found > MAX_REPORTED:
                return

    def _hashes_seen_twice(self) -> Iterator[int]:
        parts = 1
        while self._count / parts > HASHES_PER_PART:
            parts *= 2
        for part in range(parts):
            hashes = [pc.filter(chunk, _is_in_part(chunk, part, parts)) for chunk in self._chunks()]
            counts = pc.value_counts(pa.chunked_array(hashes, pa.int64()))
            duplicates = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
            yield from (value for value in duplicates.to_pylist() if value != 0)

    def _rows_of(self, wanted: int) -> list[int]:
        """All rows with this hash if they are few, since their keys may differ; else the first and the last row."""
        rows, first = list[int](), 0
        for chunk in self._chunks():
            rows += [first + position for position in pc.indices_nonzero(pc.equal(chunk, wanted)).to_pylist()]
            first += len(chunk)
            if len(rows) > MAX_REPORTED:
                rows = [rows[0], rows[-1]]
        return rows

    def _chunks(self) -> Iterator[pa.Array]:
        with _storage_errors():
            self._file.seek(0)
            while data := self._file.read(HASHES_PER_PART * _HASH_BYTES):
                yield pa.Array.from_buffers(pa.int64(), len(data) // _HASH_BYTES, [None, pa.py_buffer(data)])


def _is_in_part(hashes: pa.Array, part: int, parts: int) -> pa.Array:
    return pc.equal(pc.bit_wise_and(hashes, parts - 1), part)


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the temporary folder: the keys of the input cannot be compared there: {error.strerror or error}"
        ) from error
