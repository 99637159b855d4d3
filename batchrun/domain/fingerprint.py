"""What is recorded of an input, so that it is known again: its file, its contents, and what its columns hold."""

from bisect import bisect_right
from dataclasses import dataclass

import msgspec

from batchrun.domain.column_type import ColumnType


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


class RowOffset(msgspec.Struct, frozen=True, array_like=True):
    """Where a row begins in a file of text: after so many bytes, of what is in it where it is compressed."""

    row: int
    byte: int


class Inference(msgspec.Struct, frozen=True):
    """The surveyed columns, in order of first appearance, and places from which a file of text can be read on."""

    columns: dict[str, Column] = msgspec.field(default_factory=dict)
    places: tuple[RowOffset, ...] = ()

    def before(self, row: int) -> RowOffset | None:
        """The last place that is not behind `row`; None where there is none."""
        found = bisect_right(self.places, row, key=lambda place: place.row)
        return self.places[found - 1] if found else None
