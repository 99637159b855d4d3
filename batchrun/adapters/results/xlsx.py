"""Excel workbooks. Every text is a text: never a formula, a link or a date.

A number is one only if Excel shows all of its digits, 15 at most. Times in UTC and without a zone are dates of Excel as
far as it has them. What exceeds the limits of a sheet goes on in a further sheet (rows) or is cut, and is logged.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.worksheet import Worksheet

from batchrun.adapters.results.base import Target, Write
from batchrun.adapters.results.xlsx_cells import TEXT, cells_of, escaped, number_format_of, utf16_cut

log = logging.getLogger("batchrun")

_PLAIN = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_WIDTHS = range(8, 61)
"""The least and the greatest width of a column, in characters."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a sheet holds."""

    rows: int = 1_048_576
    columns: int = 16_384
    text: int = 32_767
    """UTF-16 units in a cell."""


EXCEL = Limits()


@contextmanager
def open_xlsx(target: Target, limits: Limits = EXCEL, scratch: Path | None = None) -> Iterator[Write]:
    """Open a workbook. Its sheets are collected uncompressed in `scratch`, by default the folder of temporary files."""
    with TemporaryDirectory(prefix="batchrun-xlsx-", dir=scratch) as folder:
        options = {"constant_memory": True, "tmpdir": folder, "use_zip64": True, **_PLAIN}
        workbook = xlsxwriter.Workbook(target.file, options)
        try:
            rows = _Rows(workbook, target, limits)
            yield rows.write
            rows.finish()
            workbook.close()
        except FileCreateError as error:
            raise error.args[0] from None  # the OSError
        finally:
            for sheet in workbook.worksheets():
                sheet._opt_close()  # after an error its file would stay open


class _Sheet(Worksheet):  # type: ignore[misc]  # XlsxWriter has no types
    """A sheet that writes texts and numbers as they are.

    XlsxWriter takes a text in `<r>` and `</r>` for markup, does not escape all texts that look like escapes, and writes
    no more than 16 digits of a number.
    """

    @staticmethod
    def _escape_control_characters(data: object) -> object:
        return escaped(data) if isinstance(data, str) else data

    def _xml_rich_inline_string(self, string: str, attributes: Any = ()) -> None:
        self._xml_inline_string(string, False, attributes)

    def _xml_number_element(self, number: float, attributes: Any = ()) -> None:
        attr = "".join(f' {key}="{self._escape_attributes(value)}"' for key, value in attributes)
        self.fh.write(f"<c{attr}><v>{number!r}</v></c>")


class _Rows:
    """Writes rows into sheets of a workbook."""

    def __init__(self, workbook: Any, target: Target, limits: Limits) -> None:
        self._workbook, self._target, self._limits = workbook, target, limits
        self._bold = workbook.add_format({"bold": True, "num_format": TEXT})
        self._text = workbook.add_format({"num_format": TEXT})
        self._columns = target.schema.names[: limits.columns]
        self._formats = [
            workbook.add_format({"num_format": number_format_of(target.schema.field(place).type)})
            for place in range(len(self._columns))
        ]
        self._widths: list[int] = []
        self._cut = 0
        self._first_cut = ""
        self._rows = 0
        self._line = limits.rows
        """The line of the current sheet that is written next."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Write these rows."""
        columns = [cells_of(array) for array in batch.columns[: len(self._columns)]]
        if not self._widths:
            self._widths = list(map(_width, self._columns, columns))
        for row in zip(*columns, strict=True):
            if self._line == self._limits.rows:
                self._begin_sheet()
            for place, value in enumerate(row):
                if value is None:
                    continue
                if isinstance(value, str):
                    self._sheet.write_string(self._line, place, self._fitting(value, place), self._text)
                elif isinstance(value, bool):
                    self._sheet.write_boolean(self._line, place, value)
                else:
                    self._sheet.write_number(self._line, place, value, self._formats[place])
            self._line += 1
            self._rows += 1

    def finish(self) -> None:
        """Write the header even if there were no rows, and log what did not fit."""
        sheets = self._workbook.worksheets()
        if not sheets:
            self._widths = [_width(name, []) for name in self._columns]
            self._begin_sheet()
        name, limits, in_full = self._target.path.name, self._limits, "--format parquet or csv has all of it"
        if len(sheets) > 1:
            log.warning("%s: its %s rows are on %d sheets, as one holds %s lines", name, f"{self._rows:,}", len(sheets),
                        f"{limits.rows:,}")  # fmt: skip
        if missing := len(self._target.schema.names) - len(self._columns):
            log.warning("%s: the last %s columns are left out, as a sheet holds %s; %s", name, f"{missing:,}",
                        f"{limits.columns:,}", in_full)  # fmt: skip
        if self._cut:
            log.warning("%s: %s texts are cut, as a cell holds %s characters; they end in “…”, the first in %s; %s",
                        name, f"{self._cut:,}", f"{limits.text:,}", self._first_cut, in_full)  # fmt: skip

    def _begin_sheet(self) -> None:
        number = len(self._workbook.worksheets()) + 1
        stem = self._target.path.stem
        self._sheet = self._workbook.add_worksheet(stem if number == 1 else f"{stem} {number}", _Sheet)
        self._sheet.freeze_panes(1, 0)
        self._line = 0
        for place, (name, width) in enumerate(zip(self._columns, self._widths, strict=True)):
            self._sheet.set_column(place, place, width)
            self._sheet.write_string(0, place, self._fitting(name, place), self._bold)
        self._line = 1

    def _fitting(self, text: str, place: int) -> str:
        """The text, cut if a cell does not hold it."""
        found = utf16_cut(text, self._limits.text)
        if found is not text:
            self._cut += 1
            self._first_cut = self._first_cut or f"line {self._line + 1:,}, column {self._columns[place][:60]!r}"
        return found


def _width(name: str, cells: list[Any]) -> int:
    """The width of a column, as the first rows need it."""
    longest = max((len(str(cell).partition("\n")[0]) for cell in cells), default=0)
    return min(max(len(name), longest, _WIDTHS[0]) + 1, _WIDTHS[-1])
