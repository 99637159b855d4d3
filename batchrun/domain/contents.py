"""What is recorded of an input, so that it is known again: its file, its contents, and what its columns hold."""

from dataclasses import dataclass

import msgspec

from batchrun.domain.agreement import ColumnType


@dataclass(frozen=True, slots=True)
class FileStamp:
    """By what a file is recognised without reading it: size in bytes, modification time in ns, inode."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The contents of an input: how many rows, and a digest over the names of the columns and all values.

    It does not depend on how the file is quoted, encoded or compressed.
    """

    rows: int
    digest: str


class Column(msgspec.Struct, frozen=True):
    """What the survey found of one column.

    `type` is None where a cell is not of the type that the job gives the column: then all of it stays text as
    written. `absent`: some rows do not have it at all; in results, null stands for that, and a null that was sent is
    the JSON text `null`.
    """

    type: ColumnType | None = ColumnType.STRING
    absent: bool = False


class Survey(msgspec.Struct, frozen=True):
    """The surveyed columns, in order of first appearance."""

    columns: dict[str, Column] = msgspec.field(default_factory=dict)
