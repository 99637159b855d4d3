"""The rows whose polls brought nothing usable when a session ended. A later session polls them with care."""

from functools import lru_cache

import msgspec

from batchrun.domain.frozen import Frozen

MAX_RECORDED = 1000
"""Rows of each sort that are recorded, the last ones."""


class UnhelpfulRows(Frozen, frozen=True, omit_defaults=True):
    """Three sorts of rows, by what the last poll met."""

    throttled: tuple[int, ...] = ()
    """The service asked for a long pause. One such poll keeps all others from being sent."""
    refused: tuple[int, ...] = ()
    """The poll was refused in a way that would stop the job if all polls met it."""
    failed: tuple[int, ...] = ()
    """There was no answer, or one that shows a problem of the service."""

    @property
    def record(self) -> str:
        """The rows as text."""
        sorts = [rows[-MAX_RECORDED:] for rows in (self.throttled, self.refused, self.failed)]
        return msgspec.json.encode(UnhelpfulRows(*sorts)).decode()

    @classmethod
    def of(cls, record: str) -> "UnhelpfulRows":
        """The rows in a text that `record` returned."""
        return msgspec.json.decode(record, type=cls) if record else cls()


@lru_cache(8)
def merged_rows(records: tuple[str, ...]) -> str:
    """The rows of several engines of one job, each as `UnhelpfulRows.record` returned them, or empty."""
    found = [UnhelpfulRows.of(record) for record in dict.fromkeys(records) if record]

    def rows(sort: str) -> tuple[int, ...]:
        return tuple(dict.fromkeys(row for one in found for row in getattr(one, sort)))

    return UnhelpfulRows(rows("throttled"), rows("refused"), rows("failed")).record if found else ""
