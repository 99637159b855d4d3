"""The picture of a row's life shows the table that the code obeys."""

from tests.docs.row_life import PICTURE, graph, kept


def test_the_picture_is_drawn_from_the_present_table() -> None:
    assert kept() == graph(), "run: python -m tests.docs.row_life"
    assert PICTURE.read_text("utf-8").lstrip().startswith("<?xml")
