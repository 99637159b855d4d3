"""The digest of an input must stay the same across versions, because checkpoints record it."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from batchrun.adapters.tables import Source, inspect, open_table

TEXT = 'id,text\n1,é\n,"a,b"\n007,\n'
JSONL = '{"id": 1, "text": "é", "deep": {"a": [1.10, null]}}\n{"id": 12345678901234567890123}\n'
TYPED = pa.table(
    {
        "id": pa.array([1, None, -(1 << 40)]),
        "half": pa.array([0.5, float("nan"), 0.1]),
        "flag": pa.array([True, False, None]),
        "text": pa.array(["é", "", None]),
        "blob": pa.array([b"\x00\xff", b"", None]),
        "at": pa.array([datetime(2025, 10, 28, 15, 58, 40, tzinfo=UTC), None, None], pa.timestamp("ms", "UTC")),
        "price": pa.array([Decimal("1.10"), None, Decimal("-3.00")]),
        "deep": pa.array([{"a": [1, None], "b": "x"}, None, {"a": [], "b": ""}]),
    }
)


def digest(path: Path) -> str:
    return inspect(open_table(Source(path)), None, None).fingerprint.digest


def arrow(path: Path) -> None:
    with ipc.new_file(str(path), TYPED.schema) as file:
        file.write_table(TYPED, max_chunksize=2)


def parquet_files(path: Path) -> None:
    path.mkdir()
    for number in range(len(TYPED)):
        pq.write_table(TYPED.slice(number, 1), path / f"{number}.parquet")


CSV = "d81f077bfd4d1c60a2a7d97b954c95c23024587a9cf0e8369bb72d7845de06f0"
TSV = "5963a96c04bda8888b63b4260f0ac88d67b4e46b995be3f7b74636cc5fca37d4"
LINES = "a34e331dfa301289fd5643ea29358ed2dd65cbb47a871bd1269ca09468c99900"
COLUMNS = "3b23ce01c96c803d9f8a6e2a519862027b162c62342e0a8de776f6733a2209a6"

GOLDEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "in.csv": (lambda path: path.write_text(TEXT), CSV),
    "in.csv.gz": (lambda path: path.write_bytes(gzip.compress(TEXT.encode())), CSV),
    "in.tsv": (lambda path: path.write_text(TEXT.replace(",", "\t")), TSV),
    "in.jsonl": (lambda path: path.write_text(JSONL), LINES),
    "in.arrow": (arrow, COLUMNS),
    "in.parquet": (lambda path: pq.write_table(TYPED, path), COLUMNS),
    "parts": (parquet_files, COLUMNS),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_job_of_an_earlier_version_knows_its_input_again(tmp_path: Path, name: str) -> None:
    write, expected = GOLDEN[name]
    write(tmp_path / name)
    assert digest(tmp_path / name) == expected


def test_cells_rows_and_names_that_run_together_are_distinguished(tmp_path: Path) -> None:
    path, digests = tmp_path / "in.csv", list[str]()
    for names, *rows in (
        ["x,y", "ab,c"], ["x,y", "a,bc"], ["x,y", "abc,"], ["x,y", ",abc"], ["xy", "abc"],
        ["xy", "ab", "c"], ["xy", "a", "bc"], ["xy", "a", "b", "c"], ["x", "yabc"], ["x", "y", "abc"], ["x,y,abc"],
    ):  # fmt: skip
        path.write_text("\n".join([names, *rows, ""]))
        digests.append(digest(path))
    assert len(set(digests)) == len(digests)


def test_lists_and_objects_that_run_together_are_distinguished(tmp_path: Path) -> None:
    path, digests = tmp_path / "in.parquet", list[str]()
    for values in (
        [["a", "b"], []], [["a"], ["b"]], [["ab"], []], [[], ["a", "b"]], [["a", "b"]], [["a"], ["b"], []],
        ["a", "b"], ["ab", ""], [b"a", b"b"], [{"a": "b"}], [{"ab": ""}], [["a", None], ["b"]],
    ):  # fmt: skip
        pq.write_table(pa.table({"x": values}), path)
        digests.append(digest(path))
    assert len(set(digests)) == len(digests)
