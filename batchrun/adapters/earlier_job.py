"""Reuse of results from an earlier job.

A row is recognised by its reuse key, a hash of its key and its inputs. Every job with `--key` records the reuse keys of
its rows for later jobs (in the events `Reused` and `SubmitStarted`).
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path

import msgspec

from batchrun.adapters.checkpoint import connection, reuse_reader
from batchrun.adapters.tables.arrow_values import as_text
from batchrun.adapters.tables.base import Batch
from batchrun.dialects.base import Inputs
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.events import Reused
from batchrun.domain.sweep import PLAIN, Sweep
from batchrun.errors import StorageError
from batchrun.ports import UnusableFileError, Work

_encode_sorted = msgspec.json.Encoder(order="deterministic").encode

PIECE_CHARACTERS = 16 << 20
"""Characters of reused outputs per piece, approximately."""


def reuse_key_of(key: str, inputs: Inputs, *distinction: object) -> bytes:
    """A hash of 16 bytes of a row's key and inputs, independent of the order of the inputs.

    `distinction`: what else tells the row from others of the same key and inputs (`Sweep.distinction`).

    Values of different JSON types differ; a `msgspec.Raw` is hashed as it is. Raises msgspec's errors for a value that
    JSON cannot represent.
    """
    return blake2b(_encode_sorted([key, inputs, *distinction]), digest_size=16).digest()


class EarlierJob:
    """The rows that an earlier job had completed at the first call of `find`. Its checkpoint is only read.

    `source`: the name of the job in the results. Use it from one thread at a time.
    """

    def __init__(self, checkpoint: Path, source: str) -> None:
        self._checkpoint = checkpoint
        self.source = source
        self._opened = ExitStack()
        self._db: sqlite3.Connection | None = None

    def find(self, reuse_key: bytes) -> Reused | None:
        """The completed row with this reuse key, if any. Raises `InputError` and `StorageError`."""
        try:
            return reuse_reader.completed_with(self._database(), reuse_key, self.source)
        except sqlite3.Error as error:
            raise StorageError(f"{self._checkpoint}: cannot be read: {error}") from None

    def _database(self) -> sqlite3.Connection:
        if self._db is None:
            db = self._opened.enter_context(connection.open_reader(self._checkpoint))
            reuse_reader.index_reuse_keys(db)
            self._db = db
        return self._db

    def close(self) -> None:
        """Close the checkpoint."""
        self._db = None
        self._opened.close()


class ReuseKeys:
    """Adds reuse keys to the rows of a job with `--key`, and the results of an earlier job.

    `digest`: the digest of a local file. In a reuse key it stands for the file, whose path and reference may change.
    """

    def __init__(
        self,
        mapping: ColumnMapping,
        key: str,
        earlier: EarlierJob | None = None,
        digest: Callable[[str], str] = str,
        sweep: Sweep = PLAIN,
    ) -> None:
        self._mapping = mapping
        self._key = key
        self._earlier = earlier
        self._digest = digest
        self._sweep = sweep

    def with_keys(self, works: Sequence[Work], batch: Batch) -> Iterator[list[Work]]:
        """The rows of a batch with their reuse keys, in pieces limited by the size of the reused outputs."""
        keys = batch.values((self._key,))
        piece, characters = list[Work](), 0
        for plain in works:
            work = self._with_key(plain, keys[plain.row.row - batch.start][0])
            piece.append(work)
            characters += len(work.reused.output or "") if work.reused else 0
            if characters >= PIECE_CHARACTERS:
                yield piece
                piece, characters = [], 0
        yield piece

    def _with_key(self, work: Work, key: object) -> Work:
        """Add the reuse key to a row. A row that cannot be sent gets none; the submitter reports it."""
        try:
            inputs = self._mapping.inputs(work.values)
            digests = {path: self._digest(path) for path in self._mapping.paths(inputs)}
            inputs = self._mapping.with_files(inputs, lambda path: {"sha256": digests[path]})
            text = msgspec.Raw(_encode_sorted(inputs))
            reuse_key = reuse_key_of(as_text(key), text, *self._sweep.distinction(work.row.row))
        except (TypeError, ValueError, OverflowError, RecursionError, UnusableFileError):
            return work
        reused = None
        if self._earlier is not None and work.row.attempts == 0:
            reused = self._earlier.find(reuse_key)
        # The order of keys within an object may matter to the workflow, so do not send the sorted text then.
        ordered = any(isinstance(value, dict | list | tuple) for value in inputs.values())
        sendable = None if ordered or self._mapping.files else text
        return Work(work.row, work.values, reuse_key, reused, sendable, digests or None)

    def close(self) -> None:
        """Close the earlier job."""
        if self._earlier is not None:
            self._earlier.close()
