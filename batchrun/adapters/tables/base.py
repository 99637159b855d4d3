"""What every format of input looks like from outside, and the watch that is kept over its file."""

import glob
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import pyarrow as pa

from batchrun.adapters.tables.footer import RestoredTypes
from batchrun.adapters.tables.inference import TableInference
from batchrun.domain.fingerprint import FileStamp, Inference
from batchrun.errors import InputError, StorageError

BATCH_ROWS = 512
"""Most rows of one batch. So few stay in the caches of the processor, and below the 700 new objects at which Python's
garbage collector sets out: 1,024 take a quarter longer to read, 4,096 half as long again to inspect."""

BATCH_BYTES = 8 << 20
"""About the most bytes of one batch, a single row of more excepted."""


@dataclass(frozen=True, slots=True)
class Source:
    """What the job says of its input: `format` overrides the suffix; encoding and delimiter are of text inputs.

    `kinds` are the types that columns of text are read as (`--type`).
    """

    path: Path
    format: str | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)


def stamp(path: Path) -> FileStamp:
    """The stamp of a file, or of all files of an input; raises OSError where there is none."""
    files = files_of(path)
    stamps = [_stamp(file) for file in files]
    if files == [path]:
        return stamps[0]
    # Of several files the sizes together, the latest time, and in the inode's place a digest of all names and stamps.
    facts = [(file.name, one.size, one.mtime_ns, one.inode) for file, one in zip(files, stamps, strict=True)]
    digest = hashlib.blake2b(repr(facts).encode(), digest_size=6).digest()
    size, latest = sum(one.size for one in stamps), max((one.mtime_ns for one in stamps), default=0)
    return FileStamp(size, latest, int.from_bytes(digest))


def _stamp(file: Path) -> FileStamp:
    found = file.stat()
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ino)


def is_glob(path: Path) -> bool:
    """Whether the path is a pattern, and not the name of a file that has such characters in it."""
    return glob.has_magic(str(path)) and not path.exists()


def files_of(path: Path) -> list[Path]:
    """The files of an input, in name order: the file itself, or the Parquet files of a folder or a glob."""
    if path.is_dir():
        return sorted(file for file in path.glob("*.parquet") if not file.name.startswith((".", "_")))
    if is_glob(path):
        root = Path(path.anchor)
        return sorted(file for file in root.glob(str(path.relative_to(root))) if file.is_file())
    return [path]


class Batch(Protocol):
    """Some successive rows of a table."""

    @property
    def start(self) -> int:
        """The row number, in the whole table and from 0, of the first row."""
        ...

    @property
    def place(self) -> int | None:
        """How many bytes of text stand before it in the file; None where that is not known, or no text."""
        ...

    def __len__(self) -> int: ...

    def values(self, columns: Sequence[str]) -> list[tuple[object, ...]]:
        """Row for row the values of these columns as they are sent: what JSON has, and bytes of binary columns.

        Beside that `msgspec.Raw` (JSON text that is sent to the letter), and what `domain.cells` has.
        """
        ...

    def content(self) -> Sequence[object]:
        """Row for row what tells its contents from others, in MessagePack's own types: for the fingerprint."""
        ...

    def observe(self, table_inference: TableInference) -> None:
        """Show the values of the columns whose types only their values tell."""
        ...

    def arrow(self) -> pa.RecordBatch:
        """All columns, in the schema of the table."""
        ...


_B = TypeVar("_B", bound=Batch)


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
    def restore(self) -> RestoredTypes:
        """What makes of its columns in the results again what was sent."""
        ...

    @property
    def needs_survey(self) -> bool:
        """Whether columns or types are not known before all values were seen (`inspection.inspect`)."""
        ...

    def surveyed(self, inference: Inference) -> "Table":
        """The table with what a survey of it found; raises `InputError` for columns that cannot be."""
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


def watched(path: Path, opened: FileStamp, batches: Iterator[_B], *, throughout: bool = True) -> Iterator[_B]:
    """The batches, as long as the file is the one that was opened; `StorageError` otherwise.

    It is looked at before every batch, or, unless `throughout`, only before the first one and after the last.
    """
    try:
        _refuse_change(path, opened)
        try:
            for batch in batches:
                if throughout:
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
