"""The table of measurements is the one that was measured last, and the README has lines of it."""

from pathlib import Path

import pytest

from tests.benchmarks.__main__ import PARTS
from tests.benchmarks.table import kept, markdown

ROOT = Path(__file__).parents[2]


def test_the_table_is_what_was_measured_last() -> None:
    parts = kept()
    table = markdown([line for part in PARTS for line in parts.get(part, [])])
    assert table in (ROOT / "docs" / "benchmarks.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_lines_of_the_readme_are_of_the_table(name: str) -> None:
    lines = [line.cells()[:2] for part in kept().values() for line in part]
    table = (ROOT / name).read_text("utf-8").split("| what | measured: median (range) |\n")[1].split("\n\n")[0]
    shown = [tuple(row.strip("| ").split(" | ")) for row in table.splitlines()[1:]]
    assert len(shown) == 5
    assert set(shown) <= set(lines)
