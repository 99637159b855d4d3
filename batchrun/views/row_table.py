"""Shows rows of the results as a table for people, or as lines of JSON for programs."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import msgspec
import pyarrow as pa
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from batchrun.adapters.tables.arrow_values import as_text, plain
from batchrun.adapters.tables.footer import ResultsFooter

OUTPUT = "output"

GAP = 2
"""Spaces between two columns."""

DROP_ORDER = (
    "updated_at", "created_at", "submitted_at", "finished_at", "polls", "attempts", "log_id", "debug_url",
    "input_tokens", "output_tokens", "total_tokens", "reused_from", "run_id", "status", "http_status", "error_code",
    "key", "state",
)  # fmt: skip
"""Columns added by batchrun that may be hidden, the least informative first."""

MESSAGE = "error_message"

WIDE_COLUMNS = frozenset({OUTPUT, MESSAGE})
"""Columns that get more width than others."""

NULL = "null"


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    cells: list[str]
    width: int
    """Width of the widest cell or the name, in terminal cells."""
    right: bool
    """Whether to align to the right."""
    varies: bool
    """Whether the column has more than one distinct value."""

    @property
    def preferred_width(self) -> int:
        """Width that fits the cells and the wrapped name, up to a limit."""
        return min(max(self._cells_width, self._name_width), 60 if self.name in WIDE_COLUMNS else 24)

    @property
    def min_width(self) -> int:
        """Smallest useful width."""
        return min(self.preferred_width, 24 if self.name in WIDE_COLUMNS else 10)

    @property
    def _cells_width(self) -> int:
        return max(map(cell_len, self.cells), default=0)

    @property
    def _name_width(self) -> int:
        return max(map(cell_len, _heading(self.name, 0)))


def write_rows(rows: pa.Table, write: Callable[[bytes], object]) -> None:
    """Write each row as one line with a JSON object of all columns. Outputs are embedded as JSON, not as text."""
    columns = {name: _values(rows, name) for name in rows.column_names}
    if OUTPUT in columns and OUTPUT in ResultsFooter.of(rows.schema).added:
        columns[OUTPUT] = [None if text is None else _raw_json(text) for text in columns[OUTPUT]]
    for values in zip(*columns.values(), strict=True):
        write(msgspec.json.encode(dict(zip(columns, values, strict=True))))


def show_rows(rows: pa.Table, console: Console) -> None:
    """Print the rows as a table, fitted to the width of a terminal and uncut elsewhere."""
    columns = [_column(rows, name) for name in rows.column_names]
    if console.is_terminal:
        columns, widths, hidden = _fit_columns(columns, ResultsFooter.of(rows.schema).added, console.width)
    else:
        widths, hidden = [column.width for column in columns], []
    headings = [_heading(column.name, width)[::-1] for column, width in zip(columns, widths, strict=True)]
    for words in reversed(list(zip_longest(*headings, fillvalue=""))):
        console.print(_table_line(((word, "bold") for word in words), columns, widths), soft_wrap=True)
    for cells in zip(*(column.cells for column in columns), strict=True):
        styled = ((cell, "dim" if cell == NULL else "") for cell in cells)
        console.print(_table_line(styled, columns, widths), soft_wrap=True)
    if hidden:
        names = ", ".join(_printable(name) for name in hidden)
        console.print(Text(f"hidden (terminal too narrow): {names}; --json shows everything", "dim"))


def _values(rows: pa.Table, name: str) -> list[Any]:
    return plain(rows.column(name).combine_chunks())


def _raw_json(text: str) -> msgspec.Raw:
    """JSON text on one line. Line breaks only occur between tokens, so replacing them keeps the values."""
    return msgspec.Raw(text.replace("\n", " ").replace("\r", " ").encode())


def _column(rows: pa.Table, name: str) -> _Column:
    data_type = rows.schema.field(name).type
    values = _values(rows, name)
    cells = [NULL if value is None else _printable(_cell_text(value, data_type)) for value in values]
    is_number = pa.types.is_integer(data_type) or pa.types.is_floating(data_type) or pa.types.is_decimal(data_type)
    width = max(cell_len(text) for text in (*cells, name))
    return _Column(_printable(name), cells, width, is_number, len(set(cells)) > 1)


def _cell_text(value: object, data_type: pa.DataType) -> str:
    text = as_text(value)
    if pa.types.is_timestamp(data_type) and data_type.unit == "ms" and text.endswith("+00:00"):
        return text.removesuffix("+00:00").removesuffix("000") + "Z"
    return text


def _printable(text: str) -> str:
    """The text on one line, with control characters escaped so that they cannot move the cursor."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _fit_columns(
    columns: list[_Column], added_columns: frozenset[str], width: int
) -> tuple[list[_Column], list[int], list[str]]:
    """The columns to show, their widths, and the names of the hidden columns."""
    hidden: list[str] = []
    drop_order = [name for name in DROP_ORDER if name in added_columns]
    varying = {column.name for column in columns if column.varies}
    drop_order.sort(key=lambda name: name in varying)
    for name in drop_order:
        if _total(column.preferred_width for column in columns) <= width:
            break
        hidden += [column.name for column in columns if column.name == name]
        columns = [column for column in columns if column.name != name]
    # Why a row failed is what its reader wants to know: columns of the input are hidden before its message is cut.
    own = [column for column in columns if column.name not in added_columns]
    others = [column for column in columns if column.name in added_columns and column.name != MESSAGE]
    for last in (*reversed(own), *reversed(others)):
        if len(columns) == 1 or _total(_needed_width(column, added_columns) for column in columns) <= width:
            break
        if last not in own and _total(column.min_width for column in columns) <= width:
            break
        hidden.append(last.name)
        columns = [column for column in columns if column is not last]
    widths = [min(_needed_width(column, added_columns), width) for column in columns]
    if _total(widths) > width:
        widths = [column.min_width for column in columns]
    widths = _distribute_width(widths, [column.preferred_width for column in columns], width)
    return columns, _distribute_width(widths, [column.width for column in columns], width), hidden


def _needed_width(column: _Column, added_columns: frozenset[str]) -> int:
    """The width below which the column gives less than another one that could be hidden instead."""
    return column.preferred_width if column.name == MESSAGE and MESSAGE in added_columns else column.min_width


def _distribute_width(min_widths: list[int], max_widths: list[int], width: int) -> list[int]:
    """Distribute `width` over columns between `min_widths` and `max_widths`. The narrowest column grows first."""
    widths = list(min_widths)
    spare = width - _total(widths)
    growing = [index for index in range(len(widths)) if widths[index] < max_widths[index]]
    while spare > 0 and growing:
        index = min(growing, key=lambda index: widths[index])
        widths[index] += 1
        spare -= 1
        growing = [index for index in growing if widths[index] < max_widths[index]]
    return widths


def _total(widths: Iterable[int]) -> int:
    column_widths = list(widths)
    return sum(column_widths) + GAP * (len(column_widths) - 1)


def _heading(name: str, width: int) -> list[str]:
    """Wrap the name into lines of at most this width, breaking between its words."""
    lines = [""]
    for word in re.findall(r"[^_. -]*[_. -]|[^_. -]+", name):
        if lines[-1] and cell_len(lines[-1] + word) > width:
            lines.append("")
        lines[-1] += word
    return lines


def _table_line(cells: Iterable[tuple[str, str]], columns: list[_Column], widths: list[int]) -> Text:
    line = Text(no_wrap=True)
    for number, ((text, style), column, width) in enumerate(zip(cells, columns, widths, strict=True)):
        line.append(" " * GAP if number else "")
        line.append(_cell(text, width, right=column.right), style)
    line.rstrip()
    return line


def _cell(text: str, width: int, *, right: bool) -> str:
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - size) + text if right else text + " " * (width - size)
