"""One pass over an input before anything is sent: its contents in a few bytes, and whether its keys are keys."""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import msgspec

from batchrun.adapters.tables.base import Table
from batchrun.adapters.tables.inference import TableInference
from batchrun.adapters.tables.keys import Keys
from batchrun.domain.fingerprint import Fingerprint, Inference, RowOffset
from batchrun.errors import InputError


@dataclass(frozen=True, slots=True)
class Inspection:
    """What one pass found. `table` is the one that was inspected, with what its survey tells.

    `prefix_matches`: whether the input begins with the rows of the fingerprint that was given; None of none.
    """

    table: Table
    fingerprint: Fingerprint
    inference: Inference
    prefix_matches: bool | None


def inspect(table: Table, key: str | None, known: Fingerprint | None) -> Inspection:
    """Read the whole input in bounded memory: every row parses, the key identifies rows, the contents are `known`.

    Raises `InputError` naming the rows (from 0, as in the results) that are at fault, and `StorageError`.
    """
    digest = hashlib.blake2b(_encode(table.columns), digest_size=32)
    table_inference, rows = TableInference(), 0
    prefix = digest.hexdigest() if known and known.rows == 0 else None
    with closing(Keys()) as keys:
        checked = key if key is not None and (table.needs_survey or _is_sendable(table, key)) else None
        for batch in table.batches():
            try:
                content = batch.content()
            except UnicodeDecodeError as error:
                rows_read = f"rows {batch.start} to {batch.start + len(batch) - 1}"
                raise InputError(f"{table.path}: {rows_read} hold text that is not UTF-8: {error}") from None
            batch.observe(table_inference)
            if batch.place is not None:
                table_inference.pass_by(RowOffset(batch.start, batch.place))
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
        table = table.surveyed(inference)
        if checked is not None and checked in table.columns:
            keys.refuse_bad(table, checked)
    matches = None if known is None else prefix == known.digest
    return Inspection(table, Fingerprint(rows, digest.hexdigest()), inference, matches)


_encode = msgspec.msgpack.Encoder().encode
"""MessagePack writes its type and its length before each text, list and row, so that no two inputs are hashed alike. A
checkpoint keeps the digest: what is hashed here cannot change without a way to know the inputs of earlier versions."""


def _rows(content: Sequence[object]) -> memoryview:
    """The rows one after the other, without the head of the array around them: batches may be of any size."""
    count = len(content)
    return memoryview(_encode(content))[1 if count < 16 else 3 if count < 1 << 16 else 5 :]


def _is_sendable(table: Table, key: str) -> bool:
    """Whether the column is there and can be a key; `domain.mapping` and the caller say so where it is not."""
    return key in table.columns and key not in table.unsendable
