"""Tells errors of a database that is damaged, or of its disk, from bugs."""

import sqlite3
from pathlib import Path
from types import TracebackType

import msgspec

from batchrun.errors import StorageError

_BUGS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)

ADVICE = "Put a copy of it back, or set the job aside with --fresh"


def storage_error(error: BaseException, path: Path) -> BaseException:
    """The error, or the `StorageError` that stands for it if SQLite could not read or write the database at `path`."""
    if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, _BUGS):
        return error
    if isinstance(error, sqlite3.OperationalError) and "decode" not in str(error):
        return StorageError(f"{path}: cannot be used: {error}")
    return StorageError(f"{path}: is damaged: {error}. {ADVICE}")


class decoding:  # noqa: N801 - used like a function: with decoding()
    """Convert errors about values that were read from the database into `StorageError`: nobody has written them."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ValueError | TypeError | KeyError | OverflowError | msgspec.MsgspecError):
            raise StorageError(
                f"the checkpoint is damaged: it holds a value that was never written. {ADVICE}"
            ) from None
