"""Reuse of results from earlier jobs.

A row is recognised by its reuse key, a hash of its key and its inputs. Every job with `--key` records the reuse keys of
its rows for later jobs (in the events `Reused`, `Adopted`, `Held` and `SubmitStarted`).
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec

from batchrun.adapters.checkpoint import connection, reuse_reader
from batchrun.adapters.tables.arrow_values import as_text
from batchrun.adapters.tables.base import Batch
from batchrun.dialects.base import Inputs
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.error_kinds import ErrorKind
from batchrun.domain.events import Adopted, Held, Reused
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
    """The rows of an earlier job as they were at the first call of `find`. Its checkpoint is only read.

    `source`: the name of the job in the results. Use it from one thread at a time.
    """

    def __init__(self, checkpoint: Path, source: str) -> None:
        self._checkpoint = checkpoint
        self.source = source
        self._opened = ExitStack()
        self._db: sqlite3.Connection | None = None

    def completed(self, reuse_key: bytes) -> Reused | None:
        """The completed row with this reuse key, if any. Raises `InputError` and `StorageError`."""
        with self._reading() as db:
            return reuse_reader.completed_with(db, reuse_key, self.source)

    def open(self, reuse_key: bytes) -> Adopted | Held | None:
        """The row with this reuse key that was sent there and had not ended, if any. Raises the same."""
        with self._reading() as db:
            return reuse_reader.open_with(db, reuse_key, self.source)

    def has_failed(self, reuse_key: bytes, run_id: str) -> bool:
        """Whether that job knows that this run has failed. Raises the same."""
        with self._reading() as db:
            return reuse_reader.has_failed(db, reuse_key, run_id)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._database()
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


class EarlierJobs:
    """Several earlier jobs, the newest first. A result of any of them comes before a run, and that before a doubt."""

    def __init__(self, jobs: Sequence[EarlierJob]) -> None:
        self.jobs = jobs

    def find(
        self, reuse_key: bytes, *, holds: bool = True, adopts: bool = True, ended_run: str | None = None
    ) -> Reused | Adopted | Held | None:
        """What the jobs know of the row with this reuse key. `holds`, `adopts`: see `ReuseKeys`.

        A run that has not ended for one job may have failed for another one that has polled it later, or for this one
        (`ended_run`). Raises `InputError` and `StorageError`.
        """
        for job in self.jobs:
            if (reused := job.completed(reuse_key)) is not None:
                return reused
        found = [known for job in self.jobs if (known := job.open(reuse_key)) is not None]
        runs = [known for known in found if isinstance(known, Adopted) and known.run_id != ended_run] if adopts else []
        adopted = next((run for run in runs if not self._has_failed(run)), None)
        held = next((known for known in found if isinstance(known, Held)), None) if holds else None
        return adopted or held

    def _has_failed(self, run: Adopted) -> bool:
        return any(job.has_failed(run.reuse_key, run.run_id) for job in self.jobs)

    def close(self) -> None:
        """Close the checkpoints."""
        for job in self.jobs:
            job.close()


class ReuseKeys:
    """Adds reuse keys to the rows of a job with `--key`, and what earlier jobs know of these rows.

    `holds`: rows that are in doubt in an earlier job are held and not sent. `adopts`: runs that have not ended there
    are polled, which needs the same service. `digest`: the digest of a local file. In a reuse key it stands for the
    file, whose path and reference may change.
    """

    def __init__(
        self,
        mapping: ColumnMapping,
        key: str,
        earlier: EarlierJobs | None = None,
        digest: Callable[[str], str] = str,
        sweep: Sweep = PLAIN,
        *,
        holds: bool = True,
        adopts: bool = True,
    ) -> None:
        self._mapping = mapping
        self._key = key
        self._earlier = earlier
        self._digest = digest
        self._sweep = sweep
        self._holds, self._adopts = holds, adopts

    def with_keys(self, works: Sequence[Work], batch: Batch) -> Iterator[list[Work]]:
        """The rows of a batch with their reuse keys, in pieces limited by the size of the reused outputs."""
        keys = batch.values((self._key,))
        piece, characters = list[Work](), 0
        for plain in works:
            work = self._with_key(plain, keys[plain.row.row - batch.start][0])
            piece.append(work)
            characters += len(work.earlier.output or "") if isinstance(work.earlier, Reused) else 0
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
        earlier, row = None, work.row
        if self._earlier is not None:
            # A queued row that was in doubt is one that the user has decided to submit.
            is_decided = row.problem is not None and row.problem.kind is ErrorKind.IN_DOUBT
            holds = self._holds and not is_decided
            earlier = self._earlier.find(reuse_key, holds=holds, adopts=self._adopts, ended_run=row.run_id)
        # The order of keys within an object may matter to the workflow, so do not send the sorted text then.
        ordered = any(isinstance(value, dict | list | tuple) for value in inputs.values())
        sendable = None if ordered or self._mapping.files else text
        return Work(row, work.values, reuse_key, earlier, sendable, digests or None)

    def close(self) -> None:
        """Close the earlier jobs."""
        if self._earlier is not None:
            self._earlier.close()
