"""The cells of a file column."""

import msgspec
import pytest

from batchrun.domain.cells import ABSENT
from batchrun.domain.column_mapping import ColumnMapping, map_columns
from batchrun.domain.file_cells import paths_in, with_files
from batchrun.errors import InputError


@pytest.mark.parametrize(
    ("cell", "sent"),
    [
        ("a.png", "<a.png>"),
        (None, None),
        (ABSENT, ABSENT),
        ("http://example.com/a", "http://example.com/a"),
        ("HTTPS://example.com/a", "HTTPS://example.com/a"),
        ("https:/a", "<https:/a>"),
        ([], []),
        (("a", None, "https://example.com"), ["<a>", None, "https://example.com"]),
        (msgspec.Raw(b'["a","b"]'), ["<a>", "<b>"]),
    ],
)
def test_paths_are_replaced_and_nothing_else(cell: object, sent: object) -> None:
    assert with_files(cell, "<{}>".format) == sent


@pytest.mark.parametrize("cell", [5, 0.5, True, {"a": "b"}, ["a", 5], msgspec.Raw(b"5")])
def test_what_is_no_path_is_refused(cell: object) -> None:
    with pytest.raises(ValueError, match="is not the path of a file"):
        paths_in(cell)


def test_the_paths_of_a_row_are_named_once() -> None:
    mapping = ColumnMapping({"x": "c", "y": "d", "z": "e"}, files=frozenset({"x", "y"}))
    inputs = mapping.inputs([["a", "b"], "a", "a"])
    assert mapping.paths(inputs) == ["a", "b"]
    assert mapping.with_files(inputs, str.upper) == {"x": ["A", "B"], "y": "A", "z": "a"}
    with pytest.raises(ValueError, match="input 'y': '5' is not the path"):
        mapping.paths(mapping.inputs([None, 5, 5]))


def test_a_column_of_files_is_one_of_the_input_and_is_sent() -> None:
    columns = ("id", "file")
    assert map_columns(columns, {"picture": "file", "again": "file"}, (), {}, None, files=["file"]).files == {
        "picture",
        "again",
    }
    with pytest.raises(InputError, match="--file fiel: the input has no column 'fiel'"):
        map_columns(columns, {}, (), {}, None, files=["fiel"])
    with pytest.raises(InputError, match="--file file: the column is not sent"):
        map_columns(columns, {"x": "id"}, (), {}, None, files=["file"])
