"""The README's table of measurements is the one that was measured last."""

from pathlib import Path

from tests.benchmarks.__main__ import PARTS
from tests.benchmarks.table import kept, markdown

README = Path(__file__).parents[2] / "README.md"


def test_the_table_of_the_readme_is_what_was_measured_last() -> None:
    parts = kept()
    assert markdown([line for part in PARTS for line in parts.get(part, [])]) in README.read_text("utf-8")
