"""What every format of input looks like from outside, and the watch that is kept over its file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from batchrun.errors import InputError, StorageError

BATCH_ROWS = 1024
"""Most rows of one batch. So few stay in the caches of the processor: 4,096 take half as long again to inspect."""

BATCH_BYTES = 8 << 20
"""About the most bytes of one batch, a single row of more excepted."""


@dataclass(frozen=True, slots=True)
class Source:
    """What the job says of its input. `format` overrides the suffix; encoding and delimiter are of text inputs."""

    path: Path
    format: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None


@dataclass(frozen=True, slots=True)
class FileStamp:
    """By what a file is recognised without reading it: size in bytes, modification time in ns, inode."""

    size: int
    mtime_ns: int
    inode: int


def stamp(path: Path) -> FileStamp:
    """The stamp of a file; raises OSError where there is none."""
    found = path.stat()
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ino)


class Batch(Protocol):
    """Some successive rows of a table."""

    @property
    def start(self) -> int:
        """The row number, in the whole table and from 0, of the first row."""
        ...

    def __len__(self) -> int: ...

    def values(self, columns: Sequence[str]) -> list[tuple[object, ...]]:
        """Row for row the values of these columns as they are sent: what JSON has, and bytes of binary columns."""
        ...

    def arrow(self) -> pa.RecordBatch:
        """All columns, in the schema of the table."""
        ...


class Table(Protocol):
    """An input that was found readable when it was opened."""

    @property
    def path(self) -> Path:
        """Where it is, for messages."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns, no two alike and none empty."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The types in which its columns are carried over into the results."""
        ...

    @property
    def unsendable(self) -> Mapping[str, str]:
        """The columns that can be carried over but not sent, and why not."""
        ...

    @property
    def stamp(self) -> FileStamp:
        """The file as it was when it was opened."""
        ...

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The rows from row `start` on, in order and in bounded memory.

        Raises `InputError` where the contents are not what the format asks for, and `StorageError` when the file
        cannot be read or is not the one that was opened.
        """
        ...


def watched(path: Path, opened: FileStamp, batches: Iterator[Batch]) -> Iterator[Batch]:
    """The batches, as long as the file is the one that was opened; `StorageError` otherwise."""
    try:
        _refuse_change(path, opened)
        try:
            for batch in batches:
                _refuse_change(path, opened)
                yield batch
        except InputError:
            _refuse_change(path, opened)  # a file that changes under the reader may look like anything
            raise
        _refuse_change(path, opened)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror or error}") from error


def _refuse_change(path: Path, opened: FileStamp) -> None:
    if stamp(path) != opened:
        raise StorageError(
            f"{path}: the input changed while the job was running.\n"
            "Put it back as it was and run the same command again; if rows were only appended, just run it again."
        )


def checked_columns(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns. Raises `InputError` naming all that are empty or given twice, counted from 1."""
    if not names:
        raise InputError(f"{path}: has no columns; its first line must name them")
    places: dict[str, list[str]] = {}
    for number, name in enumerate(names, 1):
        places.setdefault(name, []).append(str(number))
    problems = [
        f"{path}: the name of column {', '.join(numbers)} is empty. Every column needs a name of its own"
        if not name
        else f"{path}: columns {' and '.join(numbers)} are both named {name!r}. Every column needs a name of its own"
        for name, numbers in places.items()
        if not name or len(numbers) > 1
    ]
    if problems:
        raise InputError(*problems)
    return tuple(names)
