"""A file that is no table of the format that its name says is refused as what it is."""

import bz2
import gzip
import io
import lzma
import pickle
import random
import sqlite3
import tarfile
import zipfile
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from batchrun.adapters.tables import Source, inspect, open_table, unread_in
from batchrun.errors import InputError

CSV = b"id,text\n" + b"".join(b"%d,row %d\n" % (number, number) for number in range(50))
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n"
NOISE = random.Random(1).randbytes(5000)


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return packed.getvalue()


def tarred() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("rows.csv"), io.BytesIO(b""))
    return packed.getvalue()


def parquet() -> bytes:
    packed = io.BytesIO()
    pq.write_table(pa.table({"id": [1]}), packed)
    return packed.getvalue()


def arrow() -> bytes:
    packed = io.BytesIO()
    feather.write_feather(pa.table({"id": [1]}), packed)
    return packed.getvalue()


def database() -> bytes:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE t (id)")
        return db.serialize()


OTHERS = {
    "xz": (lzma.compress(CSV), "compressed with xz. Unpack it first: unxz "),
    "bz2": (bz2.compress(CSV), "compressed with bzip2"),
    "empty bz2": (bz2.compress(b""), "compressed with bzip2"),
    "gzip twice": (gzip.compress(gzip.compress(CSV)), "compressed with gzip"),
    "xz in gzip": (gzip.compress(lzma.compress(CSV)), "compressed with xz"),
    "zip": (zipped(rows=CSV), "a zip archive"),
    "empty zip": (zipped(), "a zip archive"),
    "xlsx": (zipped(xl__workbook=CSV), "a spreadsheet"),
    "tar": (tarred(), "a tar archive"),
    "tar in gzip": (gzip.compress(tarred()), "a tar archive"),
    "LFS": (LFS, "a Git LFS pointer, not the file itself. Fetch the file first: git lfs pull"),
    "annex": (b"/annex/objects/MD5E-s1--d41d8c.csv\n", "a git-annex pointer"),
    "HTML": (b"\xef\xbb\xbf\n <!DOCTYPE html>\n<title>Sign in</title>", "an HTML page"),
    "XHTML": (b"<?xml version='1.0'?>\n<!-- a -->\n<html>", "an HTML page"),
    "HTML in UTF-16": ("<html><body>".encode("utf-16"), "an HTML page"),
    "XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
    "PNG": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image"),
    "SQLite": (database(), "an SQLite database"),
    "pickle": (pickle.dumps({"id": 1}), "a Python pickle"),
}


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "csv.gz", "parquet", "arrow"])
@pytest.mark.parametrize("name", OTHERS)
def test_a_file_of_another_kind_is_refused_as_that(tmp_path: Path, name: str, suffix: str) -> None:
    content, what = OTHERS[name]
    if suffix in {"parquet", "arrow"} and "gzip" in name:
        what = "compressed with gzip"
    path = tmp_path / f"in.{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_table(Source(path))
    assert str(caught.value).startswith(f"{path}: is {what}")
    assert "FILE" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("in.csv", parquet(), "a Parquet file. Add --format parquet"),
        ("in.jsonl", arrow(), "an Arrow file. Add --format arrow"),
        ("in.arrow", parquet(), "a Parquet file"),
        ("in.parquet", arrow(), "an Arrow file"),
        ("in.parquet", CSV, "not a Parquet file but text. If its rows are CSV, add --format csv"),
        ("in.arrow", "编号\n".encode() * 2000, "not an Arrow file but text"),
        ("in.csv", b'[{"id":1},\n{"id":2}]\n', "JSON"),
        ("in.csv", b'{"id":1}\n', "JSON. If it has one object a line, add --format jsonl"),
        ("in.csv", NOISE, "not text: it holds binary data"),
        ("in.jsonl", NOISE, "not text"),
        ("in.csv.gz", gzip.compress(NOISE), "not text"),
        ("in.csv", b"\0" * 5000, "not text"),
        ("in.parquet", NOISE, "not a Parquet file, or is damaged"),
        ("in.parquet", b"", "not a Parquet file, or is damaged"),
    ],
)
def test_what_fits_another_format_or_none_is_told_apart(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_table(Source(path))
    assert str(caught.value).startswith(f"{path}: is {what}")


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"PAR1,ORC,GIF8,BZh9\n1,2,3,4\n", "utf-8"),
        (b"[id],[text]\n1,2\n", "utf-8"),
        (b"id,text\n<html>,{}\n", "utf-8"),
        (b"id,text\n1,\x1b[0m\x01\n", "utf-8"),
        ("编号,文本\n1,你好\n".encode("gb18030"), "gb18030"),
        (("编号,文本\n1,你好\n" * 100).encode("utf-16-le"), "utf-16-le"),
        ("id,text\n1,a\n".encode("utf-32"), "utf-32"),
        (b"id\x1ftext\n1\x1fa\n", "utf-8"),
        ("id,text\n1,a\n".encode("cp500"), "cp500"),
        (gzip.compress(CSV), "utf-8"),
    ],
)
def test_unusual_text_is_still_read(tmp_path: Path, content: bytes, encoding: str) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(content)
    assert open_table(Source(path, encoding=encoding)).columns


def test_a_pointer_among_the_files_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet())
    (tmp_path / "b.parquet").write_bytes(LFS)
    with pytest.raises(InputError, match=r"b\.parquet: is a Git LFS pointer"):
        open_table(Source(tmp_path))


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;", "Sep=\\t", "sep=\t", "sep= ", "sep=,"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gb18030"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_first_line_of_excel_names_the_delimiter_and_is_no_row(
    tmp_path: Path, line: str, encoding: str, end: str
) -> None:
    delimiter = line.strip('"')[4:].replace("\\t", "\t")
    path = tmp_path / "in.csv"
    rows = [line, f"id{delimiter}text", f'1{delimiter}"a{delimiter}b"']
    path.write_bytes(end.join(rows).encode(encoding))
    table = open_table(Source(path, encoding=encoding))
    assert table.columns == ("id", "text")
    (batch,) = table.batches()
    assert batch.values(table.columns) == [("1", f"a{delimiter}b")]
    assert open_table(Source(path, encoding=encoding, delimiter=delimiter)).columns == ("id", "text")


def test_a_delimiter_that_the_user_names_beats_that_line_which_is_still_no_row(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("sep=;\nid,text\n1,a\n")
    assert open_table(Source(path, delimiter=",")).columns == ("id", "text")


def test_lines_are_counted_with_that_line_and_rows_without(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("sep=;\nid;text\n1;a\n2;b;c\n")
    table = open_table(Source(path))
    with pytest.raises(InputError, match="line 4: has 3 cells, but the header has 2"):
        list(table.batches())
    path.write_text('sep=;\nid;text\n1;"a\n')
    with pytest.raises(InputError, match=r"in\.csv: line 3: a quote is opened"):
        list(open_table(Source(path)).batches())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_rows_far_behind_that_line_are_found_again(tmp_path: Path, encoding: str) -> None:
    count = 40_000
    path = tmp_path / "in.csv"
    path.write_text("sep=;\nid;text\n" + "".join(f"{number};x\n" for number in range(count)), encoding=encoding)
    table = inspect(open_table(Source(path, encoding=encoding)), None, None).table
    for start in (0, 1, 17_000, 39_999):
        batch = next(iter(table.batches(start)))
        assert batch.start == start
        assert batch.values(["id"])[0] == (str(start),)


@pytest.mark.parametrize("text", ["sep=\nid\n", "sep=;;\na\n", "separator\na\n", "\nsep=;\na\n", '"sep=;\na"\n'])
def test_other_first_lines_are_headers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "in.csv"
    path.write_text(text)
    assert len(open_table(Source(path)).columns) == 1


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize("marks", [1, 2, 3])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-16", "utf-32", "gb18030"])
def test_byte_order_marks_are_no_text(tmp_path: Path, encoding: str, marks: int, suffix: str) -> None:
    path = tmp_path / f"in.{suffix}"
    text = '{"id":"1"}\n' if suffix == "jsonl" else "id\n1\n"
    path.write_bytes(("\ufeff" * marks + text).encode(encoding))
    table = inspect(open_table(Source(path, encoding=encoding)), None, None).table
    assert table.columns == ("id",)
    assert [len(batch) for batch in table.batches()] == [1]


def test_the_mark_of_another_encoding_says_which_one_it_is(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    for encoding in ("utf-16", "utf-32"):
        path.write_bytes("id\n1\n".encode(encoding))
        with pytest.raises(InputError, match=f"--encoding {encoding}$"):
            open_table(Source(path))


def test_a_folder_names_what_in_it_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet())
    for name in ("_SUCCESS", ".a.parquet.crc", ".DS_Store"):
        (tmp_path / name).touch()
    assert unread_in(tmp_path) == []
    for name in ("b.PARQUET", "c.csv", "_d.parquet"):
        (tmp_path / name).write_bytes(parquet())
    (tmp_path / "year=2024").mkdir()
    assert unread_in(tmp_path) == ["_d.parquet", "b.PARQUET", "c.csv", "year=2024/"]
    assert unread_in(tmp_path / "a.parquet") == []
    assert unread_in(tmp_path / "*.parquet") == []
