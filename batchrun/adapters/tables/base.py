"""The common interface of all input formats."""

import glob
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import pyarrow as pa

from batchrun.adapters.tables.footer import RestoredTypes
from batchrun.adapters.tables.inference import TableInference
from batchrun.adapters.tables.input_file import InputFile
from batchrun.domain.fingerprint import FileStamp, Inference
from batchrun.domain.name_list import shortened
from batchrun.errors import InputError, UnreadableInputError

BATCH_ROWS = 512
"""Maximum rows per batch. A small batch fits into the processor's caches and seldom triggers the garbage collector."""

MAX_REPORTED = 10
"""Maximum mistakes of a kind to report one by one."""

BATCH_BYTES = 8 << 20
"""Approximate maximum bytes per batch. A larger single row is a batch of its own."""


@dataclass(frozen=True, slots=True)
class Source:
    """The job's options for its input. `format` overrides the suffix; `encoding` and `delimiter` are for text inputs.

    `kinds`: the types of text columns (`--type`), by column. `is_default_delimiter`: the delimiter is that of the
    format, and a file may name another. `named`: the columns that `--param` names; of a result of batchrun, those that
    it has added are columns of the input only if they are named.
    """

    path: Path
    format: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    is_default_delimiter: bool = False
    named: frozenset[str] = frozenset()


def stamp(path: Path) -> FileStamp:
    """The stamp of a file. Raises OSError if it does not exist."""
    found = path.stat()
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ino)


def common_stamp(files: Sequence[InputFile]) -> FileStamp:
    """One stamp for several files: the total size, the latest time, and a digest of all names and stamps."""
    stamps = [file.stamp for file in files]
    facts = [(file.path.name, one.size, one.mtime_ns, one.inode) for file, one in zip(files, stamps, strict=True)]
    digest = hashlib.blake2b(repr(facts).encode(), digest_size=6).digest()
    size, latest = sum(one.size for one in stamps), max((one.mtime_ns for one in stamps), default=0)
    return FileStamp(size, latest, int.from_bytes(digest))


def is_glob(path: Path) -> bool:
    """Whether the path is a glob pattern. An existing file whose name contains such characters is not."""
    return glob.has_magic(str(path)) and not path.exists()


def files_of(path: Path) -> list[Path]:
    """The files of an input, in name order: the file itself, or the Parquet files of a folder or a glob."""
    if path.is_dir():
        return sorted(file for file in path.glob("*.parquet") if not file.name.startswith((".", "_")))
    if is_glob(path):
        root = Path(path.anchor)
        return sorted(file for file in root.glob(str(path.relative_to(root))) if not file.is_dir())
    return [path]


def unread_in(path: Path) -> list[str]:
    """The names in a folder of Parquet files that are not read, in order; those of folders end with a slash.

    Marks of other programs, such as `_SUCCESS` and `.DS_Store`, are left out.
    """
    read = set(files_of(path)) if path.is_dir() else set()
    found = [] if not read else sorted(file for file in path.iterdir() if file not in read)
    return [
        f"{file.name}/" if file.is_dir() else file.name
        for file in found
        if not file.name.startswith((".", "_")) or file.suffix.lower() == ".parquet"
    ]


class Batch(Protocol):
    """Consecutive rows of a table."""

    @property
    def start(self) -> int:
        """The number of the first row, counted from 0 in the whole table."""
        ...

    @property
    def byte_offset(self) -> int | None:
        """The offset of the batch in the decompressed text file, in bytes; None if unknown, or for other files."""
        ...

    def __len__(self) -> int: ...

    def values(self, columns: Sequence[str]) -> list[tuple[object, ...]]:
        """The values of these columns as they are sent, by row.

        Values have JSON's types, or are bytes (binary columns), `msgspec.Raw` (JSON text that is sent unchanged) or one
        of the types of `domain.cells`.
        """
        ...

    def content(self) -> Sequence[object]:
        """The contents of each row, in types of MessagePack, for the fingerprint."""
        ...

    def observe(self, table_inference: TableInference) -> None:
        """Pass the values of columns without a declared type to type inference."""
        ...

    def arrow(self) -> pa.RecordBatch:
        """All columns, with the schema of the table."""
        ...


_BatchT = TypeVar("_BatchT", bound=Batch)


class Table(Protocol):
    """An opened input."""

    @property
    def path(self) -> Path:
        """The path of the input, for messages."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns: unique and not empty."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The types of the columns in the results."""
        ...

    @property
    def unsendable(self) -> Mapping[str, str]:
        """The columns that can be written to the results but not sent, and the reasons."""
        ...

    @property
    def restore(self) -> RestoredTypes:
        """How to read the columns from the results so that the same values are sent again."""
        ...

    @property
    def needs_inference(self) -> bool:
        """Whether columns or types are unknown until all values have been read (`inspection.inspect`)."""
        ...

    def with_inference(self, inference: Inference) -> "Table":
        """The table with its inferred columns; raises `InputError` if they are not valid."""
        ...

    @property
    def stamp(self) -> FileStamp:
        """The stamp of the file when it was opened, or of all files together."""
        ...

    @property
    def files(self) -> Sequence[InputFile]:
        """The files, which stay open."""
        ...

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The rows from row `start` on, in order and in bounded memory.

        They are those that the file had when it was opened. Raises `InputError` if the contents do not match the
        format, and `UnreadableInputError` if the file cannot be read or no longer has these rows.
        """
        ...


def disk_errors(path: Path, batches: Iterator[_BatchT]) -> Iterator[_BatchT]:
    """Yield the batches; raises `UnreadableInputError` if the disk fails."""
    try:
        yield from batches
    except OSError as error:
        raise UnreadableInputError(f"{path}: cannot be read: {error.strerror or error}") from error


def checked_columns(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    """The column names as a tuple. Raises `InputError` for all empty and duplicate ones, with their numbers from 1."""
    positions: dict[str, list[str]] = {}
    for number, name in enumerate(names, 1):
        positions.setdefault(name, []).append(str(number))
    problems = [
        f"{path}: the name of column {', '.join(_few(numbers))} is empty. Every column needs a name of its own"
        if not name
        else f"{path}: columns {' and '.join(_few(numbers))} are {'both' if len(numbers) == 2 else 'all'} named "
        f"{shortened(name)!r}. Every column needs a name of its own"
        for name, numbers in positions.items()
        if not name or len(numbers) > 1
    ]
    if len(problems) > MAX_REPORTED:
        problems[MAX_REPORTED:] = [f"{path}: and {len(problems) - MAX_REPORTED:,} more such names"]
    if problems:
        raise InputError(*problems)
    return tuple(names)


def _few(numbers: Sequence[str]) -> Sequence[str]:
    """The first numbers, and how many more there are."""
    more = len(numbers) - MAX_REPORTED
    return numbers if more <= 0 else [*numbers[:MAX_REPORTED], f"{more:,} more"]
