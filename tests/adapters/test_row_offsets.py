"""Reading a text file from a byte offset gives the same rows as reading it from the start."""

import csv
import gzip
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.adapters.tables import Source, Table, inspect, open_table
from batchrun.adapters.tables.inference import MAX_OFFSETS, TableInference
from batchrun.adapters.tables.input_file import InputFile
from batchrun.adapters.tables.text_files import ROWS_PER_OFFSET, Lines
from batchrun.domain.fingerprint import Inference, RowOffset

ROWS = 3 * ROWS_PER_OFFSET
TEXT = st.text(st.sampled_from(["a", "é", "名", "😀", "\n", "\r", "\ufeff", "\x85"]))


@given(TEXT, st.sampled_from([("utf-8-sig", True), ("utf-8-sig", False), ("gb18030", False)]), st.integers(1, 9))
def test_from_every_place_the_same_lines_follow(text: str, how: tuple[str, bool], piece: int) -> None:
    encoding, with_keys = how
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in"
        path.write_bytes(text.encode(encoding if with_keys else encoding.removesuffix("-sig")))
        whole = list(Lines(InputFile(path), encoding, piece=piece))
        lines = Lines(InputFile(path), encoding, piece=piece)
        for number, _ in enumerate(lines, 1):
            place = lines.offset_after(ROWS_PER_OFFSET)
            assert place is not None
            assert list(Lines(InputFile(path), encoding, piece=piece, start=place)) == whole[number:]


def cells(row: int) -> list[str]:
    return [str(row), f'é "{row}"\r\nline, two', "名" * (row % 5)]


def csv_text() -> str:
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["id", "text", "more"], *map(cells, range(ROWS))])
    return file.getvalue()


def jsonl_text() -> str:
    return "".join(f"{json.dumps({'id': row, 'text': cells(row)[2]}, ensure_ascii=False)}\n" for row in range(ROWS))


FILES: dict[str, tuple[Callable[[], str], str]] = {
    "in.csv": (csv_text, "utf-8"),
    "in.csv.gz": (csv_text, "utf-8-sig"),
    "in.tsv": (lambda: csv_text().replace(",", "\t"), "gb18030"),
    "in.jsonl": (jsonl_text, "utf-8"),
}


@pytest.mark.parametrize("name", FILES)
def test_rows_from_the_middle_are_those_that_are_there_from_the_beginning(tmp_path: Path, name: str) -> None:
    text, encoding = FILES[name]
    path, content = tmp_path / name, text().encode(encoding)
    path.write_bytes(gzip.compress(content, 1) if name.endswith(".gz") else content)
    found = inspect(open_table(Source(path, encoding=encoding.removesuffix("-sig"))), None, None)
    table = found.table
    whole = list(contents(table))
    assert len(whole) == ROWS
    assert [place.row for place in found.inference.places] == sorted(place.row for place in found.inference.places)
    for start in (1, ROWS_PER_OFFSET, 2 * ROWS_PER_OFFSET + 600, ROWS - 1):
        assert next(iter(table.batches(start))).start == start
        assert list(contents(table, start)) == whole[start:]
    first = found.inference.before(2 * ROWS_PER_OFFSET + 600)
    assert first is not None
    assert first.row >= ROWS_PER_OFFSET
    assert list(contents(table.with_inference(Inference(found.inference.columns)), 5)) == whole[5:]


def contents(table: Table, start: int = 0) -> Iterator[object]:
    for batch in table.batches(start):
        yield from batch.content()


def test_an_encoding_that_depends_on_what_came_before_has_no_places(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id\n" + "1\n" * ROWS, encoding="utf-16")
    found = inspect(open_table(Source(path, encoding="utf-16")), None, None)
    assert (found.fingerprint.rows, found.inference.places) == (ROWS, ())


def test_of_a_long_file_few_places_are_kept_and_spread_over_all_of_it() -> None:
    table_inference, step, rows = TableInference(), 10, 50_000
    for row in range(0, rows, step):
        table_inference.add_offset(RowOffset(row, row))
    kept = [place.row for place in table_inference.inference(rows).places]
    assert MAX_OFFSETS / 3 < len(kept) <= MAX_OFFSETS
    assert max(after - before for before, after in zip(kept, [*kept[1:], rows], strict=True)) <= rows / len(kept) * 2


def test_the_place_before_a_row_is_the_nearest() -> None:
    inference = Inference({}, (RowOffset(10, 1), RowOffset(20, 2)))
    assert [inference.before(row) for row in (9, 10, 19, 20, 99)] == [
        None,
        RowOffset(10, 1),
        RowOffset(10, 1),
        *[RowOffset(20, 2)] * 2,
    ]
