"""What is recorded about an input, to recognise it later: the file, the contents, and the types of the columns."""

from bisect import bisect_right
from dataclasses import dataclass

import msgspec

from batchrun.domain.column_type import ColumnType


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Identifies a file without reading it: size in bytes, modification time in nanoseconds, inode."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identifies the contents of an input: the number of rows, and a digest of the column names and all values.

    It does not depend on the quoting, the encoding or the compression of the file.
    """

    rows: int
    digest: str


class Column(msgspec.Struct, frozen=True):
    """What the inspection of the input found out about one column.

    `type` is None if a cell does not match the type that the job declares for the column; the whole column is then
    kept as text. `absent`: some rows do not have the column. In the results of such a column, null means absent, and a
    null that was sent is written as the JSON text `null`.
    """

    type: ColumnType | None = ColumnType.STRING
    absent: bool = False


class RowOffset(msgspec.Struct, frozen=True, array_like=True):
    """The position of a row in a text file, in bytes from the start of the (decompressed) file."""

    row: int
    byte: int


class Inference(msgspec.Struct, frozen=True):
    """The columns in order of first appearance, and positions from which a text file can be read."""

    columns: dict[str, Column] = msgspec.field(default_factory=dict)
    places: tuple[RowOffset, ...] = ()

    def before(self, row: int) -> RowOffset | None:
        """The last recorded position at or before `row`; None if there is none."""
        index = bisect_right(self.places, row, key=lambda place: place.row)
        return self.places[index - 1] if index else None
