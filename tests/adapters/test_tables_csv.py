"""CSV and TSV: cells are text as written, and every problem is reported with its line."""

import csv
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from batchrun.adapters.tables import Source, Table, open_table
from batchrun.errors import InputError


def written(folder: Path, content: str | bytes, name: str = "in.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(table: Table, columns: Sequence[str] | None = None, start: int = 0) -> list[tuple[object, ...]]:
    return [row for batch in table.batches(start) for row in batch.values(columns or table.columns)]


def refusal(path: Path, **options: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        rows(open_table(Source(path, **options)))
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def test_cells_are_text_exactly_as_written(tmp_path: Path) -> None:
    path = written(tmp_path, 'id,text\n007,NA\n,"a ""b"", c\nd"\n12345678901234567890123, x \n')
    assert rows(open_table(Source(path))) == [
        ("007", "NA"),
        ("", 'a "b", c\nd'),
        ("12345678901234567890123", " x "),
    ]


def test_columns_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    table = open_table(Source(written(tmp_path, "a,b,c\n1,2,3\n")))
    assert rows(table, ["c", "a"]) == [("3", "1")]
    assert rows(table, ["b"]) == [("2",)]
    assert [batch.values([]) for batch in table.batches()] == [[()]]


def test_blank_lines_do_not_count_but_an_empty_cell_does(tmp_path: Path) -> None:
    assert rows(open_table(Source(written(tmp_path, '\na\n\nx\n\n""\ny')))) == [("x",), ("",), ("y",)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_end_of_line(tmp_path: Path, end: str) -> None:
    assert rows(open_table(Source(written(tmp_path, f"a,b{end}1,2{end}3,4")))) == [("1", "2"), ("3", "4")]


def test_byte_order_mark_encoding_and_delimiter(tmp_path: Path) -> None:
    assert open_table(Source(written(tmp_path, b"\xef\xbb\xbfa,b\n"))).columns == ("a", "b")
    assert open_table(Source(written(tmp_path, "名,字\n".encode("gb18030")), encoding="gbk")).columns == ("名", "字")
    assert open_table(Source(written(tmp_path, "名,字\n".encode("utf-16")), encoding="utf-16")).columns == ("名", "字")
    assert open_table(Source(written(tmp_path, "a;b\n"), delimiter=";")).columns == ("a", "b")
    assert open_table(Source(written(tmp_path, "a\tb\n"), delimiter="\\t")).columns == ("a", "b")
    assert open_table(Source(written(tmp_path, "a\tb,c\n", "in.TSV"))).columns == ("a", "b,c")
    assert open_table(Source(written(tmp_path, "a\tb\n", "in.txt"), format="tsv")).columns == ("a", "b")


@pytest.mark.parametrize("start", [0, 1, 1023, 1024, 1025, 9999, 10_000, 20_000])
def test_batches_begin_where_asked_and_number_their_rows(tmp_path: Path, start: int) -> None:
    table = open_table(Source(written(tmp_path, "n\n" + "".join(f"{n}\n" for n in range(10_000)))))
    expected = start
    for batch in table.batches(start):
        assert batch.start == expected
        assert batch.values(["n"]) == [(str(n),) for n in range(expected, expected + len(batch))]
        assert batch.arrow().to_pydict() == {"n": [str(n) for n in range(expected, expected + len(batch))]}
        expected += len(batch)
    assert expected == max(start, 10_000)


def test_batches_are_bounded_in_bytes(tmp_path: Path) -> None:
    table = open_table(Source(written(tmp_path, "n\n" + f"{'x' * (3 << 20)}\n" * 7)))
    assert [len(batch) for batch in table.batches()] == [3, 3, 1]


def test_ragged_rows_are_named_together(tmp_path: Path) -> None:
    path = written(tmp_path, 'a,b\n1,2\n"x\ny"\n3,4,5\n' + "6\n" * 20)
    problems = refusal(path)
    assert problems[:2] == [
        "line 3: has 1 cell, but the header has 2",
        "line 5: has 3 cells, but the header has 2",
    ]
    assert len(problems) == 11
    assert problems[10] == "and 12 more such rows"


def test_quoting_names_the_line_where_the_row_starts(tmp_path: Path) -> None:
    assert refusal(written(tmp_path, 'a,b\n1,2\n3,"4\n5,6\n7,8\n')) == [
        "line 3: a quote is opened in the row that starts here, and never closed"
    ]
    assert refusal(written(tmp_path, 'a,b\n1,"2"x\n'))[0].startswith("line 2: bad quoting in the row that starts here")


@pytest.fixture
def narrow() -> Iterator[int]:
    """The csv module with a limit set by a host program that our cells exceed."""
    before = csv.field_size_limit(1000)
    yield 1000
    csv.field_size_limit(before)


def test_a_large_cell_is_read_and_the_limit_of_the_csv_module_is_the_host_s(tmp_path: Path, narrow: int) -> None:
    large = "x" * 200_000
    table = open_table(Source(written(tmp_path, f"{large}\n" + f"{large}\n" * 50)))
    assert csv.field_size_limit() == narrow
    for batch in table.batches():
        assert set(batch.values(table.columns)) == {(large,)}
        assert csv.field_size_limit() == narrow, "not even between two batches"
    assert refusal(written(tmp_path, f'a,b\n"{large}",1\n2\n')) == ["line 3: has 1 cell, but the header has 2"]
    assert csv.field_size_limit() == narrow


def test_a_host_that_allows_more_than_we_do_keeps_its_limit(tmp_path: Path) -> None:
    before = csv.field_size_limit(1 << 30)
    try:
        assert rows(open_table(Source(written(tmp_path, "a\n1\n")))) == [("1",)]
        assert csv.field_size_limit() == 1 << 30
    finally:
        csv.field_size_limit(before)


def test_files_are_read_in_several_threads_under_one_limit(tmp_path: Path, narrow: int) -> None:
    table = open_table(Source(written(tmp_path, "a\n" + f"{'x' * 2000}\n" * 3000)))
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: len(rows(table)), range(16))) == {3000}
    assert csv.field_size_limit() == narrow


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("a\n" + "b\n" * 5000)
    os.truncate(path, 200 << 20)
    assert refusal(path) == [
        "line 5002: the row that starts here has a cell or line of over 64 MB; is a quote not closed?"
    ]


@pytest.mark.parametrize(
    ("content", "place", "readers"),
    [
        ("a\nb\n名".encode("gb18030"), "line 3: byte 0xc3 at offset 4 is not utf-8", "gb18030"),
        (b"a\ncaf\xe9\n", "line 2: byte 0xe9 at offset 5 is not utf-8", "latin-1"),
        (b"a\nna\xefve\n", "line 2: byte 0xef at offset 4 is not utf-8", "latin-1"),  # gb18030 reads it as Chinese
        ("a\nb\n".encode("utf-16"), "line 1: byte 0xff at offset 0 is not utf-8", "utf-16"),
        (b"a\n" + b"x\n" * (1 << 20) + b"\xe4\xbd", "line 1048578: byte 0xe4 at offset 2097154 is not utf-8", None),
    ],
)
def test_bytes_of_another_encoding(tmp_path: Path, content: bytes, place: str, readers: str | None) -> None:
    (problem,) = refusal(written(tmp_path, content))
    assert problem.startswith(place)
    assert readers is None or problem.endswith(f" It can be read as {readers}: add --encoding {readers}")


def test_bytes_outside_the_named_encoding_suggest_utf8(tmp_path: Path) -> None:
    (problem,) = refusal(written(tmp_path, "a\né\n"), encoding="ascii")
    assert problem.startswith("line 2: byte 0xc3 at offset 2 is not ascii.")
    assert problem.endswith(" It can be read as utf-8: add --encoding utf-8")


def test_bytes_of_no_likely_encoding_suggest_none(tmp_path: Path) -> None:
    (problem,) = refusal(written(tmp_path, "a\n中文\n".encode()[:-2] + b"\n"))
    assert problem == (
        "line 2: byte 0xe6 at offset 5 is not utf-8. Repair the file there, or name its encoding with --encoding"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "has no columns; its first line must name them"),
        ("\n\n", "has no columns; its first line must name them"),
        ("a,,b,\n", "the name of column 2, 4 is empty. Every column needs a name of its own"),
        ("a,b,a\n", "columns 1 and 3 are both named 'a'. Every column needs a name of its own"),
        ("a,a,a\n", "columns 1 and 2 and 3 are all named 'a'. Every column needs a name of its own"),
    ],
)
def test_headers_that_name_no_columns(tmp_path: Path, content: str, problem: str) -> None:
    assert refusal(written(tmp_path, content)) == [problem]


def test_utf16_without_its_mark_is_recognised(tmp_path: Path) -> None:
    assert "--encoding utf-16-le" in refusal(written(tmp_path, "a,b\n".encode("utf-16-le")))[0]


def test_inputs_that_cannot_be_opened(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.csv") == ["no such file"]
    (tmp_path / "empty").mkdir()
    assert "has no .parquet files" in refusal(tmp_path / "empty")[0]
    assert "matches no file" in refusal(tmp_path / "*.parquet")[0]
    assert "only Parquet files can be several" in refusal(tmp_path / "*.csv")[0]
    os.mkfifo(tmp_path / "pipe.csv")
    assert "not a regular file" in refusal(tmp_path / "pipe.csv")[0]
    known = "Name the format with --format: csv, tsv, jsonl, arrow, parquet"
    assert refusal(written(tmp_path, "a", "in.data")) == [f"the suffix .data is unknown. {known}"]
    assert "spreadsheets" in refusal(written(tmp_path, "a", "in.xlsx"))[0]
    assert "jsonl" in refusal(written(tmp_path, "a", "in.json"))[0]
    assert "unpack" in refusal(written(tmp_path, "a", "in.parquet.gz"))[0]
    assert refusal(written(tmp_path, "a", "in")) == [f"it has no suffix that names its format. {known}"]
    path = written(tmp_path, "a")
    assert refusal(path, format="xls") == ["--format xls: no such format. Known are csv, tsv, jsonl, arrow, parquet"]
    for name in ("klingon", "hex", "a\0b"):
        assert refusal(path, encoding=name)[0].startswith(f"--encoding {name}: no such encoding of text")
    for delimiter in (";;", '"', "\n"):
        assert "must be one character" in refusal(path, delimiter=delimiter)[0]


def test_a_bad_header_does_not_hide_what_is_wrong_below_it(tmp_path: Path) -> None:
    assert refusal(written(tmp_path, 'a,,a\n1,2,3\n1,2\n"x\n')) == [
        "columns 1 and 3 are both named 'a'. Every column needs a name of its own",
        "the name of column 2 is empty. Every column needs a name of its own",
        "line 3: has 2 cells, but the header has 3",
        "line 4: a quote is opened in the row that starts here, and never closed",
    ]


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xff\xfe", "utf-16-le"), (b"\x00\x00\xfe\xff", "utf-32-be")])
def test_of_a_file_with_a_mark_only_its_encoding_is_offered(tmp_path: Path, mark: bytes, encoding: str) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(mark + "id,text\n1,é\n".encode(encoding))
    (problem,) = refusal(path)
    assert problem.endswith(f"It can be read as {encoding[:6]}: add --encoding {encoding[:6]}")


def test_a_header_of_any_size_gives_a_message_of_a_few_lines(tmp_path: Path) -> None:
    (problem,) = refusal(written(tmp_path, f"{','.join(['a'] * 10_000)}\n"))
    assert problem.startswith("columns 1 and 2 and 3 ")
    assert problem.endswith(" and 10 and 9,990 more are all named 'a'. Every column needs a name of its own")
    names = ",".join(f"{number}{'x' * 100_000}" for number in range(15))
    problems = refusal(written(tmp_path, f"{names},{names}\n"))
    assert problems[10:] == ["and 5 more such names"]
    assert max(map(len, problems)) < 400
