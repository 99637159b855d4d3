"""Whole jobs with every input format."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchrun.app.export import export
from batchrun.errors import InputError
from tests.support.rehearsal import Rehearsal


def sent(rehearsal: Rehearsal) -> list[Any]:
    """The inputs of every POST, in the order in which they were sent."""
    return [json.loads(body)["inputs"] for _, body in rehearsal.posts()]


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_jsonl_that_grows_with_new_keys_and_other_types(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 0, "duration=1")
    first: list[dict[str, Any]] = [{"id": 1, "n": 12345678901234567890123}, {"id": 2, "o": {"a": [1]}}]
    path = jsonl(tmp_path / "rows.jsonl", *first)
    rehearsal.run(input=path)
    assert [row["id"] for row in rehearsal.outputs().values()] == [1, 2]
    more: list[dict[str, Any]] = [{"id": "three", "new": True}]
    jsonl(path, *first, *more)
    summary = rehearsal.run(input=path)
    assert (summary.exit_code, summary.rows) == (0, 3)
    assert sent(rehearsal) == first + more
    assert [row["id"] for row in rehearsal.outputs().values()] == ["1", "2", '"three"']
    jsonl(path, {"id": 0}, *first[1:], *more)
    with pytest.raises(InputError, match="have changed"):
        rehearsal.run(input=path)


def test_errors_of_jsonl_are_an_input_that_sends_the_same(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 0, "fail=1", "duration=1")
    rows: list[dict[str, Any]] = [{"id": 1, "o": {"a": None}}, {"o": [], "id": None}, {"id": 7}]
    assert rehearsal.run(input=jsonl(tmp_path / "rows.jsonl", *rows)).exit_code == 3
    before = len(rehearsal.posts())
    rehearsal.run(input=tmp_path / "job" / "errors.parquet", out=tmp_path / "again")
    assert sent(rehearsal)[before:] == rows


def test_a_file_is_added_to_a_folder_of_parquet(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 0, "duration=1")
    folder = tmp_path / "data"
    folder.mkdir()
    pq.write_table(pa.table({"id": range(5)}), folder / "2024-01.parquet")
    assert rehearsal.run(input=folder).completed == 5
    pq.write_table(pa.table({"id": range(5, 8)}), folder / "2024-02.parquet")
    assert rehearsal.run(input=folder).completed == 8
    assert [row["id"] for row in sent(rehearsal)] == list(range(8))
    pq.write_table(pa.table({"id": [9]}), folder / "2023-12.parquet")
    with pytest.raises(InputError, match="have changed"):
        rehearsal.run(input=folder)


def test_rows_whose_text_is_not_of_their_type_fail_alone(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, [{"id": "1", "t": "a"}, {"id": "x", "t": "b"}, {"id": "", "t": "c"}], "duration=1")
    summary = rehearsal.run(type={"id": "int"})
    assert (summary.completed, summary.errors_by_kind) == (2, {"input": 1})
    assert sent(rehearsal) == [{"id": 1, "t": "a"}, {"id": None, "t": "c"}]
    assert "'x' is not a whole number" in rehearsal.errors()[1]["error_message"]
    assert rehearsal.errors()[1]["attempts"] == 0
    with pytest.raises(InputError, match="was: --type id=int; now: no --type"):
        rehearsal.run(type={})


def test_an_export_uses_the_input_that_was_sent_or_the_previous_results(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    rehearsal.run()
    rehearsal.write(range(8))
    export(tmp_path / "job", tmp_path / "there")
    assert pq.read_table(tmp_path / "there" / "outputs.parquet")["id"].to_pylist() == list("01234")
    rehearsal.write(range(1, 8))
    with pytest.raises(InputError, match="not known any more"):
        export(tmp_path / "job", tmp_path / "there")
    export(tmp_path / "job", tmp_path / "elsewhere")
    assert pq.read_table(tmp_path / "elsewhere" / "outputs.parquet")["id"].to_pylist() == list("01234")


def test_an_unchanged_input_is_inspected_once(tmp_path: Path) -> None:
    """An unchanged input is not read again, because the result of the inspection is recorded."""
    rehearsal = Rehearsal(tmp_path, 0, "duration=1")
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a":1}\n{"b":"x"}\n'))
    rehearsal.run(input=path)
    found = path.stat()
    path.write_bytes(b"x" * found.st_size)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert rehearsal.run(input=path).exit_code == 0
