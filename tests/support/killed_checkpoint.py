"""A checkpoint that a kill leaves behind."""

from collections.abc import Sequence
from typing import Any

from batchrun.adapters.checkpoint.entries import AnyEntry
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.counters import Counters
from batchrun.errors import StorageError


class KilledCheckpoint(Checkpoint):
    """A checkpoint whose process is killed after `changes` row changes. Committed changes stay; no more are written.

    What was counted since the last whole commit is lost.
    """

    def __init__(self, original: Checkpoint, changes: int) -> None:
        self.__dict__.update(original.__dict__)
        self._remaining = changes
        self._counted = Counters()

    def record_upload(self, digest: str, reference: str, at: int) -> None:
        if self._remaining == 0:
            raise StorageError("killed")
        super().record_upload(digest, reference, at)

    def commit(
        self, entries: Sequence[AnyEntry], counters: Counters, at: int, elapsed_s: float
    ) -> list[Exception | None]:
        survived = list(entries)[: self._remaining]
        self._remaining -= len(survived)
        if self._remaining == 0:
            super().commit(survived, self._counted, at, elapsed_s)
            raise StorageError("killed")
        self._counted = counters
        return super().commit(survived, counters, at, elapsed_s)

    def end_session(self, *arguments: Any, **options: Any) -> None:
        if self._remaining == 0:
            raise StorageError("killed")
        super().end_session(*arguments, **options)
