"""Rows of the results as people read them, in a table, and as programs do, in lines of JSON."""

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
"""Blanks between two columns."""

GIVE_WAY = (
    "updated_at", "created_at", "submitted_at", "finished_at", "polls", "attempts", "reused_from", "run_id",
    "status", "http_status", "error_code", "key", "state",
)  # fmt: skip
"""Columns of ours that may be left out, the least telling first."""

TEXTS = frozenset({OUTPUT, "error_message"})
"""Columns that are worth more room than others."""

NULL = "null"


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    cells: list[str]
    width: int
    """Characters of the widest cell, the name among them."""
    right: bool
    tells: bool
    """Whether it holds more than one value throughout."""

    @property
    def wanted(self) -> int:
        """Room for the cells, the name broken between its words."""
        return min(max(self._cells, self._words), 60 if self.name in TEXTS else 24)

    @property
    def least(self) -> int:
        """Room to tell one cell from another."""
        return min(self.wanted, 24 if self.name in TEXTS else 10)

    @property
    def _cells(self) -> int:
        return max(map(cell_len, self.cells), default=0)

    @property
    def _words(self) -> int:
        return max(map(cell_len, _heading(self.name, 0)))


def write_rows(rows: pa.Table, write: Callable[[bytes], object]) -> None:
    """Write each row as one JSON object on a line of its own: every column, and outputs as JSON."""
    columns = {name: _values(rows, name) for name in rows.column_names}
    if OUTPUT in columns and OUTPUT in ResultsFooter.of(rows.schema).added:
        columns[OUTPUT] = [None if text is None else _raw(text) for text in columns[OUTPUT]]
    for values in zip(*columns.values(), strict=True):
        write(msgspec.json.encode(dict(zip(columns, values, strict=True))))


def show_rows(rows: pa.Table, console: Console) -> None:
    """Print the rows as a table: on a terminal within its width, elsewhere whole."""
    columns = [_column(rows, name) for name in rows.column_names]
    if console.is_terminal:
        columns, widths, left_out = _fitted(columns, ResultsFooter.of(rows.schema).added, console.width)
    else:
        widths, left_out = [column.width for column in columns], []
    headings = [_heading(column.name, width)[::-1] for column, width in zip(columns, widths, strict=True)]
    for words in reversed(list(zip_longest(*headings, fillvalue=""))):
        console.print(_line(((word, "bold") for word in words), columns, widths), soft_wrap=True)
    for cells in zip(*(column.cells for column in columns), strict=True):
        styled = ((cell, "dim" if cell == NULL else "") for cell in cells)
        console.print(_line(styled, columns, widths), soft_wrap=True)
    if left_out:
        names = ", ".join(_printable(name) for name in left_out)
        console.print(Text(f"not shown, for want of room: {names} (--json has all)", "dim"))


def _values(rows: pa.Table, name: str) -> list[Any]:
    return plain(rows.column(name).combine_chunks())


def _raw(text: str) -> msgspec.Raw:
    """JSON as it came, on one line: line breaks between its tokens (there are none within) are blanks as well."""
    return msgspec.Raw(text.replace("\n", " ").replace("\r", " ").encode())


def _column(rows: pa.Table, name: str) -> _Column:
    kind = rows.schema.field(name).type
    values = _values(rows, name)
    cells = [NULL if value is None else _printable(_written(value, kind)) for value in values]
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    width = max(cell_len(text) for text in (*cells, name))
    return _Column(_printable(name), cells, width, number, len(set(cells)) > 1)


def _written(value: object, kind: pa.DataType) -> str:
    text = as_text(value)
    if pa.types.is_timestamp(kind) and kind.unit == "ms" and text.endswith("+00:00"):
        return text.removesuffix("+00:00").removesuffix("000") + "Z"
    return text


def _printable(text: str) -> str:
    """The text on one line, with whatever might move the cursor written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _fitted(columns: list[_Column], ours: frozenset[str], width: int) -> tuple[list[_Column], list[int], list[str]]:
    """The columns that stay, how wide each is, and the names of those that gave way."""
    left_out: list[str] = []
    ranked = [name for name in GIVE_WAY if name in ours]
    telling = {column.name for column in columns if column.tells}
    ranked.sort(key=lambda name: name in telling)
    for name in ranked:
        if _total(column.wanted for column in columns) <= width:
            break
        left_out += [column.name for column in columns if column.name == name]
        columns = [column for column in columns if column.name != name]
    while len(columns) > 1 and _total(column.least for column in columns) > width:
        last = next((column for column in reversed(columns) if column.name not in ours), columns[-1])
        left_out.append(last.name)
        columns = [column for column in columns if column is not last]
    widths = _shared([column.least for column in columns], [column.wanted for column in columns], width)
    return columns, _shared(widths, [column.width for column in columns], width), left_out


def _shared(least: list[int], most: list[int], width: int) -> list[int]:
    """Widths between `least` and `most`, with what is left of `width` given to the narrowest first."""
    widths = list(least)
    spare = width - _total(widths)
    growing = [place for place in range(len(widths)) if widths[place] < most[place]]
    while spare > 0 and growing:
        place = min(growing, key=lambda place: widths[place])
        widths[place] += 1
        spare -= 1
        growing = [place for place in growing if widths[place] < most[place]]
    return widths


def _total(widths: Iterable[int]) -> int:
    each = list(widths)
    return sum(each) + GAP * (len(each) - 1)


def _heading(name: str, width: int) -> list[str]:
    """The name on lines of this width, broken between its words."""
    lines = [""]
    for word in re.findall(r"[^_. -]*[_. -]|[^_. -]+", name):
        if lines[-1] and cell_len(lines[-1] + word) > width:
            lines.append("")
        lines[-1] += word
    return lines


def _line(cells: Iterable[tuple[str, str]], columns: list[_Column], widths: list[int]) -> Text:
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
