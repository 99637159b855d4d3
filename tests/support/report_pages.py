"""Jobs for reports, and a report as a parser sees it."""

import csv
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from tests.support.rehearsal import Rehearsal

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "\u2028\u2029{{ 7*7 }}{% raw %}",
    "\u202egnp.exe\u202c \u05e9\u05dc\u05d5\u05dd",
    "\x01\x1b[31m\x07",
    "javascript:alert(1)",
    r"$$\frac{1}{2}$$",
    "x" * 3000,
    "&lt;b&gt;",
    "<style>*{display:none}</style>",
    "=HYPERLINK('http://x')",
)
"""Texts that must stay texts."""


def throttled_job(folder: Path, rows: int = 200) -> Rehearsal:
    """A job at a quota below its own rate, of which some rows fail."""
    rehearsal = Rehearsal(folder, rows, "rps=10", "fail=0.2", "duration=lognormal:2,6")
    rehearsal.run(rps=20)
    return rehearsal


def hostile_job(folder: Path, rows: int = 80) -> Rehearsal:
    """A job with hostile texts in its columns, inputs, messages and codes."""
    rehearsal = Rehearsal(folder, 1, "duration=1", api="v1")
    with rehearsal.input.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "<b>value</b>"])
        writer.writerows([row, HOSTILE[row % len(HOSTILE)]] for row in range(rows))
    polled: list[str] = []

    def fails(path: str) -> bool:
        if path not in polled:
            polled.append(path)
        return polled.index(path) % 2 == 0

    rehearsal.answer = lambda request: (
        rehearsal.polled(
            request,
            status="failed",
            error={
                "code": HOSTILE[polled.index(request.path) % len(HOSTILE)][:60],
                "message": HOSTILE[polled.index(request.path) // 2 % len(HOSTILE)],
            },
        )
        if request.method == "GET" and fails(request.path)
        else None
    )
    rehearsal.run(retries=0)
    return rehearsal


class Page(HTMLParser):
    """The elements of a page, and the text of each element with an id."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text("utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        """The rows of each table with an id, with the text of each cell."""
        self._texts: list[str] = []
        self._open: list[str] = []
        self._is_in_cell = False
        self._table: list[list[str]] | None = None
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        self._open.append(tag)
        if tag == "script":
            self.scripts.append("")
        elif tag == "table":
            self._table = self.tables.setdefault(attributes.get("id") or f"table {len(self.tables)}", [])
        elif tag == "tr" and self._table is not None:
            self._table.append([])
        elif tag in {"td", "th"} and self._table is not None:
            self._table[-1].append("")
            self._is_in_cell = True

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass
        if tag == "table":
            self._table = None
        self._is_in_cell = self._is_in_cell and tag not in {"td", "th"}

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts[-1] += data
        elif "style" not in self._open:
            self._texts.append(data)
            if self._table is not None and self._is_in_cell:
                self._table[-1][-1] += data

    @property
    def text(self) -> str:
        """What can be read, without scripts and styles; blanks are one."""
        return " ".join(" ".join(self._texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each of these elements."""
        return [attributes for name, attributes in self.elements if name == tag]
