"""One pass over an input before anything is sent: its fingerprint, its types, and whether its keys are unique."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import msgspec

from batchrun.adapters.tables.base import Table
from batchrun.adapters.tables.inference import TableInference
from batchrun.adapters.tables.line_numbers import line_numbers
from batchrun.adapters.tables.row_keys import Keys
from batchrun.domain.fingerprint import Fingerprint, Inference, RowOffset
from batchrun.errors import InputError

MAX_KEYS = 10_000
"""Columns of a table whose rows name them. With one for each row, the time would grow with the square of the rows."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """The result of the pass. `table`: the inspected table with its inferred columns.

    `prefix_matches`: whether the input starts with the rows of the given fingerprint; None if none was given.
    `warnings`: rows that are probably no data, one line each.
    """

    table: Table
    fingerprint: Fingerprint
    inference: Inference
    prefix_matches: bool | None
    warnings: Sequence[str] = ()


def inspect(table: Table, key: str | None, known: Fingerprint | None) -> Inspection:
    """Read the whole input in bounded memory. Parses every row, checks the key, and compares the contents with `known`.

    Raises `InputError` with the numbers of the bad rows (from 0, as in the results), and `StorageError`.
    """
    digest = hashlib.blake2b(_encode(table.columns), digest_size=32)
    table_inference, rows = TableInference(), 0
    prefix = digest.hexdigest() if known and known.rows == 0 else None
    with closing(Keys()) as keys:
        checked = key if key is not None and (not table.columns or _is_sendable(table, key)) else None
        for batch in table.batches():
            try:
                content = batch.content()
            except UnicodeDecodeError as error:
                rows_read = f"rows {batch.start} to {batch.start + len(batch) - 1}"
                raise InputError(f"{table.path}: {rows_read} hold text that is not UTF-8: {error}") from None
            batch.observe(table_inference)
            if not table.columns and table_inference.columns > MAX_KEYS:
                raise InputError(
                    f"{table.path}: its first {batch.start + len(batch):,} rows have {table_inference.columns:,} "
                    f"different keys; {MAX_KEYS:,} are the most. Keys that differ from row to row are probably data: "
                    "make them values"
                )
            if batch.byte_offset is not None:
                table_inference.add_offset(RowOffset(batch.start, batch.byte_offset))
            if checked is not None:
                keys.add([value for (value,) in batch.values([checked])])
            if known and rows < known.rows <= rows + len(content):
                cut = known.rows - rows
                digest.update(_rows(content[:cut]))
                prefix = digest.hexdigest()
                digest.update(_rows(content[cut:]))
            else:
                digest.update(_rows(content))
            rows += len(content)
        inference = table_inference.inference(rows)
        table = table.with_inference(inference)
        if checked is not None and checked in table.columns:
            keys.refuse_bad(table, checked)
    matches = None if known is None else prefix == known.digest
    warnings = _warnings(table, table_inference.suspicious)
    return Inspection(table, Fingerprint(rows, digest.hexdigest()), inference, matches, warnings)


def _warnings(table: Table, suspicious: Mapping[int, str]) -> list[str]:
    lines = line_numbers(table, suspicious)
    return [f"{table.path}: line {lines.get(row, '?')} (row {row}) {what}" for row, what in suspicious.items()]


@contextmanager
def verified(table: Table, known: Fingerprint) -> Iterator[None]:
    """Within the block, an input that is written to goes on being read as long as it begins with the known rows."""
    as_opened = table.with_inference(Inference())  # the fingerprint begins with the columns of the opened table
    for file in table.files:
        file.verify = lambda: inspect(as_opened, None, known).prefix_matches is True
    try:
        yield
    finally:
        for file in table.files:
            file.verify = None


_encode = msgspec.msgpack.Encoder().encode
"""MessagePack prefixes each value with its type and length, so different inputs never give the same bytes. Checkpoints
keep the digest: a change here must still recognise inputs recorded by earlier versions."""


def _rows(content: Sequence[object]) -> memoryview:
    """The encoded rows without the header of their array, so that the digest does not depend on the size of batches."""
    count = len(content)
    return memoryview(_encode(content))[1 if count < 16 else 3 if count < 1 << 16 else 5 :]


def _is_sendable(table: Table, key: str) -> bool:
    """Whether the column exists and can be a key. If not, `domain.column_mapping` or the caller reports it."""
    return key in table.columns and key not in table.unsendable
