"""docs/promises.md shows the figures that were kept, of every part, and none that breaks a promise."""

from tests.docs.promises_page import PAGE, renewed
from tests.harness.parts import PARTS
from tests.harness.table import kept


def test_the_page_has_the_figures_that_were_kept_last() -> None:
    text = PAGE.read_text("utf-8")
    assert renewed(text) == text, "run python -m tests.docs.promises_page"


def test_every_part_has_been_run_in_full() -> None:
    rows = kept()
    assert set(rows) == set(PARTS)
    for name, found in rows.items():
        assert found, name
        assert all(row.tried > 0 for row in found)


def test_each_part_is_explained() -> None:
    text = PAGE.read_text("utf-8")
    for name in PARTS:
        assert f"* **{name}**" in text
