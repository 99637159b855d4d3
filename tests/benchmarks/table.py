"""The lines of the table: what was measured, what it has to be, and how they are kept and shown."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).with_name("results.json")
"""The last full measurement, from which the table and the plots of the pages are made."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `values`: one figure a run, of which the median counts; `unit`: as it is shown (`×`, `MB`, `s`).

    `better`: `<=` or `>=`; `must` and `goal` are what the median is held to, None where there is no such figure.
    `note`: what was compared with what, or why nothing was measured.
    """

    name: str
    values: Sequence[float]
    unit: str
    better: str = "<="
    must: float | None = None
    goal: float | None = None
    note: str = ""

    @property
    def median(self) -> float | None:
        """None where nothing was measured."""
        return statistics.median(self.values) if self.values else None

    @property
    def verdict(self) -> str:
        """`goal`, `must`, or `missed`; empty where there is nothing to hold it to."""
        value = self.median
        if value is None or self.must is None:
            return ""
        for word, bound in (("goal", self.goal), ("must", self.must)):
            if bound is not None and (value <= bound if self.better == "<=" else value >= bound):
                return word
        return "missed"

    def cells(self) -> tuple[str, ...]:
        """The line as the table shows it."""
        value = self.median
        spread = f" ({figure(min(self.values))}–{figure(max(self.values))})" if len(self.values) > 1 else ""
        measured = "not measured" if value is None else f"{figure(value)} {self.unit}".rstrip() + spread
        bounds = (f"{self.better} {figure(bound)}" if bound is not None else "" for bound in (self.must, self.goal))
        return (self.name, measured, *bounds, self.verdict, self.note)


HEADER = ("what", "measured: median (range)", "must", "goal", "met", "how")


def figure(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def markdown(lines: Sequence[Line]) -> str:
    """The table."""
    rows = [HEADER, ("---",) * len(HEADER), *(line.cells() for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machine() -> str:
    """What was measured on, in one line."""
    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def kept(path: Path = RESULTS) -> dict[str, list[Line]]:
    """The lines of the last measurement, by part."""
    if not path.exists():
        return {}
    return {part: [Line(**line) for line in lines] for part, lines in json.loads(path.read_text())["parts"].items()}


def keep(parts: dict[str, list[Line]], path: Path = RESULTS) -> None:
    """Put these parts in the place of their predecessors."""
    merged = kept(path) | parts
    text = {"machine": machine(), "parts": {part: [asdict(line) for line in lines] for part, lines in merged.items()}}
    path.write_text(json.dumps(text, indent=1, ensure_ascii=False) + "\n")
