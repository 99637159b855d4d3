"""The table of measurements is the one that was measured last, and the README has figures of it."""

from pathlib import Path

import pytest

from tests.benchmarks.__main__ import PARTS
from tests.benchmarks.table import kept, markdown

IN_THE_README = (
    "share of 50/s that is used",
    "submissions over the limit in the worst second",
    "makespan against its lower bound",
    "CPU a row, `sync`, durably, against bare aiohttp",
    "shared quota 50/s, lognormal, median 20 s, p95 75 s: runs/s at no more lag",
)
"""The lines that the README has, there in plain words."""

ROOT = Path(__file__).parents[2]


def test_the_table_is_what_was_measured_last() -> None:
    parts = kept()
    table = markdown([line for part in PARTS for line in parts.get(part, [])])
    assert table in (ROOT / "docs" / "benchmarks.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "head"),
    [("README.md", "| what | measured: median (range) |\n"), ("README.zh.md", "| 指标 | 实测中位数（范围） |\n")],
)
def test_the_figures_of_the_readme_are_of_the_table(name: str, head: str) -> None:
    measured = {line.cells()[0]: line.cells()[1] for part in kept().values() for line in part}
    table = (ROOT / name).read_text("utf-8").split(head)[1].split("\n\n")[0]
    shown = [row.strip("| ").split(" | ") for row in table.splitlines()[1:]]
    assert [figure for _, figure in shown] == [measured[line] for line in IN_THE_README]
