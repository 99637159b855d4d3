"""Compressed text inputs, which are recognised by their contents."""

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from batchrun.domain.input_formats import format_of
from batchrun.errors import InputError
from tests.adapters.sent import inputs, opened

CSV = "id,text\n" + "".join(f"{n},text é {n}\n" for n in range(3000))
JSONL = "".join(f'{{"id":"{n}","text":"text é {n}"}}\n' for n in range(3000))
ROWS = [{"id": str(n), "text": f"text é {n}"} for n in range(3000)]


def packed(content: bytes, how: str) -> bytes:
    if how == "gz":
        return gzip.compress(content)
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        opened(path, **options)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("how", ["gz", "zst"])
@pytest.mark.parametrize(("suffix", "content"), [(".csv", CSV), (".tsv", CSV.replace(",", "\t")), (".jsonl", JSONL)])
def test_compressed_text(tmp_path: Path, how: str, suffix: str, content: str) -> None:
    path = tmp_path / f"in{suffix}.{how}"
    half = len(content) // 2
    path.write_bytes(packed(content[:half].encode(), how) + packed(content[half:].encode(), how))
    assert inputs(opened(path)) == ROWS


def test_what_a_file_is_shows_in_its_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(packed(CSV.encode(), "gz"))
    assert inputs(opened(path)) == ROWS
    path = tmp_path / "in.csv.gz"
    path.write_text(CSV)
    assert inputs(opened(path)) == ROWS


@pytest.mark.parametrize("how", ["gz", "zst"])
def test_a_damaged_archive_is_reported(tmp_path: Path, how: str) -> None:
    path = tmp_path / f"in.csv.{how}"
    path.write_bytes(packed(CSV.encode(), how)[:-20])
    assert refusal(path).startswith(f"{path}: its compressed data is damaged or cut off")


@pytest.mark.parametrize("how", ["gz", "zst"])
def test_the_place_of_undecodable_bytes_is_that_in_the_text(tmp_path: Path, how: str) -> None:
    path = tmp_path / f"in.csv.{how}"
    path.write_bytes(packed("id,text\n1,名\n".encode("gb18030"), how))
    assert "line 2: byte 0xc3 at offset 10 is not utf-8" in refusal(path)
    assert "gb18030" in refusal(path)
    assert inputs(opened(path, encoding="gb18030")) == [{"id": "1", "text": "名"}]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "csv"),
        ("a.TSV.GZ", "tsv"),
        ("a.ndjson.zst", "jsonl"),
        ("a.feather", "arrow"),
        ("a.gz", None),
        ("a", None),
    ],
)
def test_the_suffix_before_that_of_the_compression_names_the_format(name: str, expected: str | None) -> None:
    found = format_of(Path(name), None)
    assert (None if found is None else found.name) == expected
