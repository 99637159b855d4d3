"""Whether a column identifies its rows, among any number of them and in flat memory.

A hash of each key goes to a temporary file. At the end the hashes that occur more than once are looked for, a share of
all possible ones at a time so that little is in memory, and their keys are read again: only equal keys are equal.
"""

import tempfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from batchrun.adapters.tables.arrow_values import as_text
from batchrun.adapters.tables.base import Table
from batchrun.domain.cells import ABSENT
from batchrun.errors import InputError, StorageError

SHOWN = 10
"""Most rows with a bad key that are named."""

SHARE = 1 << 21
"""About so many hashes are compared at a time, and held in memory."""

_WIDTH = 8


class Keys:
    """The keys of one column, row after row."""

    def __init__(self) -> None:
        with _disk():
            self._file = tempfile.TemporaryFile(prefix="batchrun-keys-")  # noqa: SIM115 - closed by `close`
        self._empty: list[int] = []
        self._empties = 0
        self._count = 0

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def add(self, values: Sequence[object]) -> None:
        """Take the keys of the next rows."""
        if set(map(type, values)) == {str} and "" not in values:  # nothing to look at one by one
            hashes = array("q", map(hash, values))
            self._count += len(values)
        else:
            hashes = array("q", map(self._hash, values))
        with _disk():
            hashes.tofile(self._file)

    def _hash(self, value: object) -> int:
        row, self._count = self._count, self._count + 1
        if value is None or value is ABSENT or (text := as_text(value)) == "":
            self._empties += 1
            if self._empties <= SHOWN:
                self._empty.append(row)
            return 0
        return hash(text)

    def refuse_bad(self, table: Table, key: str) -> None:
        """Raise `InputError` if there was a value twice, or none."""
        problems = [f"{table.path}: row {row}: the key {key!r} is empty" for row in self._empty]
        if self._empties > SHOWN:
            problems.append(f"{table.path}: and {self._empties - SHOWN} more rows without a key")
        twice = list(self._same(table, key))
        problems += [
            f"{table.path}: rows {first} and {other} have the same key {key!r}: {text[:80]!r}"
            for first, other, text in sorted(twice[:SHOWN])
        ]
        if len(twice) > SHOWN:
            problems.append(f"{table.path}: and more rows with the key of another")
        if problems:
            raise InputError(*problems)

    def _same(self, table: Table, key: str) -> Iterator[tuple[int, int, str]]:
        """First and last row of each key that occurs more than once, and the key; at most one more than are shown."""
        found = 0
        for twice in self._hashes_seen_twice():
            rows: dict[str, list[int]] = {}
            for row in self._rows_of(twice):
                text = as_text(next(iter(table.batches(row))).values([key])[0][0])
                rows.setdefault(text, []).append(row)
            for text, places in rows.items():
                if len(places) > 1:
                    yield places[0], places[-1], text
                    found += 1
            if found > SHOWN:
                return

    def _hashes_seen_twice(self) -> Iterator[int]:
        shares = 1
        while self._count / shares > SHARE:
            shares *= 2
        for share in range(shares):
            part = [pc.filter(some, _is_of(some, share, shares)) for some in self._chunks()]
            counts = pc.value_counts(pa.chunked_array(part, pa.int64()))
            twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
            yield from (value for value in twice.to_pylist() if value != 0)

    def _rows_of(self, wanted: int) -> list[int]:
        """The first and the last row with this hash; all of them where there are few, so that none hides another."""
        rows, first = list[int](), 0
        for some in self._chunks():
            rows += [first + place for place in pc.indices_nonzero(pc.equal(some, wanted)).to_pylist()]
            first += len(some)
            if len(rows) > SHOWN:
                rows = [rows[0], rows[-1]]
        return rows

    def _chunks(self) -> Iterator[pa.Array]:
        with _disk():
            self._file.seek(0)
            while data := self._file.read(SHARE * _WIDTH):
                yield pa.Array.from_buffers(pa.int64(), len(data) // _WIDTH, [None, pa.py_buffer(data)])


def _is_of(hashes: pa.Array, share: int, shares: int) -> pa.Array:
    return pc.equal(pc.bit_wise_and(hashes, shares - 1), share)


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the temporary folder: the keys of the input cannot be compared there: {error.strerror or error}"
        ) from error
