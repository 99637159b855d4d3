"""Tells errors of a database that is damaged, or of its disk, from bugs."""

import sqlite3
from pathlib import Path
from types import TracebackType

import msgspec

from batchrun.errors import NO_MEMORY, StorageError

_BUGS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.NotSupportedError)

ADVICE = "Put a copy of it back, or set the job aside with --fresh"


def storage_error(error: BaseException, path: Path) -> BaseException:
    """The error, or the `StorageError` that stands for it.

    There is one if SQLite could not read or write the database at `path`, and if memory ran out.
    """
    if isinstance(error, MemoryError):
        return StorageError(NO_MEMORY)
    if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, _BUGS):
        return error
    if (damage := damage_of(error)) is None:
        return StorageError(f"{path}: cannot be used: {error}")
    return StorageError(f"{path}: is damaged: {damage}. {ADVICE}")


def damage_of(error: BaseException | None) -> str | None:
    """What is damaged in a database, by an error of SQLite; None if it is no such error."""
    if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, _BUGS):
        return None
    if not isinstance(error, sqlite3.OperationalError):
        return str(error)
    if "decode" in str(error):
        return "it has a text that is not UTF-8"  # SQLite shows the whole text
    if "malformed JSON" in str(error):
        return "a completed row has no output"  # see `results_reader`
    # A statement cannot be executed: another format, or a table that is declared in another way.
    return str(error) if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR else None


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
