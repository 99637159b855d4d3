"""Lines of text, read in pieces of any size."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchrun.adapters.tables.input_file import InputFile
from batchrun.adapters.tables.text_files import Lines

TEXT = st.text(st.sampled_from(["a", "é", "名", "😀", ",", '"', "\n", "\r", "\ufeff", "\x85", "\u2028", "\x1c"]))


def of_pieces(content: bytes, encoding: str, ends: str, piece: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in"
        path.write_bytes(content)
        return list(Lines(InputFile(path), encoding, ends, piece=piece))


@given(TEXT, st.sampled_from(["utf-8-sig", "utf-16", "gb18030"]), st.integers(1, 9))
@example("a\r\nb", "utf-8-sig", 2)
@example("\ufeff\ufeff\r\n", "utf-8-sig", 1)
def test_lines_are_those_of_an_ordinary_text_file(text: str, encoding: str, piece: int) -> None:
    content = text.encode(encoding)
    plain = io.StringIO(content.decode(encoding).lstrip("\ufeff"), newline="")
    assert of_pieces(content, encoding, "\r\n", piece) == list(plain)


@given(TEXT, st.integers(1, 9))
def test_lines_of_json_end_with_a_newline_alone(text: str, piece: int) -> None:
    content = text.encode()
    plain = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline="\n")
    assert of_pieces(content, "utf-8-sig", "\n", piece) == list(plain)


@given(st.lists(st.lists(TEXT, min_size=2, max_size=2)), st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 9))
def test_cells_of_any_text_come_back(rows: list[list[str]], end: str, piece: int) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    lines = of_pieces(file.getvalue().encode("utf-8-sig"), "utf-8-sig", "\r\n", piece)
    assert list(csv.reader(lines, strict=True)) == rows


@pytest.mark.parametrize("piece", [1, 2, 3, 1 << 20])
def test_characters_are_counted_as_they_go_by(tmp_path: Path, piece: int) -> None:
    path = tmp_path / "in"
    path.write_text("ab\r\nc\n\nd", newline="")
    lines = Lines(InputFile(path), "utf-8", piece=piece)
    assert len(list(lines)) == 4
    assert lines.characters == 8
